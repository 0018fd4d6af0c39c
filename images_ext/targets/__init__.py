"""Classifiers that are attacked, and those that judge."""
