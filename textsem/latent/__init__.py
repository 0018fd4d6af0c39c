"""The shared core of the method: particles, manifold and Algorithm 2.  Tensors only: no word, no pixel."""
