"""Is the elastic recipe's network the one that is served, and does training it work?"""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import NemotronHForCausalLM

from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.recipes.batches import batches
from nemotron_backend.recipes.dialogue import Dialogue
from nemotron_backend.recipes.elastic.lesson import IGNORED, distance, lesson
from nemotron_backend.recipes.elastic.network import Elastic
from nemotron_backend.recipes.elastic.rounding import rounded
from nemotron_backend.recipes.elastic.saving import save
from nemotron_backend.recipes.elastic.shape import CONFIG, Size, nested
from nemotron_backend.recipes.elastic.state_space import scan
from nemotron_backend.recipes.elastic.train import Trainer
from nemotron_backend.recipes.muon import StackedMuon
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels.chunk_scan import chunk_scan
from nemotron_kernels.state_space import HeadParameters, Selection

TINY: Mapping[str, Any] = CONFIG | {
    "vocab_size": 64,
    "hidden_size": 64,
    "hybrid_override_pattern": "ME*M*E",
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "head_dim": 16,
    "mamba_head_dim": 16,
    "ssm_state_size": 8,
    "chunk_size": 8,
    "n_routed_experts": 6,
    "moe_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 48,
    "elastic_sizes": {
        "large": {},
        "middle": {"hidden_size": 48, "moe_intermediate_size": 16, "mamba_num_heads": 4},
        "small": {"hidden_size": 32, "n_routed_experts": 4, "moe_shared_expert_intermediate_size": 32},
    },
}
SIZES = nested(TINY)
each_size = pytest.mark.parametrize("size", SIZES, ids=[size.name for size in SIZES])


def drawn() -> Elastic:
    """A network of bfloat16 values in which every part matters."""
    torch.manual_seed(3)
    model = Elastic(SIZES[0].config)
    with torch.no_grad():
        for tensor in [
            *model.parameters(),
            *(mixture.gate.e_score_correction_bias for mixture in model.experts),
        ]:
            tensor += torch.randn_like(tensor) * 0.1
            tensor.copy_(tensor.bfloat16())
    return model


def logits(model: Elastic, ids: Tensor, size: Size) -> Tensor:
    with torch.no_grad():
        return model.logits(model(ids, size), size)


def draw(batch: int, length: int) -> Tensor:
    return torch.randint(64, (batch, length), generator=torch.Generator().manual_seed(1))


def close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max() / theirs.std()) < 1e-4


def dialogues(count: int) -> list[Dialogue]:
    """Repeat three tokens backwards."""
    rng = Random(5)
    drawn = [tuple(rng.choices(range(20, 30), k=3)) for _ in range(count)]
    return [Dialogue(prompt=(1, *asked, 2), answer=(*reversed(asked), 11)) for asked in drawn]


@pytest.mark.parametrize("precision", PRECISIONS)
@each_size
def test_what_is_trained_is_what_is_served(
    tmp_path: Path, run: Any, size: Size, precision: Precision
) -> None:
    model, ids = drawn(), draw(2, 21)
    save(model, TINY, tmp_path)
    with rounded(model, recipe(SIZES[0].config, precision)):
        trained = logits(model, ids, size)
    network = NemotronHCheckpoint.open(tmp_path).network(size.name, precision)
    for own, expected in zip(ids, trained, strict=True):
        (served,) = run(network, (own.tolist(), network.make_cache(21), 0))
        close(served, expected)


def test_transformers_reads_what_is_saved(tmp_path: Path) -> None:
    model, ids = drawn(), draw(2, 21)
    save(model, TINY, tmp_path)
    theirs: Any = NemotronHForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    with torch.no_grad():
        close(logits(model, ids, SIZES[0]), theirs(ids, use_cache=False).logits)


def test_a_size_has_no_gradient_outside_its_part() -> None:
    model, size = drawn(), SIZES[-1]
    torch.autograd.backward(model.logits(model(draw(1, 9), size), size).square().sum())
    for mixture in model.experts:
        gradient = mixture.experts.up_proj.grad
        assert gradient is not None
        assert gradient[:4, :, :32].abs().sum() > 0
        assert gradient[4:].abs().sum() == 0
        assert gradient[:, :, 32:].abs().sum() == 0


def test_padding_behind_changes_nothing() -> None:
    model, ids = drawn(), draw(1, 21)
    close(logits(model, ids, SIZES[0])[:, :13], logits(model, ids[:, :13], SIZES[0]))


