"""How is trouble, or waiting, shown?"""

from markupsafe import Markup

from nemotron_app.ui import strings
from nemotron_app.ui.api import Readiness
from nemotron_app.ui.capabilities import Model
from nemotron_app.ui.markup import element
from nemotron_app.ui.trouble import Trouble


def alert(trouble: Trouble) -> str:
    """What went wrong and the way out, read out at once."""
    request_id = strings.REQUEST_ID.format(id=trouble.request_id) if trouble.request_id else ""
    return str(
        element(
            "div",
            element("strong", trouble.title)
            + element("p", trouble.message)
            + element("p", trouble.way_out, class_="np-way-out")
            + element("button", strings.REGENERATE, type="button", data_again=True)
            + (element("code", request_id) if request_id else Markup()),
            class_="np-alert",
            role="alert",
        )
    )


def pill(readiness: Readiness) -> str:
    """The engine's state in the header."""
    word = strings.STATES.get(readiness.state, strings.STATE_OTHERWISE)
    label = element("span", "", class_="np-dot") + element("span", word)
    state = readiness.state if readiness.state in strings.STATES else "starting"
    return str(
        element("div", label, class_=f"np-pill np-{state}", role="status", title=readiness.progress or None)
    )


def obstacle(readiness: Readiness, model: Model | None) -> str:
    """Why nothing can be sent right now; empty when it can."""
    if readiness.state == "unreachable":
        return strings.WAIT_UNREACHABLE
    if readiness.state == "failed":
        return strings.WAIT_FAILED.format(progress=_sentence(readiness.progress))
    if readiness.state == "signed-out":
        return strings.WAIT_SIGNED_OUT
    if not readiness.is_ready:
        told = _sentence(readiness.progress)
        return strings.WAIT_STARTING.format(progress=told) if told else strings.WAIT_STARTING_SILENT
    if model is None:
        return strings.WAIT_NO_MODELS
    if not model.is_served:
        return strings.WAIT_NOT_SERVED.format(model=model.name)
    return ""


def waiting(reason: str) -> str:
    """The reason beside a Send that is switched off."""
    return str(element("p", reason, class_="np-waiting", role="status")) if reason else ""


def _sentence(text: str) -> str:
    stripped = text.strip()
    return stripped if not stripped or stripped[-1] in ".!?" else f"{stripped}."
