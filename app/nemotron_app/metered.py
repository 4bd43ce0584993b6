"""What does a call cost its caller?

Before the engine starts, the most that the call may cost is set aside; when it has ended, what it did cost is
charged instead: the prompt once, and every token that was made, also of an answer that was broken off. A call
that made nothing costs nothing but its place in the count of requests, unless its prompt was read: that costs
the prompt. A caller who does not say how long an answer may be has a usual length set aside, because what a
model may make at most is more than many callers have in a day.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction

from nemotron_app.accounts import Entry, Principal
from nemotron_app.accounts.store.ledger import Status
from nemotron_app.bill import Bill
from nemotron_app.books import Books
from nemotron_app.budget import Budgets
from nemotron_app.caller import Caller
from nemotron_app.cashier import Cashier, Payment
from nemotron_app.limit_metrics import LimitMetrics
from nemotron_app.limits import Cost, FairQueue, LimitError, LimiterUnavailable, limit_headers, weight_of
from nemotron_app.record import Record
from nemotron_app.wire.asked import Asked
from nemotron_app.wire.prompt_size import likely_tokens
from nemotron_backend.catalog import Catalog
from nemotron_backend.engine import Engine, NoTokenizer
from nemotron_backend.request import Variant

USUAL_ANSWER = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredParts:
    """What a meter is made of."""

    catalog: Catalog
    budgets: Budgets
    cashier: Cashier
    queue: FairQueue
    books: Books
    metrics: LimitMetrics


class Metered:
    """Charges callers for what they use, and lets them in one after the other when there are too many."""

    def __init__(self, parts: MeteredParts) -> None:
        self._parts = parts
        self._weights: dict[Variant, Fraction] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def limits(self, caller: Caller) -> Mapping[str, str]:
        if not isinstance(caller, Principal):
            return {}
        cashier = self._parts.cashier
        try:
            states = await cashier.states(self._parts.budgets.of(caller))
        except LimiterUnavailable:
            states = ()
        return limit_headers(states, degraded=cashier.is_degraded)

    @asynccontextmanager
    async def charge(self, record: Record, asked: Asked, engine: Engine) -> AsyncGenerator[None, None]:
        caller = record.caller
        assert isinstance(caller, Principal)
        caller.require_model(asked.variant.model)
        counted = await _num_prompt_tokens(asked, engine)
        num_prompt = _guess(asked) if counted is None else counted
        payment = await self._pay(caller, record, self._cost(asked, num_prompt))
        guessed = asked if counted is None else None
        bill = Bill(num_prompt_tokens=num_prompt, tally=record.tally, guessed=guessed)
        self._parts.cashier.keep(payment, bill.tokens)
        status: Status = "failed"
        try:
            async with self._parts.queue.join(caller.network or caller.id, payment.cost) as ticket:
                await self._parts.books.open(_entry(caller, record, asked), bill.spent)
                try:
                    yield
                finally:
                    ticket.charge(payment.cost.of(bill.tokens()) - payment.cost.least)
            status = "done"
        except (asyncio.CancelledError, GeneratorExit):
            status = "aborted"
            raise
        except LimitError as error:
            self._parts.metrics.decided(error)
            raise
        finally:
            await self._to_the_end(self._finish(record, payment, bill, status))

    async def drain(self) -> None:
        """Wait for what is being written down."""
        await asyncio.gather(*self._ending)

    async def _pay(self, caller: Principal, record: Record, cost: Cost) -> Payment:
        try:
            payment = await self._parts.cashier.reserve(self._parts.budgets.of(caller), cost)
        except LimitError as error:
            self._parts.metrics.decided(error)
            if self._parts.cashier.is_degraded:
                record.headers["x-ratelimit-degraded"] = "1"
            raise
        self._parts.metrics.decided(None)
        record.headers.update(payment.headers)
        return payment

    def _cost(self, asked: Asked, num_prompt_tokens: int) -> Cost:
        context = self._parts.catalog.find(asked.variant.model).context
        longest = max(request.stopping.max_tokens for request in asked.requests)
        answer = min(longest, context if asked.has_limit else USUAL_ANSWER)
        return Cost(
            prompt_tokens=num_prompt_tokens,
            max_completion_tokens=answer * asked.num_answers,
            weight=self._weight(asked.variant),
        )

    def _weight(self, variant: Variant) -> Fraction:
        """Worked out once a variant: exact fractions take longer than all the rest of a cost."""
        if variant not in self._weights:
            self._weights[variant] = weight_of(variant, self._parts.catalog)
        return self._weights[variant]

    async def _finish(self, record: Record, payment: Payment, bill: Bill, status: Status) -> None:
        await asyncio.gather(
            self._parts.cashier.settle(payment, bill.tokens()),
            self._parts.books.close(record.request_id, status),
        )
        # The head of an answer in one piece is still to be sent.
        record.headers.update(payment.headers)

    async def _to_the_end(self, work: Coroutine[None, None, None]) -> None:
        """Go on even if whoever waits for it is cancelled."""
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)


async def _num_prompt_tokens(asked: Asked, engine: Engine) -> int | None:
    """None where the engine cannot tell before it answers."""
    if asked.num_prompt_tokens is not None:
        return asked.num_prompt_tokens
    model = asked.variant.model
    try:
        return sum([len(await engine.tokenize(model, request.prompt)) for request in asked.requests])
    except NoTokenizer:
        return None


def _guess(asked: Asked) -> int:
    return sum(likely_tokens(request.prompt) for request in asked.requests)


def _entry(caller: Principal, record: Record, asked: Asked) -> Entry:
    """Without the prompt, which costs nothing before it was read."""
    return Entry(id=record.request_id, caller=caller.id, variant=str(asked.variant), key_id=caller.key_id)
