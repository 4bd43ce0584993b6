"""How far is one choice of one request?"""

from collections.abc import Collection
from collections.abc import Sequence as Tokens
from dataclasses import replace

from nemotron_backend.embedded.answer_text import AnswerText, Piece
from nemotron_backend.embedded.cache_memory import LayerCaches, Origin
from nemotron_backend.embedded.decode.block import Block
from nemotron_backend.embedded.decode.pace import Pace
from nemotron_backend.embedded.decode.view import View
from nemotron_backend.embedded.messages import Submit
from nemotron_backend.embedded.sampler import Sampler
from nemotron_backend.embedded.thoughts import Thoughts
from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.request import Delta, FinishReason, Forward, Score, Token, Usage, Variant


class Sequence:
    """The tokens of one choice, what of them is in the cache, and what of them was emitted.

    `num_computed` tokens are in `cache`, which is of `origin`. A `block` is being filled in or waits to be
    verified, `pace` says how many tokens are worth drafting, a `notice` what the answer had to do without.
    A `leader` is the first choice of the same request, whose prompt the others wait for, to copy it. Where
    scores are wanted in place of tokens, they are of these `attributes`.
    """

    def __init__(
        self, submit: Submit, index: int, vocabulary: Vocabulary, leader: "Sequence | None" = None
    ) -> None:
        self.request_id = submit.id
        self.index = index
        self.variant: Variant = submit.variant
        self.leader = leader
        self.stopping = submit.stopping
        self.num_top_logprobs = submit.num_top_logprobs or 0
        self.num_prompt = len(submit.token_ids)
        self.token_ids: list[int] = list(submit.token_ids)
        self.decoding = submit.decoding
        self.handover = submit.handover
        self.attributes = submit.attributes
        self.block: Block | None = None
        self.pace = Pace()
        self.notice = ""
        self.sampler = Sampler(replace(submit.sampling, seed=submit.sampling.seed + index), submit.token_ids)
        self.cache: LayerCaches = ()
        self.num_computed = 0
        self.num_cached = 0
        self.reserved_bytes = 0
        self.origin: Origin | None = None
        self._turn_end = _turn_end(submit.token_ids, vocabulary.ends)
        self._vocabulary = vocabulary
        self._thoughts = Thoughts(submit.stopping.thinking)
        self._text = AnswerText(vocabulary, () if self._thoughts.are_open else submit.stopping.strings)
        self._view = View(
            is_asked=submit.canvas,
            filled="revealed" if submit.variant.decode == "diffusion" else "drafted",
            bytes_of=vocabulary.bytes_of,
        )
        self._trace: list[Forward] | None = [] if submit.trace else None
        self._num_forwards = 0
        self._arrived = submit.arrived
        self._started: float | None = None
        self._first_token: float | None = None
        self.finish: FinishReason | None = None

    @property
    def capacity(self) -> int:
        """Tokens that the sequence may come to hold."""
        return self.num_prompt + self.stopping.max_tokens

    @property
    def num_left(self) -> int:
        """Tokens that the answer may still get."""
        return self.stopping.max_tokens - self.num_answered

    @property
    def num_answered(self) -> int:
        """Tokens of the answer so far."""
        return len(self.token_ids) - self.num_prompt

    @property
    def num_pending(self) -> int:
        """Tokens that are known but not in the cache."""
        return len(self.token_ids) - self.num_computed

    @property
    def is_prefilling(self) -> bool:
        """Whether the cache still lacks a part of the prompt."""
        return self.num_computed < self.num_prompt

    @property
    def snapshots(self) -> tuple[int, ...]:
        """Lengths at which others may want to go on: the last turn's end, and another answer's start."""
        return tuple(sorted({self._turn_end, self.num_prompt - 1}))

    @property
    def waits_for_leader(self) -> bool:
        """Whether the prompt is being computed for a sibling right now."""
        return self.leader is not None and self.leader.finish is None and self.leader.is_prefilling

    def begin(self, now: float) -> None:
        """The first forward for this sequence starts."""
        self._started = now if self._started is None else self._started

    def record(self, forward: Forward) -> None:
        """Count a run of the network."""
        self._num_forwards += forward.kind != "prefill"
        if self._trace is not None:
            self._trace.append(forward)

    def advance(self, tokens: Tokens[Token], now: float) -> Delta | None:
        """Take new tokens up to the one that ends the answer; gives what can be shown."""
        text = ""
        shown: list[Token] = []
        for token in tokens:
            for piece in self._take(token, now):
                text += piece.text
                shown += piece.tokens
            if self.finish is not None:
                break
        trace, self._trace = tuple(self._trace or ()), None if self._trace is None else []
        canvas = self._view.show(None if self.finish else self.block, self.num_pending, self.num_answered)
        if not (text or shown or trace or canvas or self.finish):
            return None
        return Delta(
            index=self.index,
            text=text,
            tokens=tuple(shown),
            trace=trace,
            canvas=canvas,
            notice=self.notice if self.finish else "",
            finish=self.finish,
            usage=self._usage(now) if self.finish else None,
        )

    def judge(self, scores: tuple[Score, ...], now: float) -> Delta:
        """Take the scores, which end it."""
        self._first_token, self.finish = now, "stop"
        trace = tuple(self._trace or ())
        return Delta(index=self.index, scores=scores, trace=trace, finish=self.finish, usage=self._usage(now))

    def bytes_of(self, token_id: int) -> bytes:
        """Exact bytes of a token."""
        return self._vocabulary.bytes_of(token_id)

    def ends(self, token_id: int) -> bool:
        """Whether the answer stops at this token."""
        is_end = token_id in self._vocabulary.ends and not self.stopping.ignore_eos
        return is_end or token_id in self.stopping.token_ids or self._is_stop_mark(token_id)

    def _is_stop_mark(self, token_id: int) -> bool:
        """Whether the token spells a stop string; as a mark it has no text that could be searched."""
        if self._thoughts.are_open or token_id not in self._vocabulary.special:
            return False
        return self._vocabulary.bytes_of(token_id).decode() in self.stopping.strings

    def service_seconds(self, now: float) -> float:
        """How long the sequence has been served."""
        return now - self._started if self._started is not None else 0.0

    def _take(self, token: Token, now: float) -> list[Piece]:
        self._first_token = now if self._first_token is None else self._first_token
        self.token_ids.append(token.id)
        if self.ends(token.id):
            self.finish = "stop"
            return [self._text.finish()]
        piece = self._text.push(token)
        self.finish = self._finish_after(token.id)
        return [piece] if self.finish is None else [piece, self._text.finish()]

    def _finish_after(self, token_id: int) -> FinishReason | None:
        if self._text.is_stopped:
            return "stop"
        if self._thoughts.are_open:
            finish = self._thoughts.take(token_id)
            if not self._thoughts.are_open:
                self._text.stop_at(self.stopping.strings)
            if finish is not None:
                return finish
        return "length" if self.num_answered == self.stopping.max_tokens else None

    def _usage(self, now: float) -> Usage:
        started = self._started if self._started is not None else now
        first = self._first_token if self._first_token is not None else now
        return Usage(
            prompt_tokens=self.num_prompt,
            cached_tokens=self.num_cached,
            completion_tokens=self.num_answered,
            reasoning_tokens=0,
            forwards=self._num_forwards,
            queue_milliseconds=1000 * (started - self._arrived),
            first_token_milliseconds=1000 * (first - self._arrived),
            total_milliseconds=1000 * (now - self._arrived),
        )


def _turn_end(prompt: Tokens[int], ends: Collection[int]) -> int:
    """Tokens up to the end of the last whole turn; a later prompt may tell otherwise what follows it."""
    return next((place for place in range(len(prompt) - 1, 0, -1) if prompt[place - 1] in ends), 0)
