"""Which function advances the sequences of a variant?"""

from collections.abc import Mapping

from nemotron_backend.embedded.decode import autoregressive, diffusion, self_speculation
from nemotron_backend.embedded.decode.advance import Mode
from nemotron_backend.request import Decode

MODES: Mapping[Decode, Mode] = {
    "autoregressive": autoregressive.step,
    "diffusion": diffusion.step,
    "self-speculation": self_speculation.step,
}
