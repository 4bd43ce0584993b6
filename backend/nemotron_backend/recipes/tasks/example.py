"""What is one question of the suite?"""

from dataclasses import dataclass
from typing import Literal

Level = Literal[1, 2, 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question, the steps that lead to its answer, and the one text that counts as right.

    `system` is the system turn, empty for most tasks. `steps` is what a thinking model writes between
    `<think>` and `</think>`.
    """

    task: str
    level: Level
    question: str
    steps: str
    answer: str
    system: str = ""
