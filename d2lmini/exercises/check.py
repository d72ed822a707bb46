"""Checks a learner's `batch_norm` and `BatchNorm`, and names the mistake."""

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

from d2lmini import norm
from d2lmini.exercises.attempt import Mistake
from d2lmini.exercises.cases_layer import LAYER_CASES
from d2lmini.exercises.faults import faulty_batch_norm
from d2lmini.exercises.faulty_layer import faulty_layer
from d2lmini.exercises.mistakes import MISTAKES, Faulty
from d2lmini.exercises.mistakes_layer import LAYER_MISTAKES
from d2lmini.exercises.scenes import FUNCTION_CASES, see_function
from d2lmini.exercises.scenes_layer import counts, see_layer
from d2lmini.exercises.verdict import Exercise, Report, judge

__all__ = ['check_BatchNorm', 'check_batch_norm']


def _faults(mistakes: Iterable[Mistake]) -> list[str]:
    return [
        word
        for mistake in mistakes
        if isinstance(mistake, Faulty)
        for word in mistake.faults
    ]


BATCH_NORM = Exercise(
    'batch_norm',
    norm.batch_norm,
    FUNCTION_CASES,
    MISTAKES,
    answer=inspect.getsource(norm.batch_norm),
    run=see_function,
    may_change=('moving_mean', 'moving_var'),
    together=lambda *both: faulty_batch_norm(_faults(both)),
)
BATCH_NORM_LAYER = Exercise(
    'BatchNorm',
    norm.BatchNorm,
    LAYER_CASES,
    LAYER_MISTAKES,
    answer=inspect.getsource(norm.BatchNorm),
    run=see_layer,
    together=lambda *both: faulty_layer(_faults(both)),
)


def check_batch_norm(fn: Any) -> Report:
    """Check a function that does what `d2lmini.batch_norm` does.

    Parameters
    ----------
    fn : callable
        `fn(X, gamma, beta, moving_mean, moving_var, eps, momentum,
        training)` returns `Y, moving_mean, moving_var`. X is (N, C) or
        (N, C, H, W), the next four (1, C) or (1, C, 1, 1). In training
        one value a channel raises ValueError, as in torch.

    Returns
    -------
    Report
        What is right, the smallest case that is not, and which of the known
        mistakes it is.

    Notes
    -----
    Any way of writing it is right. The moving averages may be written into,
    if they are returned too, and may come back as (C,) if `fn` takes them
    so. X must not be written into.
    """
    return judge(BATCH_NORM, fn)


def check_BatchNorm(cls: Any) -> Report:  # noqa: N802 - the class's name
    """Check a layer that does what `d2lmini.BatchNorm` does.

    Parameters
    ----------
    cls : callable
        `cls(num_features, num_dims, eps=1e-5, momentum=0.1)` makes an
        `nn.Module`. Its tensors are called gamma, beta, moving_mean and
        moving_var, or as in torch, and may be those of a layer inside it.

    Returns
    -------
    Report
        As `check_batch_norm`. `num_batches_tracked`, `momentum=None` and
        half precision are not asked for.
    """
    report = judge(BATCH_NORM_LAYER, cls)
    if not report.ok or counts(cls):
        return report
    line = (
        '它没有`num_batches_tracked`：这里不要求；PyTorch的层有，'
        '`momentum=None`时用得着。',
        'It has no `num_batches_tracked`. That is not asked for here; '
        "PyTorch's layer has it, for `momentum=None`.",
    )
    return dataclasses.replace(report, lines=(*report.lines, line))
