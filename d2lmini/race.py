"""A race of two nets, with and without batch norm, told step by step."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.models import mlp, torch_norm

WIDTH = 100
TOLD = 40  # points in a race
Data = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass
class Point:
    """How far the two are; the net with batch norm comes first.

    Attributes
    ----------
    images : int, training images seen by each
    loss : pair of float, means since the point before; nan from where a
        loss was no longer finite, and that net stands still
    accuracy : pair of float in [0, 1], on the test images
    """

    images: int
    loss: tuple[float, float]
    accuracy: tuple[float, float]


def race(
    data: Data,
    *,
    lr: float,
    batch_size: int,
    momentum: float,
    eps: float,
    depth: int,
    passes: int = 4,
    seed: int = 0,
) -> Iterator[Point]:
    """Train two nets from the same start on the same batches.

    Parameters
    ----------
    data : X, y, X_test, y_test; images (N, ...) of 784 numbers
    lr : float, above 0
    batch_size : int, 2 to the number of training images
    momentum : float in [0, 1], the weight of the new batch
    eps : float, above 0
    depth : int, at least 1, hidden layers of 100 sigmoid units
    passes : int, over the training images
    seed : int

    Returns
    -------
    iterator of Point, 40 at most; the values are checked at once

    Raises
    ------
    ValueError : out of these ranges

    Notes
    -----
    It takes its random numbers from generators of its own, so that it can
    run beside other work without changing it. The last batch of a pass is
    left out where it is smaller.
    """
    rules = {
        'lr': (lr, 0 < lr < math.inf, 'above 0'),
        'batch_size': (
            batch_size, 2 <= batch_size <= len(data[0]),
            f'in [2, {len(data[0])}]',
        ),
        'momentum': (momentum, 0 <= momentum <= 1, 'in [0, 1]'),
        'eps': (eps, 0 < eps < math.inf, 'above 0'),
        'depth': (depth, depth >= 1, 'at least 1'),
    }  # fmt: skip
    for name, (value, fits, rule) in rules.items():
        if not fits:
            raise ValueError(f'{name} must be {rule}, got {value}')
    with torch.random.fork_rng(devices=[]):  # the caller's stay as they are
        norm = partial(torch_norm, momentum=momentum, eps=eps)
        nets = [
            _started(mlp(784, *[WIDTH] * depth, 10, norm=kind), seed)
            for kind in (norm, None)
        ]
    return _run(data, nets, lr, batch_size, passes, seed)


def told(point: Point, i: int, zh: bool) -> str:
    """Say how far one of the nets has come, as HTML.

    Parameters
    ----------
    point : Point
    i : int, 0 for the net with batch norm, 1 for the one without
    zh : bool, in Chinese or in English
    """
    loss, accuracy = point.loss[i], point.accuracy[i]
    if math.isnan(loss):
        if zh:
            return '发散了，损失不再是有限的数'
        return 'it diverged: its loss is no longer finite'
    if zh:
        return f'损失<b>{loss:.3f}</b>，测试精度<b>{accuracy:.3f}</b>'
    return f'loss <b>{loss:.3f}</b>, test accuracy <b>{accuracy:.3f}</b>'


def _started(net: nn.Sequential, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def _run(
    data: Data,
    nets: list[nn.Sequential],
    lr: float,
    batch_size: int,
    passes: int,
    seed: int,
) -> Iterator[Point]:
    X, y, X_test, y_test = data
    order = torch.Generator().manual_seed(seed)
    per_pass = len(X) // batch_size
    steps = passes * per_pass
    tell = {math.ceil(steps * (k + 1) / TOLD) for k in range(TOLD)}
    fit = [True, True]
    losses: list[list[float]] = [[], []]
    for step in range(steps):
        if step % per_pass == 0:
            shuffled = torch.randperm(len(X), generator=order)
        first = step % per_pass * batch_size
        index = shuffled[first : first + batch_size]
        for i, net in enumerate(nets):
            if fit[i]:
                loss = _step(net, X[index], y[index], lr)
                fit[i] = math.isfinite(loss)
                losses[i].append(loss)
        if step + 1 in tell:
            yield Point(
                (step + 1) * batch_size,
                _pair(map(_mean, losses, fit)),
                _pair(_accuracy(net, X_test, y_test) for net in nets),
            )
            losses = [[], []]


def _mean(losses: list[float], fit: bool) -> float:
    return sum(losses) / len(losses) if fit else math.nan


def _pair(values: Iterable[float]) -> tuple[float, float]:
    first, second = values
    return first, second


def _step(net: nn.Module, X: Tensor, y: Tensor, lr: float) -> float:
    """Take a step of SGD and return the loss before it.

    Where that is not finite the step is not taken.
    """
    net.train()
    loss = cross_entropy(net(X), y)
    value = loss.item()
    if math.isfinite(value):
        parameters = list(net.parameters())
        slopes = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes, strict=True):
                parameter.sub_(lr * slope)
    return value


def _accuracy(net: nn.Module, X: Tensor, y: Tensor) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(X).argmax(dim=1) == y).float().mean())