@pytest.mark.parametrize("length", [1, 8, 9, 30])
def test_the_batched_scan_equals_the_scan_of_the_engine(length: int) -> None:
    torch.manual_seed(2)
    heads = HeadParameters(a=-torch.rand(4), d=torch.rand(4), dt_bias=torch.randn(4))
    selection = Selection(
        x=torch.randn(2, length, 4, 5),
        dt=torch.randn(2, length, 4),
        b=torch.randn(2, length, 2, 3),
        c=torch.randn(2, length, 2, 3),
    )
    expected, _ = chunk_scan(selection, heads, torch.zeros(2, 4, 5, 3), 8)
    close(scan(selection, heads, 8), expected)


def test_rounding_leaves_the_exact_weights_behind() -> None:
    model, ids = drawn(), draw(1, 9)
    before = logits(model, ids, SIZES[0])
    with rounded(model, recipe(SIZES[0].config, "nvfp4")):
        assert not torch.equal(logits(model, ids, SIZES[0]), before)
    assert torch.equal(logits(model, ids, SIZES[0]), before)


def test_every_size_learns() -> None:
    trainer, batch = Trainer(TINY, num_steps=100), lesson(dialogues(8))
    for step in range(2):
        trainer.step(step, batch)
    assert min(trainer.losses().values()) > 3.5
    for step in range(2, 98):
        trainer.step(step, batch)
    trainer.losses()
    for step in range(98, 100):
        trainer.step(step, batch)
    assert max(trainer.losses().values()) < 0.8


def test_a_stopped_training_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    batch = lesson(dialogues(4))

    def trained(first: int, last: int) -> Trainer:
        torch.manual_seed(0)
        trainer = Trainer(TINY, num_steps=10)
        assert trainer.resume(tmp_path) == first
        for step in range(first, last):
            trainer.step(step, batch)
        return trainer

    whole = trained(0, 10).model.state_dict()
    trained(0, 6).save_state(tmp_path, 6)
    rest = trained(6, 10).model.state_dict()
    assert all(torch.equal(rest[name], tensor) for name, tensor in whole.items())


def test_an_idle_expert_gets_work() -> None:
    model, ids = drawn(), draw(4, 30)
    mixture = model.experts[0]
    mixture.gate.e_score_correction_bias[2] = -1.0
    logits(model, ids, SIZES[0])
    assert mixture.gate.load[2] == 0
    for _ in range(100):
        mixture.balance(0.02)
        logits(model, ids, SIZES[0])
    assert mixture.gate.load.min() > 0.5 * mixture.gate.load.mean()


def test_a_stack_moves_as_torch_moves_each_matrix() -> None:
    torch.manual_seed(4)
    start, gradients = torch.randn(3, 6, 10), torch.randn(4, 3, 6, 10)
    stack = torch.nn.Parameter(start.clone())
    singles = [torch.nn.Parameter(matrix.clone()) for matrix in start]
    ours = StackedMuon([stack], lr=0.02, weight_decay=0.05)
    theirs: torch.optim.Optimizer = torch.optim.Muon(
        singles, lr=0.02, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"
    )
    for gradient in gradients:
        stack.grad = gradient
        for single, own in zip(singles, gradient, strict=True):
            single.grad = own
        ours.step()
        theirs.step()
    assert torch.allclose(stack, torch.stack([*singles]), atol=2e-3)
    assert not torch.allclose(stack, start, atol=2e-2)


def test_each_token_of_an_answer_is_asked_of_the_token_before_it() -> None:
    made = lesson(dialogues(3))
    asked = made.targets != IGNORED
    flat = made.token_ids.flatten()
    assert int(asked.sum()) == 3 * 4
    assert torch.equal(flat[made.rows[asked] + 1], made.targets[asked])


def test_a_student_that_says_the_same_is_at_no_distance() -> None:
    rows, targets = torch.randn(5, 7), torch.tensor([1, 2, IGNORED, 3, 4])
    assert distance(rows, rows, targets) == 0
    other = rows.clone()
    other[2] += torch.randn(7)
    assert distance(rows, other, targets) == 0
    other[1] += torch.randn(7)
    assert distance(rows, other, targets) > 0


def test_batches_in_units_hold_no_more_than_they_may() -> None:
    endless = iter(dialogues(1000))
    made = batches(endless, 64, unit=16)
    assert {len(next(made)) for _ in range(5)} == {4}
