"""Does a hybrid predict further tokens as the block under `mtp.` says, read slowly and without a cache?"""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import NemotronHForCausalLM

from nemotron_backend.model.errors import MissingTensor, WrongShape, WrongType
from nemotron_backend.model.nemotron_h import NemotronH
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.network import Ahead, LayerCache
from nemotron_backend.model.prediction_cache import PredictionCache

EH = "mtp.layers.0.eh_proj.weight"
Predict = Callable[[Sequence[LayerCache], int], Tensor]


def draw(length: int, seed: int = 1) -> list[int]:
    return torch.randint(24, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def change(folder: Path, edit: Callable[[dict[str, Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def reconfigure(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def predict(network: NemotronH, cache: Sequence[LayerCache], token_id: int) -> Tensor:
    return network.predict([Ahead(cache=cache, token_id=token_id)])[0]


class SlowBlock:
    """The block as it is described: every step reads all pairs anew."""

    def __init__(self, folder: Path) -> None:
        self.w = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        self.c = json.loads((folder / "config.json").read_text())
        model: Any = NemotronHForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.trunk = model.model

    def drafts(self, tokens: Sequence[int], drafted: Sequence[int]) -> Tensor:
        """Logits [drafted + 1, vocabulary] behind the last token and behind every drafted one."""
        with torch.no_grad():
            made = self.trunk(torch.tensor([tokens[:-1]]), use_cache=False).last_hidden_state[0]
        following, logits = list(tokens[1:]), []
        for place in range(len(drafted) + 1):
            out = self.block(made, following)
            logits.append(F.linear(out[-1], self.w["lm_head.weight"]))
            made, following = torch.cat((made, out[-1:])), [*following, *drafted[place : place + 1]]
        return torch.stack(logits)

    def block(self, made: Tensor, following: Sequence[int]) -> Tensor:
        embedded = self.w["backbone.embeddings.weight"][torch.tensor(following)]
        pair = torch.cat((self.norm(embedded, "layers.0.enorm"), self.norm(made, "layers.0.hnorm")), dim=-1)
        x = F.linear(pair, self.w[EH])
        x = x + self.attention(self.norm(x, "layers.0.norm"), "mtp.layers.0.mixer.")
        x = x + self.experts(self.norm(x, "layers.1.norm"), "mtp.layers.1.mixer.")
        return self.norm(x, "layers.1.final_layernorm")

    def norm(self, x: Tensor, name: str) -> Tensor:
        root = (x.pow(2).mean(-1, keepdim=True) + self.c["layer_norm_epsilon"]).rsqrt()
        normed: Tensor = x * root * self.w[f"mtp.{name}.weight"]
        return normed

    def attention(self, x: Tensor, start: str) -> Tensor:
        q, k, v = (
            F.linear(x, self.w[f"{start}{part}_proj.weight"]).view(len(x), -1, self.c["head_dim"])
            for part in "qkv"
        )
        out = torch.empty_like(q)
        for head in range(q.shape[1]):
            of = head // (q.shape[1] // k.shape[1])
            scores = q[:, head] @ k[:, of].T * self.c["head_dim"] ** -0.5
            future = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
            out[:, head] = scores.masked_fill(future, -torch.inf).softmax(-1) @ v[:, of]
        return F.linear(out.flatten(1), self.w[f"{start}o_proj.weight"])

    def experts(self, x: Tensor, start: str) -> Tensor:
        def mlp(row: Tensor, of: str) -> Tensor:
            wide = F.linear(row, self.w[f"{start}{of}.up_proj.weight"]).relu() ** 2
            return F.linear(wide, self.w[f"{start}{of}.down_proj.weight"])

        out = mlp(x, "shared_experts")
        for index, row in enumerate(x):
            p = F.linear(row, self.w[f"{start}gate.weight"]).sigmoid()
            chosen = (p + self.w[f"{start}gate.e_score_correction_bias"]).topk(self.c["num_experts_per_tok"])
            weights = p[chosen.indices] / (p[chosen.indices].sum() + 1e-20)
            for expert, weight in zip(chosen.indices.tolist(), weights, strict=True):
                out[index] += self.c["routed_scaling_factor"] * weight * mlp(row, f"experts.{expert}")
        return out


@pytest.fixture
def folder(save_predicting_hybrid: Any) -> Path:
    saved: Path = save_predicting_hybrid(strength=1.0)
    return saved


@pytest.fixture
def network(folder: Path) -> NemotronH:
    return NemotronHCheckpoint.open(folder).network("full", "bf16")


def close(ours: Tensor, theirs: Tensor) -> None:
    assert float((ours - theirs).abs().max() / theirs.std()) < 2e-4


@pytest.mark.parametrize("cuts", [(), (1,), (5, 6, 12), (3, 4, 5, 6)])
def test_drafts_equal_the_description(folder: Path, network: NemotronH, run: Any, cuts: Any) -> None:
    tokens, drafted = draw(20), draw(4, 2)
    cache = network.make_cache(30)
    bounds = [0, *cuts, 19]
    for begin, end in pairwise(bounds):
        run(network, (tokens[begin:end], cache, begin), is_followed=True)
    found = [predict(network, cache, token) for token in [tokens[-1], *drafted]]
    close(torch.stack(found), SlowBlock(folder).drafts(tokens, drafted))


@pytest.mark.parametrize("accepted", [0, 2, 3])
def test_what_was_drafted_in_vain_leaves_no_trace(
    folder: Path, network: NemotronH, run: Any, accepted: int
) -> None:
    tokens, drafted, again = draw(12), draw(3, 2), draw(2, 3)
    cache = network.make_cache(30)
    run(network, (tokens[:-1], cache, 0), is_followed=True)
    for token in [tokens[-1], *drafted[:-1]]:
        predict(network, cache, token)
    run(network, ([tokens[-1], *drafted], cache, 11), is_followed=True, is_revocable=True)
    for layer in cache:
        layer.truncate(12 + accepted)
    said = [*tokens, *drafted[:accepted], 7]
    found = [predict(network, cache, token) for token in [7, *again]]
    close(torch.stack(found), SlowBlock(folder).drafts(said, again))


def test_sequences_are_drafted_together_as_alone(network: NemotronH, run: Any) -> None:
    prompts = [draw(length, length) for length in (1, 4, 19)]
    alone, together = ([network.make_cache(30) for _ in prompts] for _ in range(2))
    for prompt, cache in zip(prompts, alone, strict=True):
        run(network, (prompt, cache, 0), is_followed=True)
    run(
        network,
        *((prompt, cache, 0) for prompt, cache in zip(prompts, together, strict=True)),
        is_followed=True,
    )
    for token in (3, 8, 1):
        one = torch.stack([predict(network, cache, token) for cache in alone])
        close(network.predict([Ahead(cache=cache, token_id=token) for cache in together]), one)


def test_a_prompt_that_is_shared_is_drafted_on_from_its_end(
    folder: Path, network: NemotronH, run: Any
) -> None:
    tokens = draw(20)
    cache = network.make_cache(30)
    run(network, (tokens[:15], cache, 0), is_followed=True, snapshots=(9,))
    run(network, (tokens[15:], cache, 15), is_followed=True)
    assert [min(layer.reusable_length(n) for layer in cache) for n in (8, 9, 14, 19, 20)] == [0, 9, 9, 9, 20]
    other = [*tokens[:9], 5, 6, 7, 8]
    for twin in ([layer.copy(9) for layer in cache], cache):
        if twin is cache:
            for layer in cache:
                layer.truncate(9)
        run(network, (other[9:12], twin, 9), is_followed=True)
        close(predict(network, twin, 8), SlowBlock(folder).drafts(other, [])[0])


def test_a_sequence_that_was_not_followed_is_drafted_from_where_it_is(network: NemotronH, run: Any) -> None:
    cache = network.make_cache(30)
    run(network, (draw(9), cache, 0))
    assert not network.can_predict(cache)
    held = sum(layer.num_bytes for layer in cache)
    run(network, ([4], cache, 9), is_followed=True)
    assert network.can_predict(cache)
    assert predict(network, cache, 3).shape == (24,)
    assert sum(layer.num_bytes for layer in cache) > held


def test_following_changes_nothing_that_is_said(network: NemotronH, run: Any) -> None:
    tokens = draw(9)
    (plain,) = run(network, (tokens, network.make_cache(9), 0))
    (followed,) = run(network, (tokens, network.make_cache(9), 0), is_followed=True)
    assert torch.equal(plain, followed)


@pytest.mark.parametrize("pattern", ["ME*M-E", "MEME*", "M*-*"])
@pytest.mark.parametrize("latent", [None, 24])
def test_tokens_together_get_the_bits_of_tokens_alone(
    save_predicting_hybrid: Any, run: Any, pattern: str, latent: int | None
) -> None:
    folder = save_predicting_hybrid(hybrid_override_pattern=pattern, moe_latent_size=latent)
    network = NemotronHCheckpoint.open(folder).network("full", "bf16")
    prompts = [draw(length, length) for length in (70, 3, 33)]
    alone, together = ([network.make_cache(90) for _ in prompts] for _ in range(2))
    for prompt, *caches in zip(prompts, alone, together, strict=True):
        for cache in caches:
            run(network, (prompt, cache, 0))
    parts = [(draw(7, 50 + index), cache, len(prompts[index])) for index, cache in enumerate(together)]
    blocks = run(network, *parts, is_revocable=True)
    for index, block in enumerate(blocks):
        for place, token in enumerate(parts[index][0]):
            (row,) = run(network, ([token], alone[index], len(prompts[index]) + place))
            assert torch.equal(row[0], block[place])


def test_only_a_checkpoint_with_a_block_can_self_speculate(save_hybrid: Any, folder: Path) -> None:
    assert NemotronHCheckpoint.open(folder).decodes("full") == ("autoregressive", "self-speculation")
    assert NemotronHCheckpoint.open(save_hybrid()).decodes("full") == ("autoregressive",)
    reconfigure(folder, num_nextn_predict_layers=2)
    assert NemotronHCheckpoint.open(folder).decodes("full") == ("autoregressive",)


def test_widths_that_no_vector_fits_draft_nothing(save_predicting_hybrid: Any) -> None:
    uneven = NemotronHCheckpoint.open(save_predicting_hybrid(mamba_num_heads=8, mamba_head_dim=16))
    assert uneven.decodes("full") == ("autoregressive",)
    assert uneven.network("full", "bf16").predictor is None


def test_only_the_whole_network_drafts(folder: Path) -> None:
    reconfigure(folder, elastic_sizes={"big": {}, "small": {"hidden_size": 32}})
    checkpoint = NemotronHCheckpoint.open(folder)
    big, small = (checkpoint.network(size, "bf16") for size in ("big", "small"))
    assert big.predictor is not None
    assert small.predictor is None
    assert not isinstance(small.make_cache(4)[-1], PredictionCache)


@pytest.mark.parametrize("precision", ["fp8", "nvfp4"])
def test_the_block_stays_plain_in_every_precision(folder: Path, run: Any, precision: Any) -> None:
    checkpoint = NemotronHCheckpoint.open(folder)
    other, tokens = checkpoint.network("full", "bf16"), draw(6)
    network = checkpoint.network("full", precision)
    before = checkpoint.num_shared_bytes
    checkpoint.network("full", precision)
    cache = network.make_cache(8)
    run(network, (tokens, cache, 0), is_followed=True)
    assert predict(network, cache, 3).isfinite().all()
    assert other.predictor is not None
    assert checkpoint.num_shared_bytes == before


@pytest.mark.parametrize(
    ("edit", "error", "problem"),
    [
        (lambda tensors: tensors.pop(EH), MissingTensor, f"tensor {EH} is missing"),
        (lambda tensors: tensors.update({EH: torch.zeros(64, 64)}), WrongShape, r"\[64, 64\].*\[64, 128\]"),
        (
            lambda tensors: tensors.update({EH: tensors[EH].to(torch.float8_e4m3fn)}),
            WrongType,
            f"tensor {EH} is torch.float8_e4m3fn",
        ),
    ],
    ids=["missing", "shape", "type"],
)
def test_a_broken_block_is_named(folder: Path, edit: Any, error: Any, problem: str) -> None:
    change(folder, edit)
    with pytest.raises(error, match=problem):
        NemotronHCheckpoint.open(folder).network("full", "bf16")
