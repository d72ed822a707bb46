"""A trained net under another eps, and among random images: with sliders."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from d2lmini.explore.replay import Record, bn_layers, check, share_right
from d2lmini.explore.slide import Caption, Slide
from d2lmini.explore.slider import Slider
from d2lmini.show.plots import Moving, groups, lines, points

LARGEST = 256  # the largest random batch


@dataclass
class WithEps:
    """What eps does to a trained net; lists have a Tensor (C,) a layer."""

    sigma: list[Tensor]  # running standard deviations
    after: list[Tensor]  # sigma / sqrt(sigma^2 + eps): 1 where eps is 0
    accuracy: float


def with_eps(eps: float, net: nn.Module, X: Tensor, y: Tensor) -> WithEps:
    """Evaluate a trained net with another eps.

    Parameters
    ----------
    eps : float, above 0
    net : nn.Module with torch's BN layers, in evaluation mode; its own eps
        is set back afterwards
    X, y : images and labels

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
    return WithEps(
        [var.sqrt() for var in variances],
        [(var / (var + eps)).sqrt() for var in variances],
        right,
    )


@dataclass
class Shaken:
    """One image in many random batches: what the last BN layer makes of it.

    Outputs are those before gamma and beta.
    """

    outputs: Tensor  # (batches,), of one feature
    std: float  # the root mean square of all features' standard deviations
    flips: int  # batches in which another class wins than among all images


class Noise:
    """One image in many random batches, at the last BN layer of a net.

    The layers below use their running averages, so that only this layer's
    batch statistics shake.

    Parameters
    ----------
    net : nn.Sequential whose last BN layer has the rest of it behind it
    X : images (N, ...) to draw the batches from; the first is the image
    batches : int, how many random batches
    """

    def __init__(
        self, net: nn.Sequential, X: Tensor, batches: int = 200
    ) -> None:
        place = [*net].index(bn_layers(net)[-1])
        with torch.no_grad():
            features = net.eval()[:place](X)
        self._layer, self._rest = bn_layers(net)[-1], net[place + 1 :]
        self._image, self._pool = features[:1], features[1:]
        var, center = torch.var_mean(self._pool, dim=0, correction=0)
        self._calm = (self._image - center) / torch.sqrt(var + self._layer.eps)
        draw = torch.Generator().manual_seed(0)
        self._order = torch.randint(
            len(self._pool), (batches, LARGEST - 1), generator=draw
        )
        self.batches = batches

    def shake(self, batch_size: int, feature: int = 0) -> Shaken:
        """Put the image into random batches of a size.

        Parameters
        ----------
        batch_size : int, 2 to 256
        feature : int, the one whose outputs are returned

        Raises
        ------
        ValueError : another batch size
        """
        fits = 2 <= batch_size <= LARGEST
        check('batch_size', batch_size, fits, f'in [2, {LARGEST}]')
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


def eps(record: Record, step: int, X: Tensor, y: Tensor) -> Slide:
    """Explore a trained net with another eps.

    Parameters
    ----------
    record : Record
    step : int, the one whose net is taken
    X, y : test images and labels

    Returns
    -------
    Slide of `eps`; numbers by `with_eps`
    """
    whole = record.copy(step, 0.1)
    with torch.no_grad():  # no eps in the first convolution: once is enough
        X, net = whole[0](X), whole[1:]

    @functools.cache
    def seen_at(eps: float) -> WithEps:
        return with_eps(eps, net, X, y)

    own = Slider(0.1, 1e-10, 10, 0.25, log=True)  # there they lie apart
    names = ('conv 1', 'conv 2', 'linear 1', 'linear 2')
    usual = [seen_at(place).accuracy for place in own.places]
    canvas = Moving(
        groups(
            dict.fromkeys(names),
            rows=True,
            x='standard deviation after the norm, each channel',
            xlim=(-0.03, 1.06),
        ),
        lines(
            {'every eps': usual, 'your choice': None},
            at=own.places,
            dots={'your choice': 7},
            log='x',
            x='eps',
            y='test accuracy',
            ylim=(0, 1),
        ),
    )

    def frame(eps: float) -> Caption:
        seen = seen_at(eps)
        for name, std in zip(names, seen.after, strict=True):
            canvas.set(name, std)
        canvas.set('your choice', [eps], [seen.accuracy], panel=1)
        lows = ', '.join(
            f'{name} {float(std.min()):.3f}'
            for name, std in zip(names, seen.after, strict=True)
        )
        zh = (
            '左图：每个通道归一化之后的标准差，一行一层；右图：精度随eps的变化。'
            f'eps={eps:g}：{len(y)}张测试图上的精度是'
            f'<b>{seen.accuracy:.3f}</b>。各层最小的标准差：'
            f'{lows.replace(", ", "，")}。'
        )
        en = (
            'Left: the standard deviation of each channel after the norm, a '
            'row per layer; right: accuracy by eps. '
            f'eps={eps:g}: accuracy <b>{seen.accuracy:.3f}</b> on '
            f'{len(y)} test images. Smallest of each layer: {lows}.'
        )
        return zh, en

    return Slide(
        canvas,
        frame,
        'Left: the standard deviation of each channel after the norm, a row a '
        'layer; right: test accuracy against eps, a square at the chosen one',
        eps=own,
    )


def noise(shaker: Noise) -> Slide:
    """Explore how one image's output depends on the rest of its batch.

    Parameters
    ----------
    shaker : Noise

    Returns
    -------
    Slide of `batch_size`; numbers by `Noise.shake`
    """
    sizes = [2**k for k in range(1, 9)]
    stds = [shaker.shake(size).std for size in sizes]
    slope = [stds[4] * (size / sizes[4]) ** -0.5 for size in sizes]
    canvas = Moving(
        lines(
            {'this batch size': None},
            dots={'this batch size': 2.5},
            x='random batch',
            y='feature 0 of one image',
            xlim=(0, shaker.batches),
            ylim=(-3, 3),
        ),
        points(
            {'this batch size': None, 'each size': stds, 'slope -1/2': slope},
            at=sizes,
            dots={'this batch size': 7},
            log='xy',
            x='batch size',
            y='standard deviation',
        ),
    )

    def frame(batch_size: int) -> Caption:
        seen = shaker.shake(batch_size)
        canvas.set('this batch size', seen.outputs.clamp(-3, 3))
        canvas.set('this batch size', [batch_size], [seen.std], panel=1)
        scaled = seen.std * batch_size**0.5
        zh = (
            '左图：同一张图在最后一个批量归一化层的输出，第0个特征，一点一个小批量；右图：'
            f'标准差随批量大小的变化。批量大小{batch_size}：标准差（对这一层的全部特征取均方根）是'
            f'<b>{seen.std:.3f}</b>，乘上批量大小的平方根是{scaled:.2f}。'
            f'{shaker.batches}个随机小批量中，判成别的类的有{seen.flips}个。'
        )
        en = (
            'Left: feature 0 of one image normalized by the last batch norm '
            'layer, one dot per batch; right: standard deviation by size. '
            f'Batch size {batch_size}: the standard deviation (root mean '
            f'square over all features of the layer) is <b>{seen.std:.3f}'
            f'</b>; times the square root of the batch size, {scaled:.2f}. '
            f'In {seen.flips} of {shaker.batches} random batches the image '
            'gets another class.'
        )
        return zh, en

    return Slide(
        canvas,
        frame,
        'Left: one image has another output in each of many random batches; '
        'right: the standard deviation falls with the batch size along a '
        'line of slope -1/2',
        batch_size=Slider(16, 2, LARGEST),
    )
