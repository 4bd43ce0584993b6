"""How is a slice of a network checked, layers of each kind one after the other?"""

from dataclasses import replace

from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.floors import Call, Load, step_of
from nemotron_backend.gpu_check.case import Case, Trial, each
from nemotron_backend.gpu_check.layers import stack_of
from nemotron_backend.gpu_check.tensors import Tensors


def slice_case(name: str, dimensions: Dimensions, pattern: str, load: Load) -> Case:
    """Layers of this pattern, without embedding and head."""
    # A network's pattern has all the kinds that its dimensions tell of; a slice may lack some.
    kinds = {"M": "mamba", "E": "experts", "*": "attention", "-": "feed_forward"}
    absent = {field: None for letter, field in kinds.items() if letter not in pattern}
    part = replace(dimensions, pattern=pattern, repeats=1, **absent)  # type: ignore[arg-type]
    calls = step_of(part, load).calls[:-1]
    floor = Call(
        op="layers",
        name=f"{name} {pattern}",
        weights=sum(call.count * call.weights for call in calls),
        kept=sum(call.count * call.kept for call in calls),
        operations=sum(call.count * call.operations for call in calls),
    )
    return Case(
        title=f"{floor.name}, batch {load.batch}, new tokens {load.tokens}",
        precision=load.precision,
        floor=floor,
        trials=each(lambda tensors: _trial(tensors, part, load)),
        # Where two experts are nearly as good, two paths may choose differently.
        compares_means=True,
        tolerance=0.05,
    )


def _trial(tensors: Tensors, part: Dimensions, load: Load) -> Trial:
    stack, x = stack_of(tensors, part, load), tensors.normal(load.rows, part.hidden)
    return Trial(run=lambda: stack(x), changed=tuple(t for layer in stack.layers for t in layer.changed))
