"""Running means, simulated and replayed, as pure functions."""

import math
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from d2lmini.replay import Record

BATCHES, JUMP = 200, 100  # the stream's length, and where its mean jumps
LOW, HIGH = 1.0, 3.0  # the true mean before and after


@dataclass
class Filtered:
    """A stream of batch means and its running mean.

    Attributes
    ----------
    truth, means, running : list of float, one a batch
    half_life : float, batches until half of a jump is made up for
    steps_to_half : int, the same as counted after the jump, noise left out
    noise : float, standard deviation of the running mean's noise, measured
    expected_noise : float, the same by the formula
    """

    truth: list[float]
    means: list[float]
    running: list[float]
    half_life: float
    steps_to_half: int
    noise: float
    expected_noise: float


def running(values: list[float], momentum: float) -> list[float]:
    """Return the running mean of a stream, started at 0.

    Parameters
    ----------
    values : list of float
    momentum : float in [0, 1], the weight of the new value
    """
    start = 0.0
    steps = accumulate(
        values, lambda old, new: old + momentum * (new - old), initial=start
    )
    return list(steps)[1:]


def filter_stream(momentum: float, batch_size: int) -> Filtered:
    """Filter a stream of batch means by a running mean.

    Parameters
    ----------
    momentum : float in (0, 1], the weight of the new batch
    batch_size : int, at least 1; examples of standard deviation 1

    Returns
    -------
    Filtered; the noise is the same draw at all values, so that only what
    one moves changes

    Raises
    ------
    ValueError : out of these ranges

    Notes
    -----
    The variance of the running mean is momentum / (2 - momentum) of that of
    a batch mean, which is 1 / batch_size.
    """
    check('momentum', momentum, 0 < momentum <= 1, 'in (0, 1]')
    check('batch_size', batch_size, batch_size >= 1, 'at least 1')
    draw = torch.Generator().manual_seed(5)
    z = torch.randn(10 * BATCHES, generator=draw) / math.sqrt(batch_size)
    truth = [LOW] * JUMP + [HIGH] * (BATCHES - JUMP)
    means = [t + float(e) for t, e in zip(truth, z, strict=False)]
    left = 1 - momentum
    half_life = math.log(0.5) / math.log(left) if left > 0 else 0.0
    noise = running(z.tolist(), momentum)
    # The first half is left out: there the start still weighs in.
    settled = torch.tensor(noise[len(noise) // 2 :])
    share = momentum / (2 - momentum)
    return Filtered(
        truth,
        means,
        running(means, momentum),
        half_life,
        max(1, math.ceil(half_life - 1e-9)),
        float(settled.square().mean().sqrt()),
        math.sqrt(share / batch_size),
    )


@dataclass
class Replayed:
    """A recorded training with another momentum.

    Attributes
    ----------
    step : int, the kept step that is nearest
    accuracy, usual : float, with this momentum and with 0.1
    means, running : list of float (step,)
        Batch means and running means of one channel of the second layer.
    start : float, the share that mean 0 and variance 1 still have
    """

    step: int
    accuracy: float
    usual: float
    means: list[float]
    running: list[float]
    start: float


def replayed(
    record: Record, momentum: float, step: int, X: Tensor, y: Tensor
) -> Replayed:
    """Replay a recorded training with another momentum.

    Parameters
    ----------
    record : Record, of two BN layers or more
    momentum : float in [0, 1], the weight of the new batch
    step : int, in the record; the nearest that was kept is taken
    X, y : test images and labels

    Raises
    ------
    ValueError : `momentum` out of range
    """
    near = min(record.steps, key=lambda kept: abs(kept - step))
    means = record.mean[:near, record.sizes[0]].tolist()
    key = near, len(y)
    if key not in record.usual:
        record.usual[key] = record.accuracy(near, 0.1, X, y)
    return Replayed(
        near,
        record.accuracy(near, momentum, X, y),
        record.usual[key],
        means,
        running(means, momentum),
        (1 - momentum) ** near,
    )


def check(name: str, value: float, fits: bool, rule: str) -> None:
    """Raise where a value breaks a rule.

    Parameters
    ----------
    name, value : what came
    fits : bool, whether it is as the rule says
    rule : str, such as 'above 0'

    Raises
    ------
    ValueError : it does not fit
    """
    if not fits:
        raise ValueError(f'{name} must be {rule}, got {value}')
