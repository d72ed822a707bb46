"""A trained net under another eps, and in random company."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from d2lmini.accuracy import share_right
from d2lmini.lab_numbers import check
from d2lmini.replay import bn_layers


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
