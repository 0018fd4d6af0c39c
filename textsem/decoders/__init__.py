"""Decoders: a code back to one vector a position, compared with the embedding table to give words."""
