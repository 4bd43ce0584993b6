"""Is the server's secret kept and used as promised?"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nemotron_app.accounts.errors import Misconfigured
from nemotron_app.accounts.secret import Secret, read_or_create

_TEXT = "0123456789abcdef0123456789abcdef"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(Misconfigured, match="32 bytes"):
        Secret("hunter2")


def test_a_secret_is_not_printed() -> None:
    assert _TEXT not in repr(Secret(_TEXT))


def test_each_purpose_has_its_own_key() -> None:
    secret = Secret(_TEXT)
    assert secret.derive("a") != secret.derive("b")
    assert secret.digest("key", "x") != secret.digest("session", "x")


def test_another_secret_gives_other_digests() -> None:
    assert Secret(_TEXT).digest("key", "x") != Secret(_TEXT[::-1]).digest("key", "x")


def test_many_processes_agree_on_the_first_secret(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret"
    with ThreadPoolExecutor(16) as pool:
        texts = set(pool.map(lambda _: read_or_create(path), range(64)))
    assert len(texts) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret"]
