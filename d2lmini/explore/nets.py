"""A trained net under another eps, and among random images: with sliders."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from d2lmini.explore.averages import Caption, check, log_slider, moving_line
from d2lmini.explore.replay import Record, bn_layers
from d2lmini.explore.slide import Slide
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, new_figure
from d2lmini.train import share_right


@dataclass
class Gained:
    """What eps does to a trained net.

    Attributes
    ----------
    sigma, gain : list of Tensor (C,), one a layer
        Running standard deviations; the factor sigma / sqrt(sigma^2 + eps)
        by which a standardized output is too small.
    accuracy : float
    constant : float
        By how much a channel of variance `tiny` is multiplied,
        1 / sqrt(tiny + eps).
    half : float, the same computed in float16
    half_eps : float, what float16 makes of eps
    """

    sigma: list[Tensor]
    gain: list[Tensor]
    accuracy: float
    constant: float
    half: float
    half_eps: float


def eps_gain(
    eps: float, net: nn.Module, X: Tensor, y: Tensor, tiny: float = 1e-8
) -> Gained:
    """Evaluate a trained net with another eps.

    Parameters
    ----------
    eps : float, above 0
    net : nn.Module with torch's BN layers, in evaluation mode; its own eps
        is set back afterwards
    X, y : images and labels
    tiny : float, the variance of a nearly constant channel

    Raises
    ------
    ValueError : eps not above 0
    """
    check('eps', eps, 0 < eps < math.inf, 'above 0')
    layers = bn_layers(net)
    kept = [layer.eps for layer in layers]
    variances = [layer.running_var.clone() for layer in layers]
    try:
        for layer in layers:
            layer.eps = eps
        right = share_right(net, X, y)
    finally:
        for layer, own in zip(layers, kept, strict=True):
            layer.eps = own
    var16, eps16 = torch.tensor([tiny, eps]).half()
    return Gained(
        [var.sqrt() for var in variances],
        [(var / (var + eps)).sqrt() for var in variances],
        right,
        1 / math.sqrt(tiny + eps),
        float((var16 + eps16).float().rsqrt().half()),
        float(eps16),
    )


@dataclass
class Shaken:
    """One image's output in many random batches.

    Attributes
    ----------
    outputs : Tensor (batches,), of one feature, before gamma and beta
    std : float, the root mean square of all features' standard deviations
    flips : int, batches in which another class wins than with the
        statistics of all images
    """

    outputs: Tensor
    std: float
    flips: int


class Noise:
    """One image in many random batches, at the last BN layer of a net.

    The layers below use their running averages, so that only this layer's
    batch statistics shake.

    Parameters
    ----------
    net : nn.Sequential whose last BN layer has the rest of it behind it
    X : images (N, ...) to draw the company from; the first is the image
    batches : int, how many random batches
    largest : int, the largest batch
    """

    def __init__(
        self, net: nn.Sequential, X: Tensor, batches: int = 200,
        largest: int = 256,
    ) -> None:  # fmt: skip
        place = [*net].index(bn_layers(net)[-1])
        with torch.no_grad():
            features = net.eval()[:place](X)
        self._layer, self._rest = bn_layers(net)[-1], net[place + 1 :]
        self._image, self._pool = features[:1], features[1:]
        var, center = torch.var_mean(self._pool, dim=0, correction=0)
        self._calm = (self._image - center) / torch.sqrt(var + self._layer.eps)
        draw = torch.Generator().manual_seed(0)
        self._order = torch.randint(
            len(self._pool), (batches, largest - 1), generator=draw
        )
        self.batches, self.largest = batches, largest

    def shake(self, batch_size: int, feature: int = 0) -> Shaken:
        """Put the image into random batches of a size.

        Parameters
        ----------
        batch_size : int, 2 to `largest`
        feature : int, the one whose outputs are returned

        Raises
        ------
        ValueError : another batch size
        """
        fits = 2 <= batch_size <= self.largest
        check('batch_size', batch_size, fits, f'in [2, {self.largest}]')
        layer = self._layer
        with torch.no_grad():
            others = self._pool[self._order[:, : batch_size - 1]]
            # Sums instead of a joined copy; centred, they lose no digits.
            others = others - self._image  # (batches, n - 1, C)
            mean = others.sum(dim=1) / batch_size
            square = others.square_().sum(dim=1) / batch_size
            var = square - mean.square()
            x_hat = -mean / torch.sqrt(var + layer.eps)  # (batches, C)
            y_hat = self._rest(layer.weight * x_hat + layer.bias)
            calm = self._rest(layer.weight * self._calm + layer.bias)
        std = x_hat.std(dim=0).square().mean().sqrt()
        flips = int((y_hat.argmax(dim=1) != calm.argmax(dim=1)).sum())
        return Shaken(x_hat[:, feature], float(std), flips)


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
