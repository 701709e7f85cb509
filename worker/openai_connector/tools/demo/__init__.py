"""Processes of their own for commands and tests: the small model, and an engine that can be killed."""
