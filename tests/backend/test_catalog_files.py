"""Is a broken file of the catalog refused, with its name and the entry's?"""

from pathlib import Path

import pytest

from nemotron_backend.catalog import Catalog, InvalidCatalog
from nemotron_backend.catalog.files import read

GOOD = """
[[model]]
id = "tiny"
name = "Tiny"
aliases = ["small"]
family = "test"
summary = "A test."
kind = "chat"
architecture = "LlamaForCausalLM"
model_type = "llama"
license = "Apache-2.0"
released = "2026-01"
precisions = ["bf16"]
decodes = ["autoregressive"]
context = 16
sampling = { temperature = 0.0, top_p = 1.0, max_tokens = 1, source = "a test" }
template = "none"
checkpoints = [{ repository = "someone/tiny", precision = "bf16" }]
needs = "Nothing."
obtain = "Write it."
unverified = []

[[model.sizes]]
name = "full"
total_parameters = 40
active_parameters = 40

[model.sizes.dimensions]
pattern = "-"
hidden = 2
vocabulary = 4
feed_forward = { width = 5, gated = false }
"""


def _read(folder: Path, text: str) -> Catalog:
    (folder / "test.toml").write_text(text, encoding="utf-8")
    return Catalog(read(folder))


def test_a_good_file_is_read(tmp_path: Path) -> None:
    model = _read(tmp_path, GOOD).find("tiny")
    assert model.names == ("tiny", "small", "someone/tiny")
    assert model.sizes[0].dimensions is not None


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    other = (
        GOOD.replace('"tiny"', '"other"').replace('"small"', '"o"').replace("someone/tiny", "someone/other")
    )
    (tmp_path / "b.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "a.toml").write_text(other, encoding="utf-8")
    (tmp_path / "ignored.txt").write_text("not TOML", encoding="utf-8")
    assert [model.id for model in read(tmp_path)] == ["other", "tiny"]


@pytest.mark.parametrize(
    ("found", "put", "reason"),
    [
        ('kind = "chat"', 'kind = "poem"', r"test\.toml: model tiny: .*'poem'.*kind"),
        ("context = 16", 'context = "16"', r"test\.toml: model tiny: .*context"),
        ("context = 16", "", r"test\.toml: model tiny: .*`context`"),
        ('license = "Apache-2.0"', "licence = 1\nlicense = 'x'", r"unknown fields: licence"),
        ("vocabulary = 4", "vocabulary = 4\nis_tide = true", r"unknown fields: sizes\.dimensions\.is_tide"),
        ("total_parameters = 40", "total_parameters = 41", r"records \(41, 40\) .* give \(40, 40\)"),
        ('pattern = "-"', 'pattern = "-*"', r"disagree on blocks of kind '\*'"),
        ('pattern = "-"', 'pattern = "-x"', r"unknown letters: x"),
        ('name = "full"', 'name = "bf16"', r"cannot be called 'bf16'"),
        ('precision = "bf16" }', 'precision = "fp8" }', r"a precision the model lacks: fp8"),
        ('precisions = ["bf16"]', "precisions = []", r"at least one size, one precision"),
        ('id = "tiny"', "", r"test\.toml: model number 1: "),
        ("[[model]]", "[[modell]]", r"test\.toml: Expected `array`, got `object` - at `\$\.model`"),
        ("context = 16", "context = ", r"test\.toml: Invalid value"),
        ('aliases = ["small"]', 'aliases = ["small:er"]', r"'small:er' has a colon"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, found: str, put: str, reason: str) -> None:
    assert found in GOOD
    with pytest.raises(InvalidCatalog, match=reason):
        _read(tmp_path, GOOD.replace(found, put))


def test_a_file_that_is_not_utf8_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "test.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidCatalog, match=r"test\.toml: .*utf-8"):
        read(tmp_path)


def test_an_entry_that_is_no_table_is_refused_with_its_number(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidCatalog, match=r"test\.toml: Expected `object`, got `int` - at `\$\.model\[0\]`"
    ):
        _read(tmp_path, "model = [1]")


def test_a_size_named_twice_is_refused(tmp_path: Path) -> None:
    size = '\n[[model.sizes]]\nname = "full"\ntotal_parameters = 0\nactive_parameters = 0\n'
    with pytest.raises(InvalidCatalog, match="a size is named twice: full, full"):
        _read(tmp_path, GOOD + size)


@pytest.mark.parametrize("name", ["tiny", "small", "someone/tiny"])
def test_a_name_that_two_models_share_is_refused(tmp_path: Path, name: str) -> None:
    other = GOOD.replace('"tiny"', '"other"').replace("someone/tiny", "someone/other").replace("small", name)
    with pytest.raises(InvalidCatalog, match=f"model other: '{name}' already names tiny"):
        _read(tmp_path, GOOD + other)
