"""How do people see how far the start is?"""

import sys
from collections.abc import Callable
from typing import NoReturn

from tqdm import tqdm


class ProgressReport:
    """A bar on the terminal, and the same as sentences for `say`, each said once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said = ""
        self._bar: tqdm[NoReturn] | None = None
        self._step = ""

    def __call__(self, step: str, fraction: float | None = None) -> None:
        """A step has got this far, 0 to 1; None where nobody can tell."""
        if step != self._step:
            self.close()
            self._step = step
        is_done_at_once = self._bar is None and fraction == 1
        if fraction is not None and not is_done_at_once:
            self._draw(fraction)
        sentence = step if fraction is None or is_done_at_once else f"{step}: {fraction:.0%}"
        if sentence != self._said:
            self._said = sentence
            self._say(sentence)

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, fraction: float) -> None:
        if self._bar is None:
            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"
            self._bar = tqdm(total=1.0, desc=self._step, bar_format=form, file=sys.stderr)
        self._bar.update(fraction - self._bar.n)
