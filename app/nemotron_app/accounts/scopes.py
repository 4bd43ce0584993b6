"""What can an API key be allowed to do? Never to make keys: only a signed-in person does."""

from collections.abc import Mapping

SCOPES: Mapping[str, str] = {
    "models:read": "List the models",
    "chat": "Chat with models",
    "completions": "Complete text",
    "usage:read": "Read the usage",
}

_ROUTES: Mapping[str, str] = {
    "/v1/models": "models:read",
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/responses": "chat",
    "/v1/scores": "chat",
    "/v1/usage": "usage:read",
}


def scope_of(path: str) -> str | None:
    """The scope that a route of the API needs; None where any key will do."""
    for route, scope in _ROUTES.items():
        if path == route or path.startswith(f"{route}/"):
            return scope
    return None
