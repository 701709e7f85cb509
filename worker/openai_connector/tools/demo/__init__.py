"""What runs beside the commands and the tests as a process of its own: the small model, and an engine to be killed."""
