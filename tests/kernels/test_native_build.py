"""Is native code compiled once, by whichever compiler there is, and done without where there is none?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nemotron_kernels import _choice
from nemotron_kernels.native.build import BuildFailed, build, compiler
from nemotron_kernels.native.processor import AVX2, AVX512, features, variant

_ROOT = Path(__file__).parents[2]
_PROGRAM = """
import logging, sys, torch
from pathlib import Path
logging.basicConfig()
from nemotron_backend.model.precision import make_linear
linear = make_linear([torch.eye(32), torch.eye(32)], sys.argv[1])
print(type(linear).__name__, torch.equal(linear(torch.ones(1, 32)), torch.ones(1, 64)))
"""

needs_avx2 = pytest.mark.skipif(variant(features()) is None, reason="this processor has no AVX2")


def start(cache: Path, precision: str = "bf16", **environment: str) -> "subprocess.Popen[str]":
    roots = os.pathsep.join(str(_ROOT / name) for name in ("backend", "kernels"))
    own = {**os.environ, "PYTHONPATH": roots, "XDG_CACHE_HOME": str(cache), **environment}
    command = [sys.executable, "-c", _PROGRAM, precision]
    return subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("listed", "best"),
    [
        ((), None),
        (("avx2", "fma"), None),
        (AVX2.instructions, AVX2),
        ((*AVX2.instructions, "avx512f", "avx512bw"), AVX2),
        ((*AVX512.instructions, "avx512_bf16"), AVX512),
    ],
)
def test_a_processor_gets_the_best_that_it_lists(listed: tuple[str, ...], best: object) -> None:
    assert variant(listed) == best


@needs_avx2
def test_two_processes_that_start_at_once_compile_once(tmp_path: Path) -> None:
    both = [start(tmp_path) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [out for out, _ in outputs] == ["NativeLinear True\n"] * 2, outputs
    assert len(list((tmp_path / "nemotron-playground" / "native").glob("*.so"))) == 1


@needs_avx2
@pytest.mark.parametrize("precision", ["bf16", "fp8", "nvfp4"])
def test_without_a_compiler_there_is_one_notice_and_the_same_result(tmp_path: Path, precision: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    out, log = start(tmp_path, precision, PATH=str(empty), CC="").communicate()
    if "NativeLinear" in out:
        pytest.skip("ziglang is installed, and compiled")
    assert out in ("FbgemmLinear True\n", "ReferenceLinear True\n"), log
    assert log.count("there is no C compiler") == 1
    assert "apt-get install gcc" in log
    assert "pip install ziglang" in log


@needs_avx2
def test_a_compiler_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho no headers here >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(BuildFailed, match="no headers here"):
        build(AVX2, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.so"))


@needs_avx2
def test_a_library_that_is_there_needs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build(AVX2, tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert build(AVX2, tmp_path) == made


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(BuildFailed, match="cannot be written"):
        build(AVX2, file / "cache")


def test_another_compiler_is_taken_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", sys.executable)
    assert compiler() == [sys.executable]


def test_the_reference_is_never_native(monkeypatch: pytest.MonkeyPatch) -> None:
    from nemotron_kernels.native import native_code

    monkeypatch.setenv("NEMOTRON_KERNELS", "reference")
    assert _choice.choice() == "reference"
    assert native_code() is None
