"""Does every kernel compile for every GPU, as well as it did before, and would a worse one be seen?"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from nemotron_kernels._build import TARGETS, Build, Target
from nemotron_kernels.binaries.__main__ import main
from nemotron_kernels.binaries.binary import Binary, has_stack, read
from nemotron_kernels.binaries.regression import MARGIN, broken_promises, regressions
from nemotron_kernels.binaries.summary import renew, summary
from nemotron_kernels.binaries.table import Row, Table, load, save

_KERNELS = Path(__file__).parents[2] / "kernels"
_TABLE = _KERNELS / "binaries.json"

GOOD = Binary(registers=96, spills=0, shared=4096, instructions=("HGMMA",))
RESOURCES = " Function scan:\n  REG:40 STACK:0 SHARED:0 LOCAL:0 CONSTANT[0]:912\n"
MACHINE_CODE = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/               @P0 STL [R1+0x8], R4 ;
        /*0020*/                   WARPGROUP.ARRIVE ;
        /*0030*/                   HGMMA.64x128x16.F32.BF16 R24, gdesc[UR4], R24, !UPT ;
        /*0040*/              @!P1 LDL.LU R4, [R1+0x8] ;
        /*0050*/                   EXIT ;
"""


def _row(**changed: Binary | str) -> Row:
    return {target: changed.get(target, GOOD) for target in TARGETS}


def _table(**rows: Row) -> Table:
    return Table(triton="3.9.0", rows=rows)


def _build(
    instructions: Mapping[Target, str] | None = None, unsupported: Mapping[Target, str] | None = None
) -> Build:
    return Build("step", None, {}, instructions=instructions or {}, unsupported=unsupported or {})


