"""What `openai-connector check` looks at: the settings, the engine, the API, the store, diagrams."""
