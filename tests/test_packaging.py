"""Does the wheel hold everything that the program needs, and nothing else?"""

import os
import subprocess
import sys
from collections.abc import Sequence
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("app/nemotron_app", "backend/nemotron_backend", "kernels/nemotron_kernels")
READ_FROM_THE_WHEEL = """
from nemotron_app.ui.assets import static_folder
from nemotron_backend.catalog import Catalog
print(len(Catalog.read().models), (static_folder() / "theme.css").is_file(), static_folder())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, which is what an installer does with a pure one."""
    folder = tmp_path_factory.mktemp("installed")
    ZipFile(wheel).extractall(folder)
    return folder


def _run(installed: Path, arguments: Sequence[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _needed(package: Path) -> set[str]:
    """What a package's folder in the checkout says the wheel must hold."""
    files = (path.relative_to(package.parent) for path in package.rglob("*") if path.is_file())
    made = (".", "__pycache__")  # caches of Python and of the tools
    return {str(file) for file in files if not any(part.startswith(made) for part in file.parts)}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_file_of_a_package(wheel: Path, package: str) -> None:
    needed = _needed(ROOT / package)
    assert needed
    assert needed - set(ZipFile(wheel).namelist()) == set()


def test_the_wheel_holds_the_catalog(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    held = [
        Path(name).stem for name in names if name.startswith("nemotron_backend/catalog/") and ".toml" in name
    ]
    assert {"nemotron3", "elastic", "diffusion", "nemotron4", "minitron", "llama", "local"} <= set(held)


def test_the_wheel_holds_the_page_s_static_files(wheel: Path) -> None:
    needed = {f"nemotron_app/{name}" for name in _needed(ROOT / "static")}
    assert needed
    assert needed - set(ZipFile(wheel).namelist()) == set()


def test_the_wheel_holds_three_packages_and_no_more(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in ZipFile(wheel).namelist()}
    packages = {Path(package).name for package in PACKAGES}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages


def test_the_wheel_names_its_licence_and_its_command(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        fields = Parser().parsestr(archive.read(metadata).decode())
        commands = archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields["License-File"] == "LICENSE"
    assert "nemotron-playground = nemotron_app.__main__:main" in commands


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_catalog_and_static_files_are_found_in_the_installed_wheel(installed: Path) -> None:
    num_models, has_style, folder = _run(installed, ["-c", READ_FROM_THE_WHEEL]).split()
    assert (int(num_models) > 20, has_style) == (True, "True")
    assert Path(folder) == installed / "nemotron_app" / "static"


def test_the_program_of_the_installed_wheel_tells_its_version(installed: Path, wheel: Path) -> None:
    version = _run(installed, ["-m", "nemotron_app", "--version"]).strip()
    assert f"-{version}-" in wheel.name
