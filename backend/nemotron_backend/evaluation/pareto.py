"""Which points does no other one beat?"""

from collections.abc import Iterator, Sequence


def best(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points to which none is at once no slower and no worse; `(cost, worth)` each, cheapest
    first. Of equal points the first counts.
    """
    return list(
        _climb(points, sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1])))
    )


def _climb(points: Sequence[tuple[float, float]], by_cost: Sequence[int]) -> Iterator[int]:
    highest = float("-inf")
    for place in by_cost:
        if points[place][1] > highest:
            highest = points[place][1]
            yield place
