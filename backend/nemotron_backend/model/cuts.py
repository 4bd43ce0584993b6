"""Which rows and columns of each tensor does a nested size keep?

Every axis is cut to a prefix. Mamba heads are cut to a prefix inside each group, because B and C are
shared by a group and the gated norm is taken over it; the channels of B and C are never cut. A cut is
therefore a few strips of an axis, one strip where the axis is cut plainly or not at all.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nemotron_backend.model.nemotron_h_config import NemotronHConfig

Axis = str | None

_LAYER = re.compile(r"^(?:backbone\.)?(?:layers\.\d+\.)?")
_EXPERT = re.compile(r"\.experts\.(?:\d+|\*)\.")
_AXES: Mapping[str, tuple[Axis, ...]] = {
    "embeddings.weight": (None, "hidden"),
    "lm_head.weight": (None, "hidden"),
    "norm_f.weight": ("hidden",),
    "norm.weight": ("hidden",),
    "mixer.in_proj.weight": ("projection", "hidden"),
    "mixer.conv1d.weight": ("convolution", None, None),
    "mixer.conv1d.bias": ("convolution",),
    "mixer.A_log": ("head",),
    "mixer.D": ("head",),
    "mixer.dt_bias": ("head",),
    "mixer.norm.weight": ("inner",),
    "mixer.out_proj.weight": ("hidden", "inner"),
    "mixer.q_proj.weight": (None, "hidden"),
    "mixer.qkv_proj.weight": (None, "hidden"),
    "mixer.k_proj.weight": (None, "hidden"),
    "mixer.v_proj.weight": (None, "hidden"),
    "mixer.o_proj.weight": ("hidden", None),
    "mixer.up_proj.weight": ("mlp", "hidden"),
    "mixer.down_proj.weight": ("hidden", "mlp"),
    "mixer.gate.weight": ("expert", "hidden"),
    "mixer.gate.e_score_correction_bias": ("expert",),
    "mixer.experts.*.up_proj.weight": ("expert_width", "expert_input"),
    "mixer.experts.*.down_proj.weight": ("expert_input", "expert_width"),
    "mixer.shared_experts.up_proj.weight": ("shared_width", "hidden"),
    "mixer.shared_experts.down_proj.weight": ("hidden", "shared_width"),
    "mixer.fc1_latent_proj.weight": (None, "hidden"),
    "mixer.fc2_latent_proj.weight": ("hidden", None),
}


@dataclass(frozen=True, slots=True)
class Strip:
    """Positions `start` to `stop` of an axis."""

    start: int
    stop: int

    @property
    def width(self) -> int:
        return self.stop - self.start

    @property
    def positions(self) -> slice:
        return slice(self.start, self.stop)

    def in_units(self, unit: int) -> "Strip":
        """The same strip of an axis that holds `unit` positions in each of its own."""
        return Strip(self.start // unit, self.stop // unit)


Strips = tuple[Strip, ...]


class Cuts:
    """The strips that the network `kept` is of the network `whole`."""

    def __init__(self, whole: NemotronHConfig, kept: NemotronHConfig) -> None:
        self._whole = whole
        self._kept = kept
        self._strips = _strips(whole, kept)

    def of(self, name: str) -> tuple[Strips | None, ...]:
        """Strips for each axis of a tensor, None for an axis that is never cut."""
        return tuple(None if axis is None else self._strips[axis] for axis in axes(name))

    def axis(self, axis: str) -> Strips:
        """Strips of one axis."""
        return self._strips[axis]

    def keeps(self, name: str) -> bool:
        """Whether the tensor is there at all; experts past the prefix are not."""
        expert = re.search(r"\.experts\.(\d+)\.", name)
        return expert is None or int(expert[1]) < self._kept.n_routed_experts


def axes(name: str) -> tuple[Axis, ...]:
    """What each axis of a tensor stands for, by the tensor's name in a checkpoint."""
    return _AXES[_EXPERT.sub(".experts.*.", _LAYER.sub("", name))]


def _strips(whole: NemotronHConfig, kept: NemotronHConfig) -> dict[str, Strips]:
    inner, head = _in_groups(whole, kept, whole.mamba_head_dim), _in_groups(whole, kept, 1)
    selection = (Strip(0, whole.selection_size),)
    return {
        "hidden": _prefix(kept.hidden_size),
        "mlp": _prefix(kept.intermediate_size),
        "expert": _prefix(kept.n_routed_experts),
        "expert_width": _prefix(kept.moe_intermediate_size),
        "expert_input": _prefix(kept.expert_input_size),
        "shared_width": _prefix(kept.moe_shared_expert_intermediate_size),
        "head": head,
        "inner": inner,
        "convolution": _beside([(inner, whole.inner_size), (selection, whole.selection_size)]),
        "projection": _beside(
            [
                (inner, whole.inner_size),
                (inner, whole.inner_size),
                (selection, whole.selection_size),
                (head, whole.mamba_num_heads),
            ]
        ),
    }


def _prefix(width: int) -> Strips:
    return (Strip(0, width),)


def _in_groups(whole: NemotronHConfig, kept: NemotronHConfig, unit: int) -> Strips:
    """The first heads of every group, each head `unit` positions wide."""
    held = whole.mamba_num_heads // whole.n_groups * unit
    taken = kept.mamba_num_heads // whole.n_groups * unit
    return _merged([Strip(group * held, group * held + taken) for group in range(whole.n_groups)])


def _beside(parts: Sequence[tuple[Strips, int]]) -> Strips:
    """The strips of several axes that lie end to end, each with its whole width."""
    moved: list[Strip] = []
    offset = 0
    for strips, width in parts:
        moved += [Strip(strip.start + offset, strip.stop + offset) for strip in strips]
        offset += width
    return _merged(moved)


def _merged(strips: Sequence[Strip]) -> Strips:
    """Neighbours that touch become one strip."""
    merged: list[Strip] = []
    for strip in strips:
        if merged and merged[-1].stop == strip.start:
            merged[-1] = Strip(merged[-1].start, strip.stop)
        else:
            merged.append(strip)
    return tuple(merged)
