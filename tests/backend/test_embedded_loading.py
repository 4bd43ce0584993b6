"""When is a model packed, and what becomes of knobs that its checkpoint lacks?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.embedded.loading import StartError, layout_of, load
from nemotron_backend.embedded.machine_memory import memory_bytes
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions


class _Copies:
    """A checkpoint of which only the size of its copies matters."""

    def __init__(self, num_bytes: int) -> None:
        self.num_packed_bytes = num_bytes


def test_a_model_is_packed_up_to_an_eighth_of_the_memory() -> None:
    eighth = memory_bytes() // 8
    assert layout_of(_Copies(eighth), "auto") == "packed"
    assert layout_of(_Copies(eighth + 1), "auto") == "views"


def test_whoever_runs_the_server_has_the_last_word_on_the_layout() -> None:
    assert layout_of(_Copies(1 << 60), "packed") == "packed"
    assert layout_of(_Copies(0), "views") == "views"


@pytest.mark.parametrize(
    ("written", "expected"), [("4096\n", 4096), ("max\n", memory_bytes()), (None, memory_bytes())]
)
def test_a_container_s_limit_counts_where_there_is_one(
    tmp_path: Path, written: str | None, expected: int
) -> None:
    limit = tmp_path / "memory.max"
    if written is not None:
        limit.write_text(written, "ascii")
    assert memory_bytes(limit) == expected


def test_only_sizes_that_the_checkpoint_has_are_offered(
    save_hybrid: Callable[..., Path], tiny_checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save_hybrid(vocab_size=320, elastic_sizes={"large": {}, "small": {"hidden_size": 32}})
    (folder / "tokenizer.json").write_bytes((tiny_checkpoint / "tokenizer.json").read_bytes())
    model = ModelOptions(model="hybrid", checkpoint=str(folder), sizes=("large", "medium", "small"))
    loaded = load(model, EmbeddedOptions(), _silent)
    assert {variant.size for variant in loaded.variants} == {"large", "small"}
    assert "lacks the sizes medium" in caplog.text
    with pytest.raises(
        StartError, match=r"config\.json: the checkpoint has the sizes large, small, none of medium"
    ):
        load(replace(model, sizes=("medium",)), EmbeddedOptions(), _silent)


def _silent(step: str, fraction: Any) -> None:
    """No one watches."""
