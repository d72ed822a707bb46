"""Running means: the pure functions, and the sliders over them."""

import functools
import math
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from d2lmini.explore.replay import Record, check, remember, share_right, split
from d2lmini.explore.slide import Caption, Slide
from d2lmini.explore.slider import Slider
from d2lmini.show.plots import Moving, lines

BATCHES, JUMP = 200, 100  # the stream's length, and where its mean jumps
LOW, HIGH = 1.0, 3.0  # the true mean before and after
WINDOW = 150  # steps drawn of a record
DRAWS: list[float] = torch.randn(
    10 * BATCHES, generator=torch.Generator().manual_seed(5)
).tolist()


@dataclass
class Filtered:
    """A stream of batch means and its running mean; lists have one a batch."""

    truth: list[float]
    means: list[float]
    running: list[float]
    half_life: float  # batches until half of a jump is absorbed
    steps_to_half: int  # the same as counted after the jump, noise left out
    noise: float  # of the running mean of a longer stream that never jumps
    expected_noise: float  # the same by the formula


def running(values: list[float], momentum: float) -> list[float]:
    """Return the running mean of a stream, started at 0."""
    steps = accumulate(
        values, lambda old, new: old + momentum * (new - old), initial=0.0
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
    z = [one / math.sqrt(batch_size) for one in DRAWS]
    truth = [LOW] * JUMP + [HIGH] * (BATCHES - JUMP)
    means = [t + e for t, e in zip(truth, z, strict=False)]
    left = 1 - momentum
    half_life = math.log(0.5) / math.log(left) if left > 0 else 0.0
    # The first half is left out: there the start still weighs in.
    settled = torch.tensor(running(z, momentum)[len(z) // 2 :])
    return Filtered(
        truth,
        means,
        running(means, momentum),
        half_life,
        max(1, math.ceil(half_life - 1e-9)),
        float(settled.square().mean().sqrt()),
        math.sqrt(momentum / (2 - momentum) / batch_size),
    )


@dataclass
class Replayed:
    """A recorded training with another momentum."""

    step: int  # the kept step that is nearest
    accuracy: float
    means: list[float]  # (step,), of one channel of the second layer
    running: list[float]  # the same of its running mean
    start: float  # the share that mean 0 and variance 1 still have


def replayed(
    record: Record, momentum: float, step: int, X: Tensor, y: Tensor
) -> Replayed:
    """Replay a record of an nn.Sequential with two BN layers or more."""
    near = min(record.steps, key=lambda kept: abs(kept - step))
    net, Z = split(record, near, X)
    remember(net, *record.averages(near, momentum))
    means = record.mean[:near, record.sizes[0]].tolist()
    return Replayed(
        near,
        share_right(net, Z, y),
        means,
        running(means, momentum),
        (1 - momentum) ** near,
    )


def running_mean() -> Slide:
    """Explore the running mean as a filter of a stream of batch means.

    Returns
    -------
    Slide of `momentum` and `batch_size`; numbers by `filter_stream`
    """
    truth = [LOW, LOW, HIGH, HIGH]  # a step, not a slope
    canvas = Moving(
        lines(
            {'batch mean': None, 'running mean': None, 'true mean': truth},
            at=[1, JUMP + 0.5, JUMP + 0.5, BATCHES],
            dots={'batch mean': 2.5},
            x='batches seen',
            y='mean of the feature',
            xlim=(0, BATCHES),
            ylim=(-1, 5),
        )
    )

    def frame(momentum: float, batch_size: int) -> Caption:
        seen = filter_stream(momentum, batch_size)
        canvas.set('batch mean', seen.means)
        canvas.set('running mean', seen.running)
        other = 1 - momentum
        zh = (
            f'横轴：看过的批数；纵轴：这个特征的均值。momentum={momentum:g}（PyTorch的写法）'
            f'就是{other:g}（Keras、Flax、讲义的写法）。'
            f'半衰期{seen.half_life:.1f}批：跳变之后第{seen.steps_to_half}批'
            f'追回一半。噪声（标准差）：移动平均{seen.noise:.3f}'
            f'（公式{seen.expected_noise:.3f}），'
            f'单个小批量的均值{batch_size**-0.5:.3f}（公式）。'
        )
        en = (
            "Across: batches seen; up: the feature's mean. "
            f'momentum={momentum:g} (as PyTorch writes it) is {other:g} '
            'as Keras, Flax and the lecture write it. '
            f'Half-life {seen.half_life:.1f} batches: half of the jump has '
            f'been absorbed by batch {seen.steps_to_half} after it. Noise '
            f'(standard deviation): running mean {seen.noise:.3f} (by the '
            f'formula {seen.expected_noise:.3f}), one batch mean, by formula, '
            f'{batch_size**-0.5:.3f}.'
        )
        return zh, en

    return Slide(
        canvas,
        frame,
        'Batch means as dots around a true mean that jumps from 1 to 3 at '
        'batch 100; the running mean follows as a line, smoother and late',
        momentum=Slider(0.1, 1e-3, 1, 0.05, log=True),
        batch_size=Slider(16, 1, 256),
    )


def any_momentum(record: Record, X: Tensor, y: Tensor, every: int) -> Slide:
    """Explore the accuracy that a recorded training would have had.

    Parameters
    ----------
    record : Record
    X, y : test images and labels
    every : int, steps between two that were kept

    Returns
    -------
    Slide of `momentum` and `step`; numbers by `replayed`
    """
    last = len(record.mean) // every * every
    kept = range(every, last + 1, every)

    @functools.cache
    def usual(step: int) -> float:
        return share_right(record.copy(step, 0.1), X, y)

    means = record.mean[:, record.sizes[0]]  # as in `replayed`
    ends = torch.cat([means, torch.zeros(1)]).aminmax()  # it starts at 0
    canvas = Moving(
        lines(
            {'momentum 0.1': [*map(usual, kept)], 'your choice': None},
            at=kept,
            dots={'your choice': 7},
            x='training step',
            y=f'accuracy, {len(y)} test images',
            ylim=(0, 1),
        ),
        lines(
            {'batch mean': None, 'running mean': None},
            dots={'batch mean': 2.5},
            x='steps before the chosen one',
            y='mean of channel 0 of conv 2',
            xlim=(-WINDOW, 0),
            ylim=[1.05 * float(end) for end in ends],
        ),
    )

    def frame(momentum: float, step: int) -> Caption:
        seen = replayed(record, momentum, step, X, y)
        canvas.set('your choice', [seen.step], [seen.accuracy])
        shown = min(WINDOW, seen.step)
        before = range(1 - shown, 1)
        canvas.set('batch mean', before, seen.means[-shown:], panel=1)
        canvas.set('running mean', before, seen.running[-shown:], panel=1)
        plain = usual(seen.step)
        zh = (
            '左图：精度随步数的变化，线是momentum=0.1，方块是你选的。右图：选中的那一步之前，'
            'conv 2第0个通道的小批量均值（点）和移动平均（点线）。'
            f'第{seen.step}步，momentum={momentum:g}：'
            f'{len(y)}张测试图上的精度是<b>{seen.accuracy:.3f}</b>'
            f'（momentum=0.1时{plain:.3f}）。起点的均值0和方差1'
            f'还占{seen.start:.1%}。'
        )
        en = (
            'Left: accuracy by step, a square for your choice. Right: batch '
            'means (dots) and running mean (dotted line) of channel 0 of conv '
            '2 up to the chosen step. '
            f'Step {seen.step}, momentum={momentum:g}: accuracy '
            f'<b>{seen.accuracy:.3f}</b> on {len(y)} test images '
            f'({plain:.3f} with momentum=0.1). The start, mean 0 and '
            f'variance 1, still has a share of {seen.start:.1%}.'
        )
        return zh, en

    return Slide(
        canvas,
        frame,
        'Left: test accuracy over the training with momentum 0.1 as a '
        'line, and a square for the chosen momentum and step; right: the '
        'batch means of one channel and their running mean',
        momentum=Slider(0.1, 1e-4, 1, 0.1, log=True),
        step=Slider(last, every, last, every),
    )
