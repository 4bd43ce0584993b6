"""Which accounts and limits do settings make, and which settings are refused?"""

import stat
from pathlib import Path
from typing import Any

import pytest

from nemotron_app.account_settings import accounts_for
from nemotron_app.accounts import Misconfigured
from nemotron_app.accounts.principal import LOCAL, Principal
from nemotron_app.budget import Budgets
from nemotron_app.settings import BadSetting, read_settings

GITHUB = '[{"kind": "github", "client_id": "us", "client_secret": "ours-and-secret"}]'


def test_a_secret_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    settings = read_settings({"data_dir": tmp_path}, None)
    digests = {accounts_for(settings).secret.digest("key", "text") for _ in range(2)}
    assert len(digests) == 1
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_without_a_provider_only_this_machine_is_served(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no sign-in provider"):
        accounts_for(read_settings({"data_dir": tmp_path, "host": "0.0.0.0"}, None))
    for more in ({"single_user_anywhere": True}, {"providers": GITHUB}):
        accounts_for(read_settings({"data_dir": tmp_path, "host": "0.0.0.0"} | more, None))


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"^data_dir: "):
        accounts_for(read_settings({"data_dir": "/proc/none"}, None))


def test_providers_are_tables_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "playground.toml"
    file.write_text(
        'trusted_proxies = ["10.0.0.0/8"]\n[tiers.free]\nburst = 3\n'
        '[[providers]]\nkind = "github"\nclient_id = "us"\nclient_secret = "ours"\n'
        '[[providers]]\nkind = "openid"\nname = "op"\ntitle = "Op"\nissuer = "https://op.example"\n'
        'client_id = "us"\nclient_secret = "ours"\n'
    )
    settings = read_settings({}, file)
    assert [provider.kind for provider in settings.providers] == ["github", "openid"]
    assert settings.trusted_proxies == ("10.0.0.0/8",)
    assert settings.tiers["free"].burst == 3


def test_the_environment_spells_lists_with_commas_and_tables_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_PLAYGROUND_TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1")
    monkeypatch.setenv("NEMOTRON_PLAYGROUND_PROVIDERS", GITHUB)
    settings = read_settings({}, None)
    assert settings.trusted_proxies == ("10.0.0.0/8", "127.0.0.1/32")
    assert len(settings.providers) == 1
    assert "ours-and-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"secret": "short-canary"}, "secret"),
        ({"providers": '[{"kind": "github", "client_secret": "short-canary"}]'}, "providers"),
        ({"providers": "short-canary"}, "providers"),
        ({"tiers": '{"gold": {}}'}, "tiers"),
        ({"tiers": '{"free": {"burst": 0}}'}, "tiers.free.burst"),
        ({"public_url": "play.example"}, "public_url"),
        ({"trusted_proxies": "everyone"}, "trusted_proxies"),
    ],
)
def test_a_bad_value_is_named_and_no_secret_repeated(flags: dict[str, Any], name: str) -> None:
    with pytest.raises(BadSetting, match=rf"^{name}") as caught:
        read_settings(flags, None)
    assert "short-canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_callers_pay_from_their_tier_and_guests_from_their_network_too() -> None:
    budgets = Budgets(read_settings({"tiers": '{"free": {"in_flight": 9}}'}, None).tiers)
    guest = Principal(id="g", is_anonymous=True, tier="guest", scopes=(), network="n")
    gone = Principal(id="u", is_anonymous=False, tier="no longer there", scopes=())
    assert [(budget.owner, budget.tier.name) for budget in budgets.of(guest)] == [
        ("g", "guest"),
        ("n", "network"),
    ]
    assert [budget.tier.name for budget in budgets.of(LOCAL)] == ["local"]
    assert [budget.tier.in_flight for budget in budgets.of(gone)] == [9]
    assert budgets.tiers["network"].burst == 4 * budgets.tiers["guest"].burst
