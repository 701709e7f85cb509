"""The sandbox's page: the picture of a diagram, what the page needs from the engine, and the server."""
