"""What a user types: parse, call one library function, tell what came out.  Before parsing nothing heavy is imported."""
