"""Which random number belongs to a token id, whatever order or split of the vocabulary asks for it?

Philox-4x32-10 (Salmon and others, 2011): the key is the row's `seed` [64 bits], and the counter is
(id // 4, low and high word of the row's `counter`, stream); an id takes word id % 4 of the four.

    uniform     = (word + 1/2) / 2^32
    exponential = -ln(1 - uniform)

Of weights w the id with the largest w / exponential is a draw from w, and the largest is found in parts.
Small waits decide, and they are as fine as 2^-32; a uniform in float32's upper half is not.
"""

from nemotron_kernels.noise.drawing import Drawing
from nemotron_kernels.noise.reference import (
    STREAM_OF_CHOICE,
    STREAM_OF_JUDGEMENT,
    STREAM_OF_SECOND_CHOICE,
    exponential,
    uniform,
)

__all__ = [
    "STREAM_OF_CHOICE",
    "STREAM_OF_JUDGEMENT",
    "STREAM_OF_SECOND_CHOICE",
    "Drawing",
    "exponential",
    "uniform",
]
