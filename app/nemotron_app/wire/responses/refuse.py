"""Which fields of a request for a response are refused here, rather than ignored?"""

from nemotron_app.errors import BadRequest
from nemotron_app.wire.refuse import refuse_known
from nemotron_app.wire.responses.body import ReasoningWish, ResponsesBody, TextWish

_NOT_KEPT = "no response is kept here; send the earlier items as `input`"


def refuse_unserved(body: ResponsesBody) -> None:
    """Raise BadRequest for the first field that asks for something not served."""
    refuse_known(body.extras)
    reasoning, text = body.reasoning or ReasoningWish(), body.text or TextWish()
    refused = {
        "previous_response_id": (body.previous_response_id is not None, _NOT_KEPT),
        "conversation": (body.conversation is not None, _NOT_KEPT),
        "prompt": (body.prompt is not None, "no templates are kept here; send the text as `input`"),
        "background": (body.background is True, "a response is made while its caller waits; stream it"),
        "truncation": (body.truncation == "auto", "no item is left out by itself; leave some out yourself"),
        "max_tokens": (body.max_tokens is not None, "it is called max_output_tokens here"),
        "n": (body.n not in (None, 1), "a response is one answer; ask again, or use /v1/chat/completions"),
        "text.format": (
            text.format is not None and text.format.type != "text",
            "answers bound to a schema are not served yet; only `text` is",
        ),
        "text.verbosity": (
            text.verbosity not in (None, "medium"),
            "no model here has such a switch; say it in the instructions",
        ),
        "reasoning.summary": (
            reasoning.summary not in (None, "auto"),
            "thoughts are given whole, not summed up; send `auto`",
        ),
    }
    for param, (is_asked, reason) in refused.items():
        if is_asked:
            raise BadRequest(f"{param}: {reason}", param=param, code="unsupported_field")
