"""Training: the adversary, its parts, and targets; exact resume."""
