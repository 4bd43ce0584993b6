"""Is the noise Philox's, the same however it is asked for, and exponential?"""

import math

import torch

from nemotron_kernels.noise import STREAM_OF_CHOICE, STREAM_OF_JUDGEMENT, exponential, uniform
from nemotron_kernels.noise.reference import philox

ONES = 0xFFFFFFFF
# The known answers that Random123 ships: counter, key, words.
KNOWN = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


def test_words_are_those_of_philox() -> None:
    for counter, key, words in KNOWN:
        low, high = (torch.tensor(word) for word in key)
        found = philox(tuple(torch.tensor(word) for word in counter), (low, high))
        assert tuple(int(word) for word in found) == words


def test_a_row_has_the_same_noise_alone_and_among_others() -> None:
    seeds, counters = torch.tensor([3, -1, 2**62]), torch.tensor([0, 2**40 + 1, 7])
    together = exponential(seeds, counters, 37)
    for row in range(3):
        alone = exponential(seeds[row : row + 1], counters[row : row + 1], 37)
        assert torch.equal(alone[0], together[row])
    some = uniform(seeds, counters, torch.tensor([36, 5]), STREAM_OF_CHOICE)
    assert torch.equal(-torch.log1p(-some), together[:, [36, 5]])


def test_seed_counter_and_stream_each_give_other_numbers() -> None:
    ids = torch.arange(8)

    def drawn(seed: int, counter: int, stream: int) -> tuple[float, ...]:
        return tuple(uniform(torch.tensor([seed]), torch.tensor([counter]), ids, stream)[0].tolist())

    asked = [(0, 0), (1, 0), (2**32, 0), (0, 1), (0, 2**32), (-1, 0), (0, -1)]
    found = {drawn(*pair, stream) for pair in asked for stream in (STREAM_OF_CHOICE, STREAM_OF_JUDGEMENT)}
    assert len(found) == 2 * len(asked)


def test_waits_are_exponential_also_where_they_are_short() -> None:
    """A Kolmogorov-Smirnov bound that one right sample in a thousand passes; a rate off by 1 % would too."""
    num_draws = 400_000
    waits = exponential(torch.tensor([11]), torch.tensor([0]), num_draws)[0].sort().values
    steps = torch.arange(1, num_draws + 1, dtype=torch.float64) / num_draws
    bound = 1.95 / math.sqrt(num_draws)
    assert float(((1 - torch.exp(-waits)) - steps).abs().max()) < bound
    assert float(((1 - torch.exp(-1.01 * waits)) - steps).abs().max()) > bound
    assert bool((waits[1:40] > waits[:39]).all())
    assert float(waits[0]) < 10 / num_draws
