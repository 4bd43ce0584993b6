"""Where do settings come from, and what happens to a bad one?"""

from pathlib import Path

import pytest

from nemotron_app.settings import BadSetting, Settings, read_settings


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_flag_outranks_the_environment_which_outranks_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "playground.toml"
    file.write_text('host = "file"\nport = 1\nthreads = 1\n')
    monkeypatch.setenv("NEMOTRON_PLAYGROUND_PORT", "2")
    monkeypatch.setenv("NEMOTRON_PLAYGROUND_THREADS", "2")
    settings = read_settings({"threads": "3"}, file)
    assert (settings.host, settings.port, settings.threads) == ("file", 2, 3)


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"port": "70000"}, "port"),
        ({"port": "many"}, "port"),
        ({"engine": "steam"}, "engine"),
        ({"hold_seconds": "0"}, "hold_seconds"),
        ({"no_such": "1"}, "no_such"),
    ],
)
def test_a_bad_value_is_named_in_one_line(flags: dict[str, str], name: str) -> None:
    with pytest.raises(BadSetting, match=f"^{name}: ") as caught:
        read_settings(flags, None)
    assert "\n" not in str(caught.value)


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_PLAYGROUND_PROT", "1")
    with pytest.raises(BadSetting, match="NEMOTRON_PLAYGROUND_PROT"):
        read_settings({}, None)


@pytest.mark.parametrize("text", ["port =", "prot = 5", "[server]\nport = 5"])
def test_a_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "playground.toml"
    file.write_text(text)
    with pytest.raises(BadSetting):
        read_settings({}, file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"missing\.toml"):
        read_settings({}, tmp_path / "missing.toml")


def test_the_key_of_exported_code_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_PLAYGROUND_API_KEY", "npg_anything")
    assert read_settings({}, None).port == 7860


def test_several_checkpoints_are_named_in_one_flag() -> None:
    assert read_settings({"checkpoint": "one, two/three"}, None).checkpoint == (
        Path("one"),
        Path("two/three"),
    )
    assert read_settings({"checkpoint": "one"}, None).checkpoint == (Path("one"),)
    assert read_settings({}, None).checkpoint == ()
