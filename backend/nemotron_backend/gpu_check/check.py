"""How does a case become a row of the table?"""

import torch

from nemotron_backend.gpu_check.agreement import error_of
from nemotron_backend.gpu_check.case import Case
from nemotron_backend.gpu_check.measure import Limits, is_cold, seconds_of, trials_for
from nemotron_backend.gpu_check.row import Row
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_kernels import KernelUnavailable

_SECONDS = 0.3


def checked(case: Case, limits: Limits, device: torch.device) -> Row:
    """Agreement first, then times; what fails says so in its row, and the next one goes on."""
    floor = limits.floor(case.floor)
    try:
        return _measured(case, floor, device)
    except KernelUnavailable as lack:
        return Row(case=case, floor=floor, remark=f"unmeasured: {lack}")
    except _failures() as failure:
        reason = str(failure).strip().partition("\n")[0]
        return Row(case=case, floor=floor, remark=f"FAILED: {type(failure).__name__}: {reason}")
    finally:
        torch.cuda.empty_cache()


def _measured(case: Case, floor: float, device: torch.device) -> Row:
    trials = case.trials(Tensors.on(device), trials_for(case.floor))
    error = error_of(case, trials[0])
    peers = {name: seconds_of([trial.peers[name] for trial in trials], _SECONDS) for name in trials[0].peers}
    return Row(
        case=case,
        floor=floor,
        seconds=seconds_of([trial.run for trial in trials], _SECONDS),
        error=error,
        is_cold=is_cold(case.floor),
        peers=peers,
    )


def _failures() -> tuple[type[Exception], ...]:
    """What a kernel that does not compile, launch or fit raises; CUDA's and torch's are RuntimeErrors."""
    from triton.errors import TritonError

    return RuntimeError, ValueError, AssertionError, TritonError
