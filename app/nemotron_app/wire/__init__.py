"""OpenAI's wire format: bodies in, answers out, and the one translation between them and the engine's types."""
