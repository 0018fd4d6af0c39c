"""What a user types: parse, call one library function, tell what came out.  Nothing heavy loads before parsing."""
