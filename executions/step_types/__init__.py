"""Step types that need what runs know: people and their answers."""
