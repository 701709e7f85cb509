"""A real engine and a real small model on one machine, for newcomers and for tests."""
