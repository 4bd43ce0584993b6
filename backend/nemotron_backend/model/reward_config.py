"""Which numbers does a reward model's network end in, as its config.json tells?

Nemotron-4-340B-Reward has a head of nine outputs, of which the last five are used; in Hugging Face format
that is a class for sequence classification. Llama-3.1-Nemotron-70B-Reward is an ordinary language model, in
which the logit of the first token id is the reward. Both are read at the last token.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from nemotron_backend.model.errors import UnsupportedConfig
from nemotron_backend.rewards import ATTRIBUTES, REWARD

_CLASSIFIER = "ForSequenceClassification"
_BY_OUTPUTS: Mapping[int, tuple[str, ...]] = {1: (REWARD,), 5: ATTRIBUTES, 9: ATTRIBUTES}
_REMEDY = "Take a reward model with 1, 5 or 9 outputs, in the order in which NVIDIA's have them."


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardHead:
    """The last `attributes` of the outputs of a map called `name`; of the vocabulary, the first alone."""

    name: str
    attributes: tuple[str, ...]
    num_outputs: int = 0

    @property
    def optional(self) -> frozenset[str]:
        """Tensors that may be there beside the weight; NeMo's heads have a bias."""
        return frozenset({f"{self.name}.bias"} if self.num_outputs else ())


class _File(msgspec.Struct):
    """What is said of outputs; two are what Hugging Face takes where nothing is."""

    architectures: tuple[str, ...] = ()
    id2label: dict[str, str] | None = None
    num_labels: int | None = None

    @property
    def num_outputs(self) -> int:
        """0 where it ends in words."""
        if not any(name.endswith(_CLASSIFIER) for name in self.architectures):
            return 0
        return self.num_labels or (2 if self.id2label is None else len(self.id2label))


def num_outputs(folder: Path) -> int:
    """How many outputs the head for scores has in which a folder's network ends; 0 where it has none."""
    return _read(folder).num_outputs


def read_head(folder: Path, *, is_reward: bool = False) -> RewardHead | None:
    """Where a folder's network has its scores; None where it says words.

    That a language model's first logit is a reward does not stand in its files. Raises UnsupportedConfig.
    """
    number = num_outputs(folder)
    if not number:
        return RewardHead(name="lm_head", attributes=(REWARD,)) if is_reward else None
    names = _BY_OUTPUTS.get(number)
    if names is None:
        problem = f"it has {number} outputs, and what they mean is not known"
        raise UnsupportedConfig(folder / "config.json", problem, _REMEDY)
    return RewardHead(name="score", attributes=names, num_outputs=number)


def _read(folder: Path) -> _File:
    """What there is; whoever reads all of the config tells what is wrong with it."""
    try:
        return msgspec.convert(json.loads((folder / "config.json").read_bytes()), _File)
    except (OSError, ValueError):
        return _File()
