"""Statistics that say how sure they are."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

Follow = Callable[[Tensor, Tensor, Tensor], None]


@pytest.fixture
def follow() -> Follow:
    """Assert that counts follow the chances `right`, by a chi-square that would find the chances `wrong`.

    One right sample in a thousand passes the bound, and at least 99 in 100 wrong ones do.
    """

    def check(counts: Tensor, right: Tensor, wrong: Tensor) -> None:
        expected, other = right.double().numpy(), wrong.double().numpy()
        num_draws = int(counts.sum())
        samples = np.random.default_rng(1).multinomial(num_draws, expected, size=20_000)
        bound = float(np.quantile(_chi_square(samples.astype(np.float64), expected), 0.999))
        others = np.random.default_rng(2).multinomial(num_draws, other, size=500)
        assert (_chi_square(others.astype(np.float64), expected) > bound).mean() > 0.99
        assert _chi_square(counts.double().numpy(), expected) < bound

    return check


def _chi_square(counts: NDArray[np.float64], chances: NDArray[np.float64]) -> NDArray[np.float64]:
    expected = chances * counts.sum(-1, keepdims=True)
    found: NDArray[np.float64] = ((counts - expected) ** 2 / expected).sum(-1)
    return found
