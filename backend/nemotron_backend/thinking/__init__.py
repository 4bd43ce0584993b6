"""How does a model think first and answer then, each with a size of its own if asked?"""

from nemotron_backend.thinking.engine import ThinkingEngine

__all__ = ["ThinkingEngine"]
