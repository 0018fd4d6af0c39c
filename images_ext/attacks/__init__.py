"""What uses a model: ours and its controls, PGD, searches in code space."""
