"""Is a product that a GPU lacks refused with what to do instead?"""

import pytest

from nemotron_kernels._choice import KernelUnavailable
from nemotron_kernels.quantised_linear.support import Capability, refuse_w4a4, refuse_w8a8


@pytest.mark.parametrize("capability", [None, (8, 9), (9, 0), (10, 0), (12, 0)])
def test_fp8_times_fp8_runs_from_ada_on(capability: Capability | None) -> None:
    refuse_w8a8(capability)


def test_ampere_is_sent_to_w8a16() -> None:
    with pytest.raises(KernelUnavailable, match="W8A16"):
        refuse_w8a8((8, 0))


@pytest.mark.parametrize("capability", [None, (10, 0), (10, 3), (12, 0)])
def test_nvfp4_times_nvfp4_runs_from_blackwell_on(capability: Capability | None) -> None:
    refuse_w4a4(capability)


@pytest.mark.parametrize("capability", [(8, 0), (8, 9), (9, 0)])
def test_gpus_before_blackwell_are_sent_to_w4a16(capability: Capability) -> None:
    with pytest.raises(KernelUnavailable, match="W4A16"):
        refuse_w4a4(capability)
