"""Running means: the pure functions, and the sliders over them."""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from d2lmini.explore.replay import Record
from d2lmini.explore.slide import Slide
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

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


WINDOW = 150  # steps drawn of a record
Caption = tuple[str, str]


def moving_line(
    ax: 'Axes', look: str, color: str, label: str = ''
) -> 'Line2D':
    """Return an empty line above all that stands still.

    Parameters
    ----------
    ax : Axes
    look, color, label : str, as in `Axes.plot`
    """
    return ax.plot([], [], look, color=color, label=label, ms=4, zorder=3)[0]


def log_slider(value: float, least: int, most: int, step: float) -> Any:
    """Return a slider of powers of ten.

    Parameters
    ----------
    value : float, where it starts
    least, most, step : exponents
    """
    import ipywidgets

    return ipywidgets.FloatLogSlider(value, min=least, max=most, step=step)


def running_mean() -> Slide:
    """Explore the running mean as a filter of a stream of batch means.

    Returns
    -------
    Slide of `momentum` and `batch_size`; numbers by `filter_stream`
    """
    import ipywidgets

    fig, (ax,) = new_figure(width=7, height=2.6)
    numbers = range(1, BATCHES + 1)
    dots = moving_line(ax, '.', '0.6', 'batch mean')
    track = moving_line(ax, '-', COLORS[0], 'running mean')
    ax.plot(
        numbers, filter_stream(0.1, 1).truth, 'k:', lw=1, label='true mean'
    )
    ax.set(xlim=(0, BATCHES), ylim=(-1, 5))
    ax.set_xlabel('batches seen', fontsize=9)
    dots.set_data([0], [9])  # the legend is placed once: say where
    ax.legend(fontsize=8, frameon=False, loc='upper left', ncols=3)

    def frame(momentum: float, batch_size: int) -> Caption:
        seen = filter_stream(momentum, batch_size)
        dots.set_data(numbers, seen.means)
        track.set_data(numbers, seen.running)
        other = 1 - momentum
        zh = (
            f'momentum={momentum:.3g}（PyTorch的写法）和{other:.3g}'
            '（Keras、MindSpore、讲义的写法）是同一件事。'
            f'半衰期{seen.half_life:.1f}批：跳变之后第{seen.steps_to_half}批'
            f'追回一半。移动平均的噪声{seen.noise:.3f}'
            f'（公式{seen.expected_noise:.3f}），'
            f'单个小批量的均值是{batch_size**-0.5:.3f}。'
        )
        en = (
            f'momentum={momentum:.3g} (as PyTorch writes it) and '
            f'{other:.3g} (Keras, MindSpore, the lecture) are one thing. '
            f'Half-life {seen.half_life:.1f} batches: half of the jump is '
            f'made up for by batch {seen.steps_to_half} after it. Noise of '
            f'the running mean {seen.noise:.3f} (by the formula '
            f'{seen.expected_noise:.3f}), of one batch mean '
            f'{batch_size**-0.5:.3f}.'
        )
        return zh, en

    return Slide(
        Canvas(fig, [dots, track]),
        frame,
        'Batch means as dots around a true mean that jumps from 1 to 3 at '
        'batch 100; the running mean follows as a line, smoother and late',
        momentum=log_slider(0.1, -3, 0, 0.05),
        batch_size=ipywidgets.IntSlider(16, 1, 256),
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
    import ipywidgets

    fig, (left, right) = new_figure(1, 2, width=7.4, height=2.6)
    last = len(record.mean) // every * every
    kept = [step for step in range(every, last + 1, every)]
    usual = [record.accuracy(step, 0.1, X, y) for step in kept]
    left.plot(kept, usual, '-', color='0.6', lw=1, label='momentum 0.1')
    dot = moving_line(left, 'o', COLORS[1], 'this momentum')
    left.set(xlim=(0, 1.03 * last), ylim=(0, 1))
    left.set_xlabel('training step', fontsize=9)
    left.set_title('test accuracy', fontsize=9, loc='left')
    left.legend(fontsize=8, frameon=False, loc='lower right')
    channel = record.sizes[0]  # the first of the second layer
    means = record.mean[:, channel]
    dots = moving_line(right, '.', '0.6', 'batch mean')
    track = moving_line(right, '-', COLORS[0], 'running mean')
    low = min(0.0, float(means.min()))  # with 0, where it starts
    high = max(0.0, float(means.max()))
    edge = 0.05 * (high - low)
    right.set(xlim=(-WINDOW, 0), ylim=(low - edge, high + edge))
    right.set_xlabel('steps before this one', fontsize=9)
    right.set_title('one channel of conv 2', fontsize=9, loc='left')

    def frame(momentum: float, step: int) -> Caption:
        seen = replayed(record, momentum, step, X, y)
        dot.set_data([seen.step], [seen.accuracy])
        shown = min(WINDOW, seen.step)
        before = range(1 - shown, 1)
        dots.set_data(before, seen.means[-shown:])
        track.set_data(before, seen.running[-shown:])
        zh = (
            f'第{seen.step}步，momentum={momentum:.3g}：'
            f'{len(y)}张测试图上的精度是<b>{seen.accuracy:.3f}</b>'
            f'（momentum=0.1时{seen.usual:.3f}）。起点的均值0和方差1'
            f'还占{seen.start:.1%}。'
        )
        en = (
            f'Step {seen.step}, momentum={momentum:.3g}: accuracy '
            f'<b>{seen.accuracy:.3f}</b> on {len(y)} test images '
            f'({seen.usual:.3f} with momentum=0.1). The start, mean 0 and '
            f'variance 1, still has a share of {seen.start:.1%}.'
        )
        return zh, en

    return Slide(
        Canvas(fig, [dot, dots, track]),
        frame,
        'Left: test accuracy over the training with momentum 0.1 as a grey '
        'line, and a dot for the chosen momentum and step; right: the batch '
        'means of one channel and their running mean',
        momentum=log_slider(0.1, -4, 0, 0.1),
        step=ipywidgets.IntSlider(last, every, last, every),
    )
