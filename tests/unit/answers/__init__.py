"""What a model answers: how it is read, and whether it is what was asked for."""
