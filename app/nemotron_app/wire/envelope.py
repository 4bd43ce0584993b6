"""What surrounds the choices of an answer?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from nemotron_app.tally import Tally
from nemotron_app.wire.answer import Evidence, ForwardAnswer
from nemotron_app.wire.asked import Asked
from nemotron_app.wire.evidence import metrics_of, recipe_of, running_usage, usage_of
from nemotron_app.wire.form import Choice, Form
from nemotron_app.wire.score_form import rounded
from nemotron_app.wire.speculation import speculation_of
from nemotron_backend.replay import TRACE_VERSION
from nemotron_backend.rewards import scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Which programs made the answer."""

    versions: Mapping[str, str]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The parts of an answer that are the same in all of its chunks."""

    asked: Asked
    form: Form
    maker: Maker

    def chunk(self, choices: Sequence[Any], tally: Tally, **more: object) -> bytes:
        """One chunk of a stream, as JSON."""
        body = self._head(self.form.chunk_object) | {"choices": choices}
        if self.asked.num_prompt_tokens is not None:
            body["usage"] = running_usage(self.asked.num_prompt_tokens, tally.num_tokens)
        return msgspec.json.encode(body | more)

    def last_chunk(self, choices: Sequence[Any], tally: Tally, own: Evidence) -> bytes:
        """The chunk that ends a stream: all the evidence beside its own, and the usage if asked for."""
        more = self._evidence(tally, own)
        if self.asked.include_usage:
            more["usage"] = self._usage(tally)
        return self.chunk(choices, tally, **more)

    def whole(self, choices: Sequence[Choice], tally: Tally, trace: list[ForwardAnswer]) -> bytes:
        """The answer in one piece, as JSON."""
        logprobs = self.asked.wants_logprobs
        body = self._head(self.form.object) | {
            "choices": [self.form.whole(choice, logprobs=logprobs) for choice in choices],
            "usage": self._usage(tally),
        }
        own: Evidence = {"trace": trace} if self.asked.show_trace else {}
        return msgspec.json.encode(body | self._evidence(tally, own))

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"{self.form.id_prefix}{self.asked.id}",
            "object": kind,
            "created": self.asked.created,
            "model": str(self.asked.variant),
            "system_fingerprint": self.maker.fingerprint,
        }

    def _usage(self, tally: Tally) -> object:
        return usage_of(tally.usages, self.asked.requests[0].num_choices, tally.verifications)

    def _evidence(self, tally: Tally, own: Evidence) -> dict[str, object]:
        nvext: Evidence = {
            "metrics": metrics_of(tally.usages),
            "recipe": recipe_of(self.asked, self.maker.versions),
            **own,
        }
        if self.asked.show_trace:
            nvext.setdefault("trace", [])
            nvext["trace_version"] = TRACE_VERSION
        if tally.scores:
            nvext["reward"] = rounded(scalar(tally.scores[0]))
        if tally.notices:
            nvext["notice"] = " ".join(tally.notices)
        speculation = speculation_of(tally.verifications)
        evidence: dict[str, object] = {"nvext": nvext}
        return evidence | {"metrics": speculation} if speculation else evidence
