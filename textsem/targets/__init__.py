"""Classifiers of premise-hypothesis pairs that can be attacked, and the meter that counts what they are asked."""
