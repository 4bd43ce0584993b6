"""What may be set about the embedded engine?"""

from dataclasses import dataclass
from typing import Literal

from nemotron_backend.catalog.entry import Fallback
from nemotron_backend.request import PRECISIONS, Decode, Precision, Variant

DEFAULT_CACHE_BYTES = 2 << 30

WeightsLayout = Literal["auto", "views", "packed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """One model to serve, and which of its variants; what the checkpoint lacks of them is left out.

    `checkpoint` is a folder in Hugging Face format; when empty, SmolLM2 is prepared. `adapter` is a folder
    with its draft adapter, where that is not in the checkpoint's own. A reward model says scores.
    """

    model: str = "smollm2-135m-instruct"
    checkpoint: str = ""
    adapter: str = ""
    template: Literal[""] | Fallback = ""
    sizes: tuple[str, ...] = ("full",)
    precisions: tuple[Precision, ...] = PRECISIONS
    decodes: tuple[Decode, ...] = ("autoregressive",)
    is_reward: bool = False

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Every combination, in order of preference."""
        return tuple(
            Variant(model=self.model, size=size, precision=precision, decode=decode)
            for size in self.sizes
            for precision in self.precisions
            for decode in self.decodes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedOptions:
    """Plain values, so that they cross to the engine's process as they are.

    SmolLM2 is prepared in `cache_folder` (empty: the user's cache). Sizes are `views` of one set of weights,
    or `packed` copies, which are faster; `auto` packs a model whose copies are small beside the memory.
    `num_threads` 0 takes all cores but one. `context` 0 takes a model's own.
    `keeps_prefixes` lets prompts that begin like earlier ones start from their caches.
    `prefill_chunk` bounds the prompt tokens of one step: how long others wait for it, and an abort.
    """

    models: tuple[ModelOptions, ...] = (ModelOptions(),)
    cache_folder: str = ""
    layout: WeightsLayout = "auto"
    num_threads: int = 0
    cache_limit_bytes: int = DEFAULT_CACHE_BYTES
    max_running: int = 16
    max_waiting: int = 64
    prefill_chunk: int = 64
    context: int = 0
    keeps_prefixes: bool = True
