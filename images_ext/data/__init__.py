"""Labelled images: MNIST, SVHN and its stand-in, CelebA, and digits drawn here."""
