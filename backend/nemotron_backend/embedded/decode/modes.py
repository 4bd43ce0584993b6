"""Which function advances the sequences of a variant?"""

from nemotron_backend.embedded.decode import autoregressive, diffusion, prediction, self_speculation
from nemotron_backend.embedded.decode.advance import Mode
from nemotron_backend.model.network import Network
from nemotron_backend.request import Decode


def mode_of(decode: Decode, network: Network) -> Mode:
    """Self-speculation drafts with what the network has: masks, or a block that predicts further tokens."""
    match decode:
        case "autoregressive":
            return autoregressive.step
        case "diffusion":
            return diffusion.step
        case "self-speculation":
            return self_speculation.step if network.predictor is None else prediction.step
