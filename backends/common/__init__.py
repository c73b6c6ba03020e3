"""What every backend that generates code has in common: steps and their memory, loop nests, the table of lowerings."""
