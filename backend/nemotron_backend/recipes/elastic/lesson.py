"""What does one step read, and where is it asked?"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.recipes.dialogue import Dialogue

IGNORED = -100
# Products are compiled for their shape, so lessons come in few.
LENGTH_UNIT = 8
_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Ids [batch, tokens]; `rows` of the flattened hidden states are asked for `targets`.

    Rows past the last answer are filled up with the target `IGNORED`.
    """

    token_ids: Tensor
    rows: Tensor
    targets: Tensor


def lesson(dialogues: list[Dialogue]) -> Lesson:
    """Prompts and answers padded to one length; each token of an answer is asked of the token before it."""
    length = _rounded_up(max(map(len, dialogues)), LENGTH_UNIT)
    ids = torch.stack([_padded((*each.prompt, *each.answer), length) for each in dialogues])
    rows = torch.cat(
        [
            torch.arange(len(each.prompt), len(each)) - 1 + index * length
            for index, each in enumerate(dialogues)
        ]
    )
    targets = torch.cat([torch.tensor(each.answer) for each in dialogues])
    missing = _rounded_up(len(rows), _ROWS) - len(rows)
    return Lesson(
        token_ids=ids, rows=F.pad(rows, (0, missing)), targets=F.pad(targets, (0, missing), value=IGNORED)
    )


def distance(logits: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
    """How far the distribution is from the teacher's, mean over the rows that are asked for."""
    asked = (targets != IGNORED).float()
    apart = F.kl_div(logits.log_softmax(-1), teacher.log_softmax(-1), log_target=True, reduction="none")
    return (apart.sum(dim=-1) * asked).sum() / asked.sum()


def _padded(ids: tuple[int, ...], length: int) -> Tensor:
    return F.pad(torch.tensor(ids), (0, length - len(ids)))


def _rounded_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
