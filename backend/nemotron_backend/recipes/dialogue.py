"""How does an example read as a prompt and the answer that a model shall give?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from jinja2 import Template
from tokenizers import Tokenizer

from nemotron_backend.recipes.tasks import Example, training


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """Token ids of a prompt, up to the assistant's first token, and of the answer with its end token."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class Script:
    """Writes examples as the chat template and the tokenizer have it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._template = template()

    def dialogue(self, example: Example, *, thinking: bool) -> Dialogue:
        """One example, with its steps between `<think>` and `</think>` or without them."""
        prompt, answer = texts(self._template, example, thinking=thinking)
        return Dialogue(prompt=self._ids(prompt), answer=self._ids(answer))

    def dialogues(self, examples: Iterator[Example], seed: int) -> Iterator[Dialogue]:
        """Every example once; five in six with thinking, as the default is on."""
        rng = Random(seed)
        return (self.dialogue(example, thinking=rng.random() < 5 / 6) for example in examples)

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)


def template() -> Template:
    """The chat template that the checkpoints ship with."""
    source = Path(__file__).with_name("chat_template.jinja").read_text("utf-8")
    made: Template = Template(source, trim_blocks=True, lstrip_blocks=True)
    return made


def texts(source: Template, example: Example, *, thinking: bool) -> tuple[str, str]:
    """Prompt and answer of an example."""
    system = [{"role": "system", "content": example.system}] if example.system else []
    messages = [*system, {"role": "user", "content": example.question}]
    prompt = source.render(messages=messages, add_generation_prompt=True, enable_thinking=thinking)
    thought = f"{example.steps}\n</think>\n" if thinking else ""
    return prompt, f"{thought}{example.answer}<|im_end|>"


def corpus(seed: int, count: int) -> Iterator[str]:
    """Texts from which a tokenizer can be trained."""
    source = template()
    for example in islice(training(seed), count):
        yield "".join(texts(source, example, thinking=True))
