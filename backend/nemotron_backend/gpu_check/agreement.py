"""How far is an op from its definition?"""

import math

import torch
from torch import Tensor

from nemotron_backend.gpu_check.case import Case, Trial
from nemotron_backend.gpu_check.forced import forced


def error_of(case: Case, trial: Trial) -> float:
    """The error of results and changed memory against those of the reference, as the case counts it."""
    before = [tensor.clone() for tensor in trial.changed]
    with forced("reference"):
        expected = [tensor.clone() for tensor in _everything(trial)]
    for tensor, kept in zip(trial.changed, before, strict=True):
        tensor.copy_(kept)
    actual = _everything(trial)
    pairs = zip(actual, expected, strict=True)
    return max(_error(own, wanted, case.compares_means) for own, wanted in pairs)


def _everything(trial: Trial) -> tuple[Tensor, ...]:
    results = trial.run()
    return (*(results if isinstance(results, tuple) else (results,)), *trial.changed)


def _error(actual: Tensor, expected: Tensor, compares_means: bool) -> float:
    """Of integers the share that differs."""
    if not actual.is_floating_point():
        return (actual != expected).float().mean().item()
    difference = (actual.double() - expected.double()).abs()
    size = expected.double().square().mean().sqrt()
    error = difference.square().mean().sqrt() if compares_means else difference.max()
    relative = error / size.clamp_min(torch.finfo(torch.float32).tiny)
    return torch.nan_to_num(relative, nan=math.inf).item()
