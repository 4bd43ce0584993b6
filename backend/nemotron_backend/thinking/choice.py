"""How far is one choice that thinks and then answers?"""

from collections.abc import Sequence
from dataclasses import replace

from nemotron_backend.request import Canvas, Delta, Forward, Token, TracedToken, Usage
from nemotron_backend.thinking.plan import Plan
from nemotron_backend.thinking.stretch import Clock, Stretch
from nemotron_backend.thinking.text import Trim, split


class Choice:
    """Turns the deltas of one or two requests into those of one answer with thoughts.

    `token_ids` is all of it so far. It `waits` where thoughts have ended and another request must go on.
    """

    def __init__(self, plan: Plan, index: int, clock: Clock) -> None:
        self.token_ids: list[int] = []
        self.waits = False
        self._plan = plan
        self._index = index
        self._clock = clock
        self._started = clock()
        self._stretches = [Stretch("thinking", plan.thinking_size, self._started)]
        self._thought = Trim(keeps_end=False)
        self._answer = Trim(keeps_end=True)
        self._offset = 0
        self._forced: tuple[Token, ...] = ()
        self._num_prefills = 0
        self._thinking_usage: Usage | None = None

    @property
    def is_thinking(self) -> bool:
        """Whether the next token is a thought."""
        return len(self._stretches) == 1

    def take(self, delta: Delta) -> Delta:
        """What a delta of the running request means for the answer."""
        now = self._clock()
        reasoning, text = self._read(delta, now)
        trace = self._shifted(delta.trace)
        own = replace(
            delta,
            index=self._index,
            text=text,
            reasoning=reasoning,
            trace=trace if self._plan.request.trace else (),
            canvas=self._moved(delta.canvas),
            size=self._size,
        )
        self.token_ids += [token.id for token in delta.tokens]
        return self._finished(own, delta.usage) if delta.usage is not None else own

    def hand_over(self) -> Delta:
        """End the thoughts, by force if they have not ended by themselves; gives the tokens for that."""
        self.waits = False
        now, left = self._clock(), self._plan.request.stopping.max_tokens - len(self.token_ids)
        forced, bridge = self._plan.marks.handover(self.token_ids)
        tokens = (*forced, *bridge)[:left]
        self._stretches[0].add(len(tokens[: len(forced)]), now)
        self._forced, self._offset = tokens, len(self.token_ids) + len(tokens)
        size = self._size
        if self.is_thinking:
            self._begin_answer(now)
        self._stretches[-1].num_tokens += len(tokens[len(forced) :])
        self.token_ids += [token.id for token in tokens]
        delta = Delta(index=self._index, tokens=tokens, size=size)
        if len(tokens) < left:
            return delta
        return replace(delta, finish="length", usage=self._usage(None, now))

    @property
    def is_full(self) -> bool:
        """Whether the answer has all tokens that it may get."""
        return len(self.token_ids) >= self._plan.request.stopping.max_tokens

    @property
    def _size(self) -> str:
        return self._stretches[-1].size if self._plan.takes_turns else ""

    def _begin_answer(self, now: float) -> None:
        self._stretches[0].ended = now
        self._stretches.append(Stretch("answer", self._plan.answering_size, now, ended=now))

    def _read(self, delta: Delta, now: float) -> tuple[str, str]:
        """The delta's thought and answer, counted."""
        ids = [token.id for token in delta.tokens]
        if not self.is_thinking:
            self._stretches[-1].add(len(ids), now)
            return "", self._answer.push(delta.text)
        if self._plan.marks.end_id not in ids:
            self._stretches[0].add(len(ids), now)
            return self._thought.push(delta.text), ""
        place = ids.index(self._plan.marks.end_id)
        thought, answer = split(delta, place)
        self._stretches[0].add(place + 1, now)
        if not self._plan.takes_turns:
            self._begin_answer(now)
            self._stretches[1].add(len(ids) - place - 1, now)
        return self._thought.push(thought), self._answer.push(answer)

    def _shifted(self, trace: Sequence[Forward]) -> tuple[Forward, ...]:
        """Forwards at their places in the whole answer; what nobody drew stands at the first that read it."""
        moved: list[Forward] = []
        for forward in trace:
            self._num_prefills += forward.kind == "prefill" and self._thinking_usage is not None
            first = self._offset - len(self._forced)
            forced = [
                TracedToken(position=first + place, id=token.id, state="accepted")
                for place, token in enumerate(self._forced)
            ]
            self._forced = ()
            own = [replace(token, position=token.position + self._offset) for token in forward.tokens]
            moved.append(replace(forward, tokens=(*forced, *own)))
        return tuple(moved)

    def _moved(self, canvas: Canvas | None) -> Canvas | None:
        return replace(canvas, position=canvas.position + self._offset) if canvas else None

    def _finished(self, delta: Delta, usage: Usage) -> Delta:
        """The last delta of a request: the answer's last one too, unless it has to be handed over."""
        if self._must_hand_over(delta):
            self._thinking_usage, self.waits = usage, True
            return replace(delta, finish=None, usage=None)
        # Thoughts that use up all tokens end for want of more, whatever their last one was.
        is_cut = self.is_thinking and self.is_full
        finish = "length" if is_cut else delta.finish
        return replace(delta, finish=finish, usage=self._usage(usage, self._clock()))

    def _must_hand_over(self, delta: Delta) -> bool:
        if not self.is_thinking or self.is_full:
            return False
        has_ended = bool(self.token_ids) and self.token_ids[-1] == self._plan.marks.end_id
        return has_ended or delta.finish == "length"

    def _usage(self, last: Usage | None, now: float) -> Usage:
        """The cost of all; a prompt counts once, and reading it a second time as forwards."""
        thinking, answer = self._stretches[0], self._stretches[-1]
        first = self._thinking_usage or last
        assert first is not None, "an answer ends with its last request, or instead of a second one"
        if self._thinking_usage is None:
            completion, forwards, total = first.completion_tokens, first.forwards, first.total_milliseconds
        else:
            own = last.completion_tokens if last else 0
            completion = self._offset + own
            forwards = first.forwards + self._num_prefills + (last.forwards if last else 0)
            total = 1000 * (now - self._started)
        if answer is not thinking:
            answer.num_tokens, answer.ended = completion - thinking.num_tokens, now
        return replace(
            first,
            completion_tokens=completion,
            reasoning_tokens=thinking.num_tokens,
            forwards=forwards,
            total_milliseconds=total,
            phases=tuple(stretch.phase() for stretch in self._stretches if stretch.num_tokens),
        )
