"""The engine's side: a connection to Zeebe, a subscription to its jobs, and the commands that end them."""
