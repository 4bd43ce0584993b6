"""How does a body want masks filled in?"""

from collections.abc import Mapping

from nemotron_app.errors import BadRequest
from nemotron_app.wire.fields import GenerationBody, NvExt
from nemotron_backend.request import Decode, Decoding, Variant

# NVIDIA's advice for diffusion; a draft is verified anyway, so one forward fills it whole.
_THRESHOLDS: dict[Decode, float] = {"diffusion": 0.9, "self-speculation": 0.0}


# Which modes a field of `nvext` means something for.
_MODES: Mapping[str, tuple[Decode, ...]] = {
    "block_length": ("diffusion", "self-speculation"),
    "threshold": ("diffusion", "self-speculation"),
    "num_steps": ("diffusion", "self-speculation"),
    "order": ("diffusion", "self-speculation"),
    "drafting": ("self-speculation",),
    "acceptance": ("self-speculation",),
}


def decoding_of(body: GenerationBody, variant: Variant) -> Decoding:
    """The body's settings for the variant's decode mode. Raises BadRequest."""
    nvext = body.nvext or NvExt()
    _refuse_strange(nvext, variant.decode)
    _check_steps(nvext)
    advised = _THRESHOLDS.get(variant.decode, 0.0)
    return Decoding(
        block_length=_block_length(nvext.block_length),
        threshold=advised if nvext.threshold is None else nvext.threshold,
        num_steps=nvext.num_steps or 0,
        order=nvext.order or "confidence",
        drafting=nvext.drafting or "linear",
        acceptance=nvext.acceptance or "match",
    )


def _block_length(asked: int | None) -> int:
    """Networks are taught on powers of two."""
    if asked is not None and asked.bit_count() != 1:
        message = f"nvext.block_length must be a power of two from 2 to 64, not {asked}"
        raise BadRequest(message, param="nvext.block_length")
    return asked or 0


def _check_steps(nvext: NvExt) -> None:
    if nvext.num_steps is None:
        return
    if nvext.threshold is not None:
        message = "nvext.num_steps reveals even shares, so nvext.threshold has no say; send one of them"
        raise BadRequest(message, param="nvext.num_steps")
    if nvext.block_length is not None and nvext.num_steps > nvext.block_length:
        message = f"nvext.num_steps must be at most nvext.block_length, {nvext.block_length}"
        raise BadRequest(message, param="nvext.num_steps")


def _refuse_strange(nvext: NvExt, decode: Decode) -> None:
    for name, modes in _MODES.items():
        if getattr(nvext, name) is not None and decode not in modes:
            message = (
                f"nvext.{name} has no meaning for decode mode {decode!r}; it is for {' and '.join(modes)}"
            )
            raise BadRequest(message, param=f"nvext.{name}", code="unsupported_field")
