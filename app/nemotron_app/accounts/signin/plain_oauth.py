"""Who signed in, where a provider speaks OAuth 2.0 but not OpenID Connect?"""

from typing import Any

from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from starlette.requests import Request

from nemotron_app.accounts.errors import SignInRefused
from nemotron_app.accounts.options import OAuthProvider
from nemotron_app.accounts.signin.openid import TIMEOUT_SECONDS
from nemotron_app.accounts.store.people import Identity


class PlainOAuthClient(StarletteOAuth2App):
    """A client of one provider, whose profile document says who someone is."""

    def __init__(self, provider: OAuthProvider) -> None:
        self.provider = provider
        super().__init__(
            StarletteIntegration(provider.name),
            provider.name,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            authorize_url=provider.authorize_url,
            access_token_url=provider.token_url,
            client_kwargs={
                "scope": provider.scope,
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_post",
                "timeout": TIMEOUT_SECONDS,
                "leeway": 0,  # so that a token of a minute can be used at all
            },
        )

    async def identify(self, request: Request) -> tuple[Identity, str]:
        """The person that a callback is about; there is no ID token."""
        token = await self.authorize_access_token(request)
        response = await self.get(self.provider.profile_url, token=token)
        response.raise_for_status()
        return self._identity(response.json()), ""

    def _identity(self, profile: dict[str, Any]) -> Identity:
        subject = profile.get(self.provider.subject_field)
        if not isinstance(subject, str | int) or subject == "":
            raise SignInRefused(f"{self.provider.title} does not say who signed in.", code="no_subject")
        names = [profile[field] for field in self.provider.name_fields if profile.get(field)]
        email = profile.get("email")
        return Identity(
            provider=self.provider.token_url,
            subject=str(subject),
            name=str(names[0] if names else subject)[:255],
            email=str(email)[:255] if email else None,
        )
