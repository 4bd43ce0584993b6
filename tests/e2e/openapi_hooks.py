"""Where do the requests that Schemathesis makes up go?"""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]) -> None:
    """To a model that answers: a made-up name would only ever find that there is no such model."""
    body = case.body
    if isinstance(body, dict) and isinstance(name := body.get("model"), str) and 1 <= len(name) <= 256:
        case.body = body | {"model": "echo-reward" if "answers" in body else "echo"}
