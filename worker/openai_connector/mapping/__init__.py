"""From the response to the process: result variable, result expression and error expression."""
