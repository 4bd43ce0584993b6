"""Can every NVFP4 weight be cut where a nested size cuts it?"""

from pathlib import Path

from nemotron_backend.model.cuts import Cuts
from nemotron_backend.model.elastic import OffGrid
from nemotron_backend.model.inventory import inventory, is_linear
from nemotron_backend.model.modelopt import Quantisation
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_kernels.nvfp4 import BLOCK


def check_blocks(config: NemotronHConfig, cuts: Cuts, quantisation: Quantisation, folder: Path) -> None:
    """Refuse a size whose input strips would split a block of 16. Raises OffGrid."""
    for name in inventory(config):
        if not is_linear(name) or quantisation.of(name.removesuffix(".weight")) != "nvfp4":
            continue
        strips = cuts.of(name)[1] or ()
        if any(bound % BLOCK for strip in strips for bound in (strip.start, strip.stop)):
            spans = ", ".join(f"{strip.start} to {strip.stop}" for strip in strips)
            problem = f"tensor {name} is NVFP4 and would be cut to inputs {spans}, inside a block of {BLOCK}"
            raise OffGrid(
                folder / "config.json", problem, f"Choose a size in steps of {BLOCK}, or FP8 or BF16."
            )
