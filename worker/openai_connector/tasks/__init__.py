"""From a job's variables to a request; nothing is sent."""
