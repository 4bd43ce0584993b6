"""Which fields do all bodies that ask for text share?

Unknown fields are taken in and dropped: only what stands here can reach an engine.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# JavaScript's largest exact integer, so that a seed survives every client.
MAX_SEED = 2**53 - 1
MAX_INT = 2**31 - 1

TokenId = Annotated[int, Field(ge=0, le=MAX_INT)]
StopString = Annotated[str, Field(min_length=1, max_length=256)]


class Wire(BaseModel):
    """A JSON object as a client sends it: strictly typed, frozen, finite."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class StreamOptions(Wire):
    """What a stream carries besides the text."""

    include_usage: bool = Field(
        default=False, description="End with a chunk that has the usage and no choices."
    )
    continuous_usage_stats: bool = Field(default=False, description="Put the usage so far on every chunk.")


class NvExt(Wire):
    """NVIDIA's extension object: the knobs that OpenAI's format has no place for."""

    size: str | None = Field(default=None, max_length=64, description="Elastic size, such as `12b`.")
    elastic_size: str | None = Field(default=None, max_length=64, description="The same as `size`.")
    precision: str | None = Field(default=None, max_length=64, description="`bf16`, `fp8` or `nvfp4`.")
    decode: str | None = Field(
        default=None, max_length=64, description="`autoregressive`, `diffusion` or `self-speculation`."
    )
    decode_mode: str | None = Field(default=None, max_length=64, description="The same as `decode`.")
    thinking_size: str | None = Field(
        default=None,
        max_length=64,
        description="Elastic size that thinks, where it differs from the one that answers.",
    )
    block_length: int | None = Field(
        default=None,
        ge=2,
        le=64,
        description="Tokens that are filled in together, a power of two; the model's own if left out. "
        "Left out, self-speculation drafts as much as pays.",
    )
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="Confidence from which a token is revealed with the surest one."
    )
    num_steps: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Forwards that fill a block in, each an even share of it, instead of a threshold.",
    )
    order: Literal["confidence", "leftmost"] | None = Field(
        default=None, description="Which of the masked tokens comes first."
    )
    drafting: Literal["linear", "quadratic"] | None = Field(
        default=None, description="Draft and verify in turns, or both in one forward."
    )
    acceptance: Literal["match", "rejection"] | None = Field(
        default=None, description="Which drafted tokens stand: those that would have been drawn, or more."
    )
    canvas: bool = Field(
        default=False, description="Stream what is being filled in, before any of it is certain."
    )
    max_thinking_tokens: int | None = Field(
        default=None,
        ge=-1,
        le=MAX_INT,
        description="Most tokens of thinking, and a tenth more so that a line can end; -1 sets no limit.",
    )
    thinking_grace: int | None = Field(
        default=None,
        ge=0,
        le=MAX_INT,
        description="Tokens of thinking past its budget, at most, so that a line can end.",
    )
    handover: Literal["prefill", "state"] | None = Field(
        default=None,
        description="How the answering size takes over from `thinking_size`: it reads all tokens anew, which "
        "is exact, or goes on from the other's state, which is quicker.",
    )
    trace: bool = Field(default=False, description="Answer with a record of every forward.")


class GenerationBody(Wire):
    """What chat and completion requests have in common."""

    model_config = ConfigDict(extra="allow")  # so that known fields we cannot serve are seen and refused

    model: str = Field(
        min_length=1,
        max_length=256,
        description="Id or alias, with suffixes in any order: `name:12b:nvfp4:diffusion`.",
    )
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_INT, description="Most tokens to make.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="0 takes the likeliest token.")
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Keep the likeliest tokens that have this mass together."
    )
    top_k: int | None = Field(
        default=None, ge=-1, le=MAX_INT, description="Keep so many tokens; 0 or -1 keeps all."
    )
    min_p: float | None = Field(
        default=None, ge=0, le=1, description="Keep tokens at least this likely against the likeliest."
    )
    repetition_penalty: float | None = Field(default=None, gt=0, le=2, description="1 does nothing.")
    presence_penalty: float | None = Field(default=None, ge=-2, le=2, description="0 does nothing.")
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2, description="0 does nothing.")
    logit_bias: dict[TokenId, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        default=None, max_length=1024, description="Added to the logits of tokens, by token id."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="The same request with the same seed gives the same tokens.",
    )
    n: int | None = Field(default=None, ge=1, le=MAX_INT, description="Answers to make.")
    stop: Annotated[list[StopString], Field(max_length=16)] | StopString | None = Field(
        default=None, description="Up to 16 strings that end the answer."
    )
    stop_token_ids: list[TokenId] | None = Field(
        default=None, max_length=64, description="Token ids that end the answer."
    )
    ignore_eos: bool = Field(default=False, description="Go on after the end-of-turn token; for benchmarks.")
    stream: bool | None = Field(default=None, description="Answer as server-sent events.")
    stream_options: StreamOptions | None = None
    nvext: NvExt | None = None

    @property
    def extras(self) -> dict[str, Any]:
        """Fields that came and do not stand here."""
        return self.__pydantic_extra__ or {}
