"""Which dimensions stand in for nested sizes whose own were never published?

They are illustrations that fit the published counts, and no facts: others fit as well.
"""

from dataclasses import replace

from nemotron_backend.catalog.dimensions import Dimensions

# Hidden width and width of a routed expert.
_WIDTHS = {"23b": (2176, 1728), "12b": (1792, 1024)}


def illustrate(full: Dimensions, size: str) -> Dimensions | None:
    """The network of `full` cut to the widths of an illustration."""
    if size not in _WIDTHS or full.experts is None:
        return None
    hidden, width = _WIDTHS[size]
    return replace(full, hidden=hidden, experts=replace(full.experts, width=width))
