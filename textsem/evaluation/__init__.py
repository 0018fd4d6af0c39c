"""What a run came to: figures, files, pages and the smoothness of a code space."""
