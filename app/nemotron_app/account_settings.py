"""Which accounts do the settings ask for?"""

from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from nemotron_app.accounts import (
    Accounts,
    AccountsOptions,
    Misconfigured,
    OAuthProvider,
    OpenIdProvider,
    Throttle,
    create_accounts,
    github,
)
from nemotron_app.accounts.secret import read_or_create
from nemotron_app.setting_values import GitHub, OpenId, Provider
from nemotron_app.settings import Settings


def accounts_for(settings: Settings, throttle: Throttle | None = None) -> Accounts:
    """The accounts, not started yet. Raises Misconfigured."""
    folder = settings.data_dir.expanduser()
    options = AccountsOptions(
        database_url=settings.database_url or f"sqlite:///{folder / 'accounts.db'}",
        secret=_secret(settings, folder),
        host=settings.host,
        public_url=settings.public_url,
        providers=tuple(_provider(provider) for provider in settings.providers),
        may_be_single_user_anywhere=settings.single_user_anywhere,
        has_guests=settings.guests,
        trusted_proxies=settings.trusted_proxies,
        redis_url=settings.redis_url,
        session_lifetime=timedelta(days=settings.session_days),
        rotation_grace=timedelta(hours=settings.rotation_hours),
    )
    return create_accounts(options, throttle=throttle)


async def start(accounts: Accounts) -> None:
    """Start them. Raises Misconfigured where the database cannot be used."""
    try:
        await accounts.start()
    except (SQLAlchemyError, OSError) as error:
        raise Misconfigured(f"database_url: cannot use the database: {type(error).__name__}") from error


def _secret(settings: Settings, folder: Path) -> str:
    if settings.secret is not None:
        return settings.secret.get_secret_value()
    try:
        return read_or_create(folder / "secret")
    except OSError as error:
        raise Misconfigured(f"data_dir: cannot keep a secret in {folder}: {error.strerror}") from error


def _provider(provider: Provider) -> OpenIdProvider | OAuthProvider:
    secret = provider.client_secret.get_secret_value()
    if isinstance(provider, GitHub):
        return github(provider.client_id, secret)
    values = provider.model_dump(exclude={"kind", "client_secret"}) | {"client_secret": secret}
    return OpenIdProvider(**values) if isinstance(provider, OpenId) else OAuthProvider(**values)
