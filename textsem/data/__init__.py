"""Natural language inference pairs and sentences: SNLI and its relatives, files of the user, the demo pairs."""
