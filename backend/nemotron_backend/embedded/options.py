"""What may be set about the embedded engine?"""

from dataclasses import dataclass

from nemotron_backend.request import PRECISIONS, Decode, Precision

DEFAULT_CACHE_BYTES = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedOptions:
    """Plain values, so that they cross to the engine's process as they are.

    `checkpoint` is a folder in Hugging Face format; when empty, SmolLM2 is prepared in `cache_folder`
    (empty: the user's cache). `num_threads` 0 takes all cores but one. `context` 0 takes the model's own.
    `prefill_chunk` bounds the prompt tokens of one step: how long others wait for it, and an abort.
    """

    model: str = "smollm2-135m-instruct"
    checkpoint: str = ""
    cache_folder: str = ""
    precisions: tuple[Precision, ...] = PRECISIONS
    decodes: tuple[Decode, ...] = ("autoregressive",)
    num_threads: int = 0
    cache_limit_bytes: int = DEFAULT_CACHE_BYTES
    max_running: int = 16
    max_waiting: int = 64
    prefill_chunk: int = 64
    context: int = 0
