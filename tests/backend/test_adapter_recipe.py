"""Does the recipe of the draft adapter teach what is served, and go on where it was stopped?"""

from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor

from nemotron_backend.model.adapter_folder import FOLDER
from nemotron_backend.model.load import LlamaCheckpoint, load_network
from nemotron_backend.model.network import Batch, Network, Segment
from nemotron_backend.recipes.adapter.network import Adapter, Frozen
from nemotron_backend.recipes.adapter.saving import save
from nemotron_backend.recipes.adapter.speech import Scene, speak
from nemotron_backend.recipes.adapter.train import choose, train
from nemotron_backend.recipes.adapter.trainer import Trainer
from nemotron_backend.recipes.dialogue import Dialogue
from nemotron_backend.recipes.trimode.noise import lesson

END = "<|im_end|>"
MASK = 320


@pytest.fixture
def frozen(tiny_checkpoint: Path) -> Frozen:
    return Frozen.open(tiny_checkpoint, torch.float32)


def dialogues(count: int) -> list[Dialogue]:
    rng = Random(2)

    def ids(length: int) -> tuple[int, ...]:
        return tuple(rng.randrange(3, 320) for _ in range(length))

    return [Dialogue(prompt=ids(rng.randint(5, 12)), answer=ids(rng.randint(10, 24))) for _ in range(count)]


def drawn(frozen: Frozen) -> Adapter:
    """An adapter of bfloat16 values that changes much."""
    torch.manual_seed(5)
    adapter = Adapter(frozen.config, 4, torch.randn(64))
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.copy_((parameter + 0.2 * torch.randn_like(parameter)).bfloat16())
    return adapter


def test_what_is_trained_is_what_is_served(frozen: Frozen, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """A block of masks behind a prompt, drafted through the saved adapter."""
    adapter, (dialogue,) = drawn(frozen), dialogues(1)
    save(adapter, 16, tmp_path)
    network = LlamaCheckpoint.open(tiny_checkpoint, tmp_path).network("full", "bf16")
    made = lesson([dialogue], MASK, torch.Generator().manual_seed(0), (8,))
    hidden, kept = frozen.read(made)
    with torch.no_grad():
        trained = frozen.logits(frozen.draft(made, kept, adapter))[0]
    said = frozen.logits(hidden)[0]
    sees = made.mask[0, 0, :, : made.num_noisy]
    first = 0
    while first < made.num_noisy:
        length = int(sees[first, first : made.num_noisy].sum())
        prefix = [*dialogue.prompt, *dialogue.answer[:first]]
        block = made.token_ids[0, first : first + length]
        before, drafted = _served(network, prefix, block)
        torch.testing.assert_close(drafted, trained[first : first + length], atol=2e-3, rtol=2e-3)
        torch.testing.assert_close(before, said[: len(prefix)], atol=2e-3, rtol=2e-3)
        first += length


def _served(network: Network, prefix: list[int], block: Tensor) -> tuple[Tensor, Tensor]:
    """The engine's logits of a prefix, and of a block that is drafted behind it."""
    cache, start = network.make_cache(64), len(prefix)

    def forward(ids: Tensor, position: int, is_causal: bool) -> Tensor:
        segment = Segment(cache=cache, start=0, length=len(ids), position=position, is_causal=is_causal)
        every = torch.arange(len(ids))
        logits: Tensor = network.forward(
            Batch(
                token_ids=ids,
                positions=every + position,
                segments=(segment,),
                logit_rows=every,
                is_draft=not is_causal,
            )
        )
        return logits

    return forward(torch.tensor(prefix), 0, True), forward(block, start, False)


def test_the_loss_falls_and_the_network_stays(frozen: Frozen) -> None:
    before, made = frozen.embedding.clone(), dialogues(4)
    trainer = Trainer(frozen, 8, 3)
    losses = [trainer.step(made, 0.0).loss for _ in range(60)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert torch.equal(frozen.embedding, before)


def test_a_stopped_training_goes_on_as_if_never_stopped(frozen: Frozen, tmp_path: Path) -> None:
    whole, first = Trainer(frozen, 4, 3), Trainer(frozen, 4, 3)
    made = dialogues(3)
    wanted = [whole.step(made, 0.5) for _ in range(6)]
    found = [first.step(made, 0.5) for _ in range(3)]
    first.save(tmp_path / "state.pt")
    second = Trainer(frozen, 4, 3)
    second.restore(tmp_path / "state.pt")
    assert second.num_steps == 3
    found += [second.step(made, 0.5) for _ in range(3)]
    assert found == wanted


def test_the_model_plays_both_parts_of_its_template(tiny_checkpoint: Path) -> None:
    scene = Scene.read(tiny_checkpoint, END)
    network = load_network(tiny_checkpoint, "bf16")
    spoken = speak(network, scene, 3, torch.Generator().manual_seed(1))
    assert len({dialogue.answer for dialogue in spoken}) == 3
    for dialogue in spoken:
        assert dialogue.prompt[: len(scene.opening)] == scene.opening
        assert dialogue.prompt[-len(scene.between) :] == scene.between
        assert dialogue.answer
        assert scene.end not in dialogue.answer[:-1]


def test_a_batch_holds_no_more_than_it_may() -> None:
    pool = dialogues(50)
    for seed in range(30):
        chosen = choose(pool, 100, Random(seed))
        assert len(chosen) * max(len(dialogue) for dialogue in chosen) <= 100


def test_a_training_leaves_an_adapter_that_is_served(tiny_checkpoint: Path, tmp_path: Path) -> None:
    train(tiny_checkpoint, tmp_path, END, seconds=0.01)
    assert (tmp_path / "state.pt").exists()
    checkpoint = LlamaCheckpoint.open(tiny_checkpoint, tmp_path / FOLDER)
    assert checkpoint.decodes("full") == ("autoregressive", "self-speculation")
    masking = checkpoint.network("full", "bf16").masking
    assert masking is not None
    assert masking.block_length == 16
