"""How the demonstration checkpoints are made and measured."""
