"""Which choices does whoever runs the server have?

A value comes from a flag, else from the environment (`NEMOTRON_PLAYGROUND_PORT`), else from the file
given by `--config`, else from the default here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from nemotron_app.setting_values import Folders, Networks, Providers, Tiers, Upstreams

PREFIX = "NEMOTRON_PLAYGROUND_"
# What exported code reads its key from is no setting, and may be there all the same.
_CLIENTS_KEY = f"{PREFIX}API_KEY"
# What these hold, or may hold, is in no message.
_UNSPOKEN = ("secret", "providers", "upstreams", "database_url", "redis_url")


class BadSetting(Exception):
    """A setting has a value it cannot have, or does not exist; the message names it."""


class Settings(BaseSettings):
    """Every setting of the program."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(default=7860, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    page: bool = Field(default=True, description="Serve the page beside the API.")
    engine: Literal["embedded", "echo", "embedded+echo", "upstream"] = Field(
        default="embedded",
        description="What answers: `embedded` runs models on this machine, `echo` repeats, `upstream` is for "
        "`upstreams` alone, which also answer beside the others.",
    )
    upstreams: Upstreams = Field(
        default=(),
        repr=False,
        description="Other servers that answer for models of the catalog: tables with `name`, `kind` "
        "(hosted, nim), `url`, `key` and `models`, each with `model`, `name` and `precision`.",
    )
    echo_delay: float = Field(default=0.0, ge=0, le=60, description="Seconds between the tokens of an echo.")
    checkpoint: Folders = Field(
        default=(),
        description="Folders of checkpoints in Hugging Face format, as in a,b, to serve instead of SmolLM2 "
        "and those that ship.",
    )
    weights_layout: Literal["auto", "views", "packed"] = Field(
        default="auto",
        description="Elastic sizes as `views` of one set of weights, or as `packed` copies, which are "
        "faster; `auto` packs what is small beside the memory.",
    )
    cache_dir: Path | None = Field(
        default=None, description="Folder for prepared checkpoints; the user's cache if unset."
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="CPU threads of the engine; 0 takes all cores but one, which others need.",
    )
    cache_limit: PositiveInt = Field(
        default=2 << 30, description="Bytes the engine may keep for attention caches."
    )
    prefix_reuse: bool = Field(
        default=True, description="Start prompts that begin like earlier ones from what is in memory of them."
    )
    context: int = Field(default=0, ge=0, description="Tokens of context; 0 takes the model's own.")
    max_running: PositiveInt = Field(default=16, description="Most sequences in the engine's batch.")
    max_waiting: PositiveInt = Field(default=64, description="Most requests in the engine's queue.")
    prefill_chunk: PositiveInt = Field(default=64, description="Most prompt tokens that one step reads.")
    max_body_bytes: PositiveInt = Field(default=4 << 20, description="Largest request body that is read.")
    max_choices: PositiveInt = Field(default=16, description="Largest `n`, and most prompts, of one request.")
    body_seconds: PositiveFloat = Field(
        default=30.0, description="How long a request body may take to arrive."
    )
    hold_seconds: PositiveFloat = Field(
        default=5.0,
        description="How long a stream's status line waits for the first token, so that errors have one.",
    )
    keep_alive_seconds: PositiveFloat = Field(
        default=12.0, description="Silence on a stream after which a comment keeps proxies from closing it."
    )
    silence_seconds: PositiveFloat = Field(
        default=300.0, description="How long an engine may say nothing before its request fails."
    )
    drain_seconds: PositiveFloat = Field(
        default=30.0, description="How long running answers may go on after the signal to stop."
    )
    data_dir: Path = Field(
        default=Path("~/.local/share/nemotron-playground"),
        description="Folder of the database and the secret, where neither is named.",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="Database of accounts and usage: sqlite:///FILE or postgresql://...; "
        "a file in `data_dir` if unset.",
    )
    secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Seeds all keys, cookies and tokens; servers that share a database share it. Made once "
        "and kept in `data_dir` if unset. Better set in the environment than by a flag.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#]+/?$",
        description="Where browsers find the server, such as https://play.example.org.",
    )
    providers: Providers = Field(
        default=(),
        repr=False,
        description="Who signs people in: tables with `kind` (openid, github, oauth), `client_id` and so "
        "on; without any there is one local user.",
    )
    single_user_anywhere: bool = Field(
        default=False,
        description="Without providers, let whoever reaches an address beyond this machine be that user.",
    )
    guests: bool = Field(default=True, description="Let people who have not signed in use the page.")
    trusted_proxies: Networks = Field(
        default=(), description="Networks whose X-Forwarded-For is believed, as in 10.0.0.0/8,127.0.0.1."
    )
    session_days: PositiveFloat = Field(default=14.0, description="How long a sign-in lasts.")
    rotation_hours: PositiveFloat = Field(
        default=24.0, description="How long a key goes on after another has taken its place."
    )
    redis_url: str | None = Field(
        default=None,
        repr=False,
        description="Redis that keeps limits and sessions for several servers; in this process if unset. "
        "It must run with maxmemory-policy noeviction.",
    )
    when_redis_is_down: Literal["local", "closed"] = Field(
        default="local",
        description="`local`: signed-in callers go on under this server's share of their limits; "
        "`closed`: nobody does.",
    )
    redis_seconds: PositiveFloat = Field(
        default=0.25, description="Longest wait for one answer of Redis about limits."
    )
    replicas: PositiveInt = Field(
        default=1, description="How many servers share the limits, while Redis is down."
    )
    lease_seconds: PositiveFloat = Field(
        default=30.0, description="How long a request of a crashed server counts as running."
    )
    limit_patience_seconds: NonNegativeFloat = Field(
        default=2.0, description="How long a request waits for a limit to free before it is refused."
    )
    queue_waiting: PositiveInt = Field(
        default=64, description="Most requests that wait for one of the engine's `max_running` places."
    )
    queue_seconds: PositiveFloat = Field(default=60.0, description="Longest wait for such a place.")
    tiers: Tiers = Field(
        default={},
        description="Other limits of a tier (guest, network, free, plus, local), as in "
        '{"free": {"requests_per_minute": 60}}.',
    )


def read_settings(flags: Mapping[str, Any], config: Path | None) -> Settings:
    """Settings from all sources. Raises BadSetting with one line."""
    if config is not None and not config.is_file():
        raise BadSetting(f"config: there is no file {config}")
    _refuse_unknown_variables()
    try:
        return _with_file(config)(**flags)
    except ValidationError as error:
        raise BadSetting(_sentence(error)) from error
    except TOMLDecodeError as error:
        raise BadSetting(f"config: {config} is not TOML: {error}") from error
    except SettingsError as error:
        raise BadSetting(str(error)) from error


def _with_file(config: Path | None) -> type[Settings]:
    """`Settings` that also reads a file, below the environment in rank."""

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *given: PydanticBaseSettingsSource, **named: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = TomlConfigSettingsSource(settings_cls, config)
            return named["init_settings"], named["env_settings"], file

    return FromFile


def _refuse_unknown_variables() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {_CLIENTS_KEY}
    for key in os.environ:
        if key.upper().startswith(PREFIX) and key.upper() not in known:
            raise BadSetting(f"{key}: there is no such setting")


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{name}: there is no such setting"
    reason = f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return reason if first["loc"][0] in _UNSPOKEN else f"{reason}, not {first['input']!r}"
