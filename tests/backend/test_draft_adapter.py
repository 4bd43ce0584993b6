"""Does a Llama with a draft adapter say what it says without drafts, and is a bad adapter refused?"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nemotron_backend.catalog import Catalog
from nemotron_backend.embedded.shelf import shelve
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.errors import CheckpointError, UnreadableFile, WrongShape
from nemotron_backend.model.llama import Llama
from nemotron_backend.model.load import load_network
from nemotron_backend.model.network import Batch, Segment
from nemotron_backend.request import PRECISIONS, Decoding, Forward, Precision, Sampling

MakeCore = Callable[..., Any]
VOCABULARY, HIDDEN, LAYERS, RANK, BLOCK = 24, 48, 2, 4, 8


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of bfloat16 values that never saw a mask."""
    folder = tmp_path_factory.mktemp("plain")
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=80,
        num_hidden_layers=LAYERS,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = LlamaForCausalLM(config)
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def save_adapter(folder: Path, *, width: int = HIDDEN, mask: int = HIDDEN, block_size: Any = BLOCK) -> Path:
    """A random adapter and a random mask."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8.0, "target_modules": ["o_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    (folder / "mask_config.json").write_text(json.dumps({"block_size": block_size}), "utf-8")
    generator = torch.Generator().manual_seed(1)
    tensors: dict[str, Tensor] = {}
    for index in range(LAYERS):
        name = f"base_model.model.model.layers.{index}.self_attn.o_proj"
        tensors[f"{name}.lora_A.weight"] = torch.randn(RANK, width, generator=generator).bfloat16()
        tensors[f"{name}.lora_B.weight"] = torch.randn(HIDDEN, RANK, generator=generator).bfloat16()
    save_file(tensors, folder / "adapter_model.safetensors")
    embedding = torch.randn(mask, generator=generator).bfloat16()
    save_file({"mask_embedding": embedding}, folder / "mask_embedding.safetensors")
    return folder


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tmp_path_factory.mktemp("companion") / "linear_spec_lora")


def load(plain: Path, adapter: Path, precision: Precision = "bf16") -> Llama:
    network = open_checkpoint(plain, adapter).network("full", precision, "packed")
    assert isinstance(network, Llama)
    return network


def prompts(count: int) -> list[list[int]]:
    rng = random.Random(4)
    return [[rng.randrange(VOCABULARY) for _ in range(rng.randint(1, 40))] for _ in range(count)]


def states(trace: list[Forward]) -> list[str]:
    return [token.state for forward in trace for token in forward.tokens]


@pytest.mark.parametrize(
    ("precision", "drafting"),
    [*((precision, "linear") for precision in PRECISIONS), ("bf16", "quadratic")],
)
def test_drafts_change_no_token_alone_and_together(
    plain: Path, adapter: Path, core_over: MakeCore, precision: Precision, drafting: Any
) -> None:
    network = load(plain, adapter, precision)
    alone, together, wanted = core_over(network), core_over(network), {}
    for number, prompt in enumerate(prompts(12)):
        decoding = Decoding(block_length=(0, 2, 8, 16)[number % 4], drafting=drafting)
        wanted[number] = alone.answer(prompt, "autoregressive").ids
        assert alone.answer(prompt, "self-speculation", decoding=decoding).ids == wanted[number]
        together.submit(number, prompt, "self-speculation", decoding=decoding)
    together.finish()
    assert {number: run.ids for (number, _), run in together.runs.items()} == wanted


def test_sampled_answers_are_the_same_as_well(
    plain: Path, adapter: Path, core_over: MakeCore, warm: Sampling
) -> None:
    core = core_over(load(plain, adapter))
    for number, prompt in enumerate(prompts(10)):
        sampling = replace(warm, seed=number)
        wanted = core.answer(prompt, "autoregressive", sampling=sampling)
        assert core.answer(prompt, "self-speculation", sampling=sampling).ids == wanted.ids


@pytest.fixture
def warm() -> Sampling:
    return Sampling(
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        min_p=0.0,
        repetition_penalty=1.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        logit_bias=(),
        seed=0,
    )


def test_drafts_are_accepted_at_times_and_refused_at_times(
    plain: Path, adapter: Path, core_over: MakeCore
) -> None:
    """What makes equal tokens worth something."""
    core = core_over(load(plain, adapter))
    traces = [
        core.answer(prompt, "self-speculation", decoding=Decoding(block_length=4)).trace
        for prompt in prompts(12)
    ]
    seen = [state for trace in traces for state in states(trace)]
    assert seen.count("rejected") > 20
    drafts = sum(forward.kind == "verify" for trace in traces for forward in trace)
    assert sum(state == "bonus" for state in seen) == drafts
    assert seen.count("drafted") > seen.count("rejected")


def test_left_to_right_the_adapter_and_the_mask_change_nothing(plain: Path, adapter: Path) -> None:
    """But for the order of sums, which is another so that drafts can be verified."""
    found, wanted = (_logits(network) for network in (load(plain, adapter), load_network(plain, "bf16")))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def _logits(network: Llama) -> Tensor:
    ids = prompts(3)[2]
    segment = Segment(cache=network.make_cache(64), start=0, length=len(ids), position=0)
    every = torch.arange(len(ids))
    return network.forward(
        Batch(token_ids=torch.tensor(ids), positions=every, segments=(segment,), logit_rows=every)
    )


def test_a_quadratic_draft_says_that_it_goes_without_the_adapter(
    plain: Path, adapter: Path, core_over: MakeCore
) -> None:
    core, prompt = core_over(load(plain, adapter)), prompts(1)[0]
    run = core.answer(prompt, "self-speculation", decoding=Decoding(drafting="quadratic"))
    assert "Linear drafts suit it" in run.notice
    assert not core.answer(prompt, "self-speculation").notice


def test_an_adapter_adds_self_speculation_alone(plain: Path, adapter: Path) -> None:
    assert open_checkpoint(plain).decodes("full") == ("autoregressive",)
    assert open_checkpoint(plain, adapter).decodes("full") == ("autoregressive", "self-speculation")
    assert load_network(plain, "bf16").masking is None


def test_the_mask_is_no_token_of_the_vocabulary(plain: Path, adapter: Path) -> None:
    checkpoint = open_checkpoint(plain, adapter)
    network = load(plain, adapter)
    assert checkpoint.vocab_size == network.vocab_size == VOCABULARY
    assert network.masking is not None
    assert (network.masking.mask_id, network.masking.block_length) == (VOCABULARY, BLOCK)
    assert _logits(network).shape[1] == VOCABULARY


def test_a_folder_with_its_adapter_is_offered_with_self_speculation(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "llama"
    folder.mkdir()
    for file in plain.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    without = shelve([folder], Catalog.read())
    save_adapter(folder / "linear_spec_lora")
    shelf = shelve([folder], Catalog.read())
    (options,) = shelf.models
    assert without.models[0].decodes == ("autoregressive",)
    assert options.decodes == ("autoregressive", "self-speculation")
    assert shelf.catalog.find(options.model).decodes == options.decodes
    assert open_checkpoint(Path(options.checkpoint)).decodes("full") == options.decodes


def test_an_adapter_of_another_width_is_refused(plain: Path, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "wide", width=32)
    with pytest.raises(WrongShape, match=r"lora_A.weight is \[4, 32\], the config calls for \[4, 48\]"):
        open_checkpoint(plain, folder)


def test_a_mask_of_another_width_is_refused(plain: Path, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "wide", mask=32)
    with pytest.raises(WrongShape, match=r"mask_embedding is \[32\], the config calls for \[48\]"):
        open_checkpoint(plain, folder)


@pytest.mark.parametrize("block_size", [0, 1, "eight", None])
def test_a_block_that_drafts_nothing_is_refused(plain: Path, tmp_path: Path, block_size: Any) -> None:
    folder = save_adapter(tmp_path / "short", block_size=block_size)
    with pytest.raises(UnreadableFile, match=r"mask_config\.json: not a readable config of a mask"):
        open_checkpoint(plain, folder)


@pytest.mark.parametrize(
    "name",
    ["adapter_config.json", "adapter_model.safetensors", "mask_config.json", "mask_embedding.safetensors"],
)
def test_a_file_that_is_missing_is_named(plain: Path, tmp_path: Path, name: str) -> None:
    folder = save_adapter(tmp_path / "part")
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        open_checkpoint(plain, folder)
