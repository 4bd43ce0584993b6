"""Does the elastic checkpoint that ships do what its card says?"""

from importlib import resources
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer

from nemotron_backend.catalog import Catalog, recognise
from nemotron_backend.model.nemotron_h import NemotronH
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.network import Batch, Segment
from nemotron_backend.recipes.dialogue import Script
from nemotron_backend.recipes.tasks import Example, held_out, is_correct
from nemotron_backend.request import PRECISIONS, Precision

FOLDER = Path(str(resources.files("nemotron_backend"))) / "checkpoints" / "elastic-4m"
END, THOUGHT = 11, "</think>\n"


def easy(count: int) -> list[Example]:
    """Held-out questions of the level that every size answers."""
    return list(islice(held_out(7, (1,)), count))


def answer(network: NemotronH, example: Example) -> str:
    """What the network says after its thought, greedily."""
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokens = list(Script(tokenizer).dialogue(example, thinking=True).prompt)
    cache, position = network.make_cache(len(tokens) + 200), 0
    written: list[int] = []
    while len(written) < 200:
        segment = Segment(cache=cache, start=0, length=len(tokens), position=position)
        batch = Batch(
            token_ids=torch.tensor(tokens),
            positions=torch.arange(position, position + len(tokens)),
            segments=(segment,),
            logit_rows=torch.tensor([len(tokens) - 1]),
        )
        position += len(tokens)
        tokens = [int(network.forward(batch).argmax())]
        if tokens == [END]:
            break
        written += tokens
    text: str = tokenizer.decode(written, skip_special_tokens=False)
    return text.partition(THOUGHT)[2]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_size_answers_held_out_questions(precision: Precision) -> None:
    checkpoint = NemotronHCheckpoint.open(FOLDER)
    for size in checkpoint.sizes:
        network = checkpoint.network(size, precision)
        right = [is_correct(example, answer(network, example)) for example in easy(8)]
        assert sum(right) >= 7, size


def test_the_catalog_knows_it_and_its_sizes() -> None:
    model = recognise(FOLDER, Catalog.read())
    assert model is not None
    assert model.id == "elastic-4m"
    assert [size.name for size in model.sizes] == list(NemotronHCheckpoint.open(FOLDER).sizes)


def test_it_holds_as_many_numbers_as_the_catalog_counts() -> None:
    model = recognise(FOLDER, Catalog.read())
    assert model is not None
    with safe_open(FOLDER / "model.safetensors", "pt") as file:
        held = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert held == model.sizes[0].total_parameters


def test_it_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 20 * 2**20
