"""Which shapes can a setting have that is more than a number or a word?

A flag and a variable of the environment spell such a setting as JSON, a file as TOML tables.
"""

import json
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, SecretStr
from pydantic_settings import NoDecode

from nemotron_backend.request import Precision
from nemotron_backend.upstream import Offer

TierName = Literal["guest", "network", "free", "plus", "local"]


class Table(BaseModel):
    """A setting with parts; a part that does not exist is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OpenId(Table):
    """A provider of OpenID Connect; the issuer's discovery document tells the rest."""

    kind: Literal["openid"]
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    issuer: str
    client_id: str
    client_secret: SecretStr
    scope: str = "openid profile email"


class GitHub(Table):
    """GitHub, of which everything else is known."""

    kind: Literal["github"]
    client_id: str
    client_secret: SecretStr


class OAuth(Table):
    """A provider of OAuth 2.0 alone, with a document that tells who signed in."""

    kind: Literal["oauth"]
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    authorize_url: str
    token_url: str
    profile_url: str
    client_id: str
    client_secret: SecretStr
    scope: str
    subject_field: str = "id"
    name_fields: tuple[str, ...] = ("name", "login")


class UpstreamEntry(Table):
    """A model of the catalog, what another server calls it, and in which form that runs it."""

    model: str
    name: str = Field(min_length=1)
    precision: Precision
    size: str = ""


class Upstream(Table):
    """Another server, as callers are told of it; `offers` in place of what its kind takes by itself."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: Literal["hosted", "nim"]
    url: str = Field(pattern=r"^https?://[^/?#@]+(/[^?#]+)?/v1$")
    key: SecretStr = SecretStr("")
    models: tuple[UpstreamEntry, ...] = Field(min_length=1)
    offers: frozenset[Offer] | None = None
    status_url: str = Field(default="", pattern=r"^(https?://[^?#@]+[^/?#@])?$")


class TierChange(Table):
    """What a tier has other than by default."""

    requests_per_minute: PositiveInt | None = None
    burst: PositiveInt | None = None
    tokens_per_minute: PositiveInt | None = None
    tokens_per_day: PositiveInt | None = None
    in_flight: PositiveInt | None = None


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _from_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _folders(value: Any) -> Any:
    return [value] if isinstance(value, Path) else _from_list(value)


def _network(text: str) -> str:
    return str(ip_network(text))


Provider = Annotated[OpenId | GitHub | OAuth, Field(discriminator="kind")]
Providers = Annotated[tuple[Provider, ...], NoDecode, BeforeValidator(_from_json)]
Upstreams = Annotated[tuple[Upstream, ...], NoDecode, BeforeValidator(_from_json)]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, BeforeValidator(_from_list)
]
Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)]
Tiers = Annotated[Mapping[TierName, TierChange], NoDecode, BeforeValidator(_from_json)]
