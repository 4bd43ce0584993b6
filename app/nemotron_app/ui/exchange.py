"""How does a conversation grow while its last question is answered?"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from openai import APIError
from openai.types.chat import ChatCompletionChunk

from nemotron_app.ui.conversation import Conversation
from nemotron_app.ui.evidence import thought
from nemotron_app.ui.feed import Feed
from nemotron_app.ui.run import Run
from nemotron_app.ui.site import VisitorError
from nemotron_app.ui.trouble import Trouble, trouble_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A conversation, the run that answers its last question, and what stood in the way of it."""

    conversation: Conversation
    run: Run
    trouble: Trouble | None = None

    def heard(self, chunks: list[ChatCompletionChunk]) -> "Exchange":
        run = self.run.and_then(chunks)
        answer = run.answer
        said = self.conversation.with_last(
            answer=answer.text, reasoning=answer.reasoning, thought=thought(answer), calls=answer.calls
        )
        return replace(self, run=run, conversation=said)

    def stopped(self) -> "Exchange":
        cut = self.conversation.with_last(is_stopped=True)
        return replace(self, run=self.run.stopped(), conversation=cut)


async def converse(feed: Feed[ChatCompletionChunk], start: Exchange) -> AsyncGenerator[Exchange, None]:
    """The exchange after each batch of chunks, and once more if it did not end by itself."""
    latest = start
    try:
        async with aclosing(feed.batches()) as batches:
            async for chunks in batches:
                latest = latest.heard(chunks)
                yield latest
    except (APIError, VisitorError) as error:
        yield replace(latest, trouble=trouble_of(error))
        return
    if feed.is_stopped:
        yield latest.stopped()
