"""How does a GPU run tokens of several sizes through one weight?

The kernels of a whole linear layer take the limits of each token. When a model decodes, all tokens share a
tile, and the weight is read once, as far as the largest size among them goes; a launch for each size would
read the shared prefix again each time.
"""

from torch import Tensor

from nemotron_kernels.quantised_linear.kernel import linear
from nemotron_kernels.quantised_linear.reference import Weight
from nemotron_kernels.quantised_linear.tile.shape import Tile


def mixed_linear(
    x: Tensor,
    weight: Weight,
    limits: Tensor,
    input_scale: Tensor | None = None,
    *,
    tile: Tile | None = None,
    out: Tensor | None = None,
) -> Tensor:
    return linear(x, weight, input_scale, limits.contiguous(), tile=tile, out=out)