def _check(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, since other tests switch Triton's interpreter on."""
    own = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    return subprocess.run(
        [sys.executable, "-m", "nemotron_kernels.binaries", *arguments],
        env={**own, "PYTHONPATH": str(_KERNELS)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_kernel_compiles_for_every_gpu_as_well_as_before() -> None:
    checked = _check()
    assert checked.returncode == 0, f"{checked.stderr}\n{checked.stdout}"
    assert len(checked.stdout.splitlines()) == len(load(_TABLE).rows) + 1


def test_a_worse_binary_fails_the_check(tmp_path: Path) -> None:
    """As if `rms_norm` had needed a sixth of its registers, and one build more."""
    kept = load(_TABLE)
    rows = {name: row for name, row in kept.rows.items() if name.startswith("rms_norm/")}
    (first, row), *others = rows.items()
    was = row["sm_90"]
    assert isinstance(was, Binary)
    doctored = {
        first: {**row, "sm_90": replace(was, registers=was.registers - MARGIN - 1)},
        "rms_norm/gone": row,
    }
    save(replace(kept, rows={**doctored, **dict(others)}), tmp_path / "table.json")

    checked = _check("rms_norm", "--table", str(tmp_path / "table.json"))
    assert checked.returncode == 1
    assert f"{first} on sm_90: {was.registers} registers, were {was.registers - MARGIN - 1}" in checked.stderr
    assert "rms_norm/gone: in the table, but there is no such build" in checked.stderr
    assert checked.stderr.count("\n") == 3, checked.stderr


def test_nothing_is_compiled_in_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert main([]) == 1
    assert "unset it" in capsys.readouterr().err


def test_an_op_without_kernels_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert main(["no_such_op"]) == 1
    assert "no kernel of no_such_op" in capsys.readouterr().err


def test_machine_code_tells_registers_spills_and_tensor_cores() -> None:
    binary = read(RESOURCES, MACHINE_CODE, shared=2048)
    assert binary == Binary(registers=40, spills=2, shared=2048, instructions=("HGMMA",))


def test_a_thread_without_a_stack_spills_nothing() -> None:
    assert not has_stack(RESOURCES)
    assert has_stack(RESOURCES.replace("STACK:0", "STACK:16"))
    assert read(RESOURCES, None, shared=0) == Binary(registers=40, spills=0, shared=0, instructions=())


def test_output_without_a_kernel_is_no_binary() -> None:
    with pytest.raises(ValueError, match="no kernel"):
        read("Fatbin empty", MACHINE_CODE, shared=0)
    with pytest.raises(ValueError, match="no kernel"):
        read(RESOURCES, "", shared=0)


def test_a_table_is_kept_as_it_was(tmp_path: Path) -> None:
    table = _table(step=_row(sm_80="E4M3 is no type there"), scan=_row())
    save(table, tmp_path / "table.json")
    assert load(tmp_path / "table.json") == table


def test_a_summary_tells_the_worst_of_each_op(tmp_path: Path) -> None:
    spilling = Binary(registers=255, spills=4, shared=0, instructions=("HMMA",))
    rows: dict[str, Row] = {"scan/step": _row(sm_80="no such type"), "scan/prompt": _row(sm_120=spilling)}
    document = tmp_path / "README.md"
    document.write_text("before\n<!-- binaries -->\nold\n<!-- /binaries -->\nafter\n", "utf-8")
    renew(document, _table(**rows))
    before, begin, *table, end, after = document.read_text("utf-8").splitlines()
    assert (before, begin, end, after) == ("before", "<!-- binaries -->", "<!-- /binaries -->", "after")
    row = "| `scan` | 2 | 96, HGMMA, 1 not built | 96, HGMMA | 96, HGMMA | 255, HGMMA, HMMA, 4 spills |"
    assert table[2:] == [row]


def test_the_kernels_document_tells_what_the_table_has() -> None:
    assert summary(load(_TABLE)) in (_KERNELS / "README.md").read_text("utf-8")


def test_the_same_and_the_better_pass() -> None:
    better = Binary(registers=64, spills=0, shared=0, instructions=("HGMMA", "HMMA"))
    assert list(regressions(_table(step=_row()), _table(step=_row(sm_90=better)))) == []
    as_noise = replace(GOOD, registers=GOOD.registers + MARGIN)
    assert list(regressions(_table(step=_row()), _table(step=_row(sm_90=as_noise)))) == []


@pytest.mark.parametrize(
    ("worse", "text"),
    [
        (replace(GOOD, spills=3), "step on sm_90: 3 spills, were 0"),
        (replace(GOOD, shared=8192), "step on sm_90: 8192 bytes of shared memory, were 4096"),
        (replace(GOOD, registers=105), "step on sm_90: 105 registers, were 96"),
        (replace(GOOD, instructions=("HMMA",)), "step on sm_90: lost HGMMA"),
        ("does not compile: at 3:4", "step on sm_90: was Binary"),
    ],
)
def test_a_worse_binary_is_named(worse: Binary | str, text: str) -> None:
    [said] = regressions(_table(step=_row()), _table(step=_row(sm_90=worse)))
    assert said.startswith(text)


def test_rows_that_only_one_side_has_are_named() -> None:
    said = list(regressions(_table(old=_row()), _table(new=_row())))
    assert said == ["new: not in the table", "old: in the table, but there is no such build"]


def test_another_release_of_triton_is_named() -> None:
    [said] = regressions(replace(_table(), triton="3.8.0"), _table())
    assert said == "the table is of Triton 3.8.0, this is 3.9.0"


def test_a_promised_instruction_must_be_there() -> None:
    build = _build(instructions={"sm_90": "HGMMA", "sm_100": "UTCHMMA"})
    said = list(broken_promises("scan/step", build, _row()))
    assert said == ["scan/step on sm_100: UTCHMMA is gone, it has HGMMA"]


def test_more_shared_memory_than_a_gpu_has_is_refused() -> None:
    large = replace(GOOD, shared=120_000)
    said = list(broken_promises("scan/step", _build(), _row(sm_90=large, sm_120=large)))
    assert said == ["scan/step on sm_120: 120000 bytes of shared memory exceed 101376"]


def test_a_target_is_left_out_only_if_that_is_said() -> None:
    build, refused = _build(unsupported={"sm_80": "E4M3 is no type there"}), "does not compile: at 3:4"
    row = _row(sm_80="E4M3 is no type there", sm_90=refused, sm_120=refused)
    said = list(broken_promises("scan/step", build, row))
    assert said == ["scan/step on sm_90 sm_120: does not compile: at 3:4"]
