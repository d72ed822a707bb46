"""Explorers of a trained net: its eps, and an image in random company."""

import functools
import math

import torch
from torch import Tensor

from d2lmini.canvas import Canvas
from d2lmini.explore import Caption, log_slider, moving_line
from d2lmini.figure import COLORS, new_figure
from d2lmini.lab_nets import Gained, Noise, eps_gain
from d2lmini.replay import Record
from d2lmini.slide import Slide

MARKS = ('o', 's', '^', 'D')


def eps(record: Record, step: int, X: Tensor, y: Tensor) -> Slide:
    """Explore a trained net with another eps.

    Parameters
    ----------
    record : Record
    step : int, the one whose net is taken
    X, y : test images and labels

    Returns
    -------
    Slide of `eps`; numbers by `eps_gain`
    """
    whole = record.copy(step, 0.1)
    with torch.no_grad():  # no eps in the first convolution: once is enough
        X, net = whole[0](X), whole[1:]
    fig, (left, right) = new_figure(1, 2, width=7.4, height=2.6)
    names = ('conv 1', 'conv 2', 'linear 1', 'linear 2')
    lines = [
        moving_line(left, MARKS[i], COLORS[i], name)
        for i, name in enumerate(names)
    ]

    @functools.cache
    def gained(power: float) -> Gained:
        return eps_gain(10**power, net, X, y)

    powers = [k / 4 for k in range(-40, 5)]  # the slider's: computed once
    usual = [gained(power).accuracy for power in powers]
    right.plot([10**power for power in powers], usual, '-', color='0.6', lw=1)
    dot = moving_line(right, 'o', COLORS[1])
    left.set(xscale='log', xlim=(0.03, 30), ylim=(-0.03, 1.06))
    left.set_xlabel('running standard deviation of a channel', fontsize=9)
    left.set_title('gain', fontsize=9, loc='left')
    left.legend(fontsize=8, frameon=False, loc='lower right')
    right.set(xscale='log', ylim=(0, 1))
    right.set_xlabel('eps', fontsize=9)
    right.set_title('test accuracy', fontsize=9, loc='left')

    def frame(eps: float) -> Caption:
        # The browser's powers of ten differ from ours in the last digits.
        seen = gained(round(math.log10(eps), 9))
        for line, sigma, gain in zip(
            lines, seen.sigma, seen.gain, strict=True
        ):
            line.set_data(sigma, gain)
        dot.set_data([eps], [seen.accuracy])
        lows = '、'.join(f'{float(gain.min()):.3f}' for gain in seen.gain)
        zh = (
            f'eps={eps:.2g}：{len(y)}张测试图上的精度是'
            f'<b>{seen.accuracy:.3f}</b>。各层最小的增益，从底到顶：{lows}。'
            f'方差1e-8、几乎不变的通道要乘上{seen.constant:.4g}；'
            f'用float16算是{seen.half:.4g}（eps成了{seen.half_eps:.2g}）。'
        )
        en = (
            f'eps={eps:.2g}: accuracy <b>{seen.accuracy:.3f}</b> on '
            f'{len(y)} test images. Smallest gain of each layer, bottom to '
            f'top: {lows.replace("、", ", ")}. A nearly constant channel, of '
            f'variance 1e-8, is multiplied by {seen.constant:.4g}; computed '
            f'in float16, by {seen.half:.4g} (eps becomes '
            f'{seen.half_eps:.2g}).'
        )
        return zh, en

    return Slide(
        Canvas(fig, [*lines, dot]),
        frame,
        'Left: the gain of each channel against its standard deviation, a '
        'mark a layer; right: test accuracy against eps, with a dot at the '
        'chosen one',
        eps=log_slider(1e-5, -10, 1, 0.25),
    )


def noise(shaker: Noise) -> Slide:
    """Explore how one image's output shakes with its company.

    Parameters
    ----------
    shaker : Noise

    Returns
    -------
    Slide of `batch_size`; numbers by `Noise.shake`
    """
    import ipywidgets

    fig, (left, right) = new_figure(1, 2, width=7.4, height=2.6)
    sizes = [2**k for k in range(1, 9)]
    stds = [shaker.shake(size).std for size in sizes]
    dots = moving_line(left, '.', COLORS[0])
    right.loglog(sizes, stds, 'o-', color='0.6', ms=3, lw=1, label='measured')
    slope = [stds[4] * (size / sizes[4]) ** -0.5 for size in sizes]
    right.loglog(sizes, slope, 'k:', lw=1, label='slope -1/2')
    dot = moving_line(right, 'o', COLORS[1])
    left.set(xlim=(0, shaker.batches), ylim=(-3, 3))
    left.set_xlabel('random batch', fontsize=9)
    left.set_title('one feature of one image', fontsize=9, loc='left')
    right.set_xlabel('batch size', fontsize=9)
    right.set_title('standard deviation', fontsize=9, loc='left')
    right.legend(fontsize=8, frameon=False)

    def frame(batch_size: int) -> Caption:
        seen = shaker.shake(batch_size)
        outputs = seen.outputs.clamp(-3, 3)
        dots.set_data(range(len(outputs)), outputs)
        dot.set_data([batch_size], [seen.std])
        scaled = seen.std * batch_size**0.5
        zh = (
            f'批量大小{batch_size}：同一张图的输出，标准差是'
            f'<b>{seen.std:.3f}</b>；乘上批量大小的平方根是{scaled:.2f}。'
            f'{shaker.batches}个随机小批量里，有{seen.flips}个判成了别的类。'
        )
        en = (
            f'Batch size {batch_size}: the same image has an output with a '
            f'standard deviation of <b>{seen.std:.3f}</b>; times the root of '
            f'the batch size, {scaled:.2f}. Of {shaker.batches} random '
            f'batches, {seen.flips} give it another class.'
        )
        return zh, en

    return Slide(
        Canvas(fig, [dots, dot]),
        frame,
        'Left: one image has another output in each of many random batches; '
        'right: the standard deviation falls with the batch size along a '
        'line of slope -1/2',
        batch_size=ipywidgets.IntSlider(16, 2, shaker.largest),
    )
