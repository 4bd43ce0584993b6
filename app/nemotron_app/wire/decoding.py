"""How does a body want masks filled in?"""

from nemotron_app.errors import BadRequest
from nemotron_app.wire.fields import GenerationBody, NvExt
from nemotron_backend.request import Decode, Decoding, Variant

# NVIDIA's advice for diffusion; a draft is verified anyway, so one forward fills it whole.
_THRESHOLDS: dict[Decode, float] = {"diffusion": 0.9, "self-speculation": 0.0}


def decoding_of(body: GenerationBody, variant: Variant) -> Decoding:
    """The body's settings for the variant's decode mode. Raises BadRequest."""
    nvext = body.nvext or NvExt()
    if variant.decode == "autoregressive":
        _refuse(nvext)
        return Decoding()
    threshold = _THRESHOLDS[variant.decode] if nvext.threshold is None else nvext.threshold
    return Decoding(block_length=_block_length(nvext.block_length), threshold=threshold)


def _block_length(asked: int | None) -> int:
    """Networks are taught on powers of two."""
    if asked is not None and asked.bit_count() != 1:
        message = f"nvext.block_length must be a power of two from 2 to 64, not {asked}"
        raise BadRequest(message, param="nvext.block_length")
    return asked or 0


def _refuse(nvext: NvExt) -> None:
    for name in ("block_length", "threshold"):
        if getattr(nvext, name) is not None:
            message = f"nvext.{name} has no meaning for decode mode 'autoregressive'"
            raise BadRequest(message, param=f"nvext.{name}", code="unsupported_field")
