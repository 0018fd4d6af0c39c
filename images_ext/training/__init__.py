"""Training of targets and adversaries of images."""
