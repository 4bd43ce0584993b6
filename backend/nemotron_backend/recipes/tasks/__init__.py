"""A world of questions whose answers can be checked: what the demonstration checkpoints learn.

Each task is a module with one function `make(rng, level)`; level 1 is easy, 3 is hard.
"""

from nemotron_backend.recipes.tasks.example import Example, Level
from nemotron_backend.recipes.tasks.suite import LEVELS, TASKS, held_out, is_correct, training

__all__ = ["LEVELS", "TASKS", "Example", "Level", "held_out", "is_correct", "training"]
