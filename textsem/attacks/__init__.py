"""Attacks on a target: where candidates come from, in which order they are asked, what becomes of every pair."""
