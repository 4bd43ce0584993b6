"""Do imports point one way, from app to backend to kernels, and does the gateway stay free of torch?"""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE_ROOTS = ("app", "backend", "kernels")
FORBIDDEN = {
    "app": {"nemotron_kernels", "torch", "transformers", "triton", "safetensors", "tokenizers"},
    "backend": {"nemotron_app", "fastapi", "starlette", "uvicorn", "gradio", "pydantic_settings"},
    "kernels": {"nemotron_app", "nemotron_backend", "transformers", "tokenizers", "safetensors"},
}
IMPORT_EVERY_MODULE_OF_THE_APP = """
import importlib, pkgutil, sys
import nemotron_app
names = [m.name for m in pkgutil.walk_packages(nemotron_app.__path__, "nemotron_app.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
assert "nemotron_app.main" in sys.modules
print(*sorted({"torch", "transformers", "triton"} & set(sys.modules)))
"""


def _modules(source_root: str) -> list[Path]:
    return sorted((ROOT / source_root).rglob("*.py"))


def _imported(module: Path) -> Iterator[str]:
    """Every package that a module names in an import, also inside functions."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"), str(module))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("source_root", SOURCE_ROOTS)
def test_imports_point_one_way(source_root: str) -> None:
    modules = _modules(source_root)
    assert modules
    wrong = [
        f"{module.relative_to(ROOT)} imports {name}"
        for module in modules
        for name in _imported(module)
        if name in FORBIDDEN[source_root]
    ]
    assert wrong == []


@pytest.mark.parametrize("source_root", SOURCE_ROOTS)
def test_a_source_root_holds_its_package_and_no_other_code(source_root: str) -> None:
    paths = [path for path in (ROOT / source_root).iterdir() if path.name != "__pycache__"]
    found = {path.name for path in paths if path.suffix not in (".md", ".json")}
    assert found == {f"nemotron_{source_root}"}


@pytest.mark.parametrize("source_root", SOURCE_ROOTS)
def test_the_folder_of_a_source_root_is_no_package(source_root: str) -> None:
    """PyPI's `kernels` is imported by transformers; a package of that name here would break it."""
    shadow = importlib.util.find_spec(source_root)
    assert shadow is None or shadow.origin is None or ROOT not in Path(shadow.origin).parents


def test_tests_are_no_packages() -> None:
    assert [str(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


@pytest.mark.parametrize("source_root", SOURCE_ROOTS)
def test_every_module_says_which_question_it_settles(source_root: str) -> None:
    silent = [
        str(module.relative_to(ROOT))
        for module in _modules(source_root)
        if not ast.get_docstring(ast.parse(module.read_text("utf-8")))
    ]
    assert silent == []


def test_the_whole_app_imports_without_torch() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in SOURCE_ROOTS)}
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERY_MODULE_OF_THE_APP],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr
