"""OpenAI's wire format: bodies in, answers out, and the one translation to the engine's types."""
