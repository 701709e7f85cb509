"""The commands of `openai-connector`, one module each."""
