"""What does a token of each variant weigh?

One currency for all knobs: a token of a model with three billion active parameters, in bf16, made one
after the other, weighs 1. A smaller, quantised or parallel variant weighs less, because a step of it
reads fewer bytes or makes more tokens. These are prices, chosen to be easy to predict; they are no
measurements of speed.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from nemotron_backend.catalog import Catalog
from nemotron_backend.request import Decode, Precision, Variant

REFERENCE_PARAMETERS = 3_000_000_000
PRECISION_WEIGHTS: Mapping[Precision, Fraction] = {
    "bf16": Fraction(1),
    "fp8": Fraction(6, 10),
    "nvfp4": Fraction(4, 10),
}
DECODE_WEIGHTS: Mapping[Decode, Fraction] = {
    "autoregressive": Fraction(1),
    "self-speculation": Fraction(6, 10),
    "diffusion": Fraction(5, 10),
}
SMALLEST_WEIGHT = Fraction(1, 100)
LARGEST_WEIGHT = Fraction(100)


def weight_of(variant: Variant, catalog: Catalog) -> Fraction:
    """The weight of a token, in thousandths. Raises UnknownModel, and KeyError for a size it lacks."""
    exact = (
        _size_weight(variant, catalog) * PRECISION_WEIGHTS[variant.precision] * DECODE_WEIGHTS[variant.decode]
    )
    return min(LARGEST_WEIGHT, max(SMALLEST_WEIGHT, Fraction(round(exact * 1000), 1000)))


def price_list(variants: Iterable[Variant], catalog: Catalog) -> dict[str, float]:
    """The weight of each variant, as it is published."""
    return {str(variant): float(weight_of(variant, catalog)) for variant in variants}


def _size_weight(variant: Variant, catalog: Catalog) -> Fraction:
    """Active parameters over the reference; a size such as `23b+30b` is the mean of its two."""
    sizes = catalog.find(variant.model).sizes
    active = {size.name: size.active_parameters or size.total_parameters for size in sizes}
    parts = [variant.size] if variant.size in active else variant.size.split("+")
    return Fraction(sum(active[part] for part in parts), len(parts) * REFERENCE_PARAMETERS)
