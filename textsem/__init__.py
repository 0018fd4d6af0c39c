"""Adversarial hypotheses from a learned manifold: text that keeps its meaning and changes a classifier's mind."""
