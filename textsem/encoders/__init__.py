"""Sentence encoders: embedded words to the features that the particles read."""
