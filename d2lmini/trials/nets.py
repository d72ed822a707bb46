"""What lesson 07 trains: images, nets written as words, and the loop.

A hidden block is a line of words, such as 'linear-norm-relu': what stands
there, in that order. So one builder makes every order of the layers.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.data import load_data_fashion_mnist, quick
from d2lmini.train import evaluate_accuracy_gpu

BATCH_SIZE = 128
TRAIN, VALID = 5_000, 2_000  # images to train on, and to choose by
QUICK_VALID = 500
WINDOW = 20  # batches in the mean that is held against a goal
Pair = tuple[Tensor, Tensor]


class Unsteady(nn.Module):
    """Noise after a layer: another mean and scale at every training step.

    A feature's mean lies in +-0.5 size, its scale in 1 to 1 + 0.25 size.
    Source: Santurkar et al. 2018.
    """

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, Y: Tensor) -> Tensor:
        """Return Y (N, C) scaled and shifted in training, else as it is."""
        if not self.training:
            return Y
        C, size = Y.shape[1], self.size
        mean = torch.empty(C).uniform_(-0.5 * size, 0.5 * size)
        std = torch.empty(C).uniform_(1, 1 + 0.25 * size)
        mean = mean + torch.empty_like(Y).uniform_(-0.1, 0.1)
        std = std + 0.1 * torch.randn_like(Y)
        return std * Y + mean


def stacked(
    block: str,
    *widths: int,
    last: str = '',
    p: float = 0.0,
    bias: bool = True,
) -> nn.Sequential:
    """Build a multilayer perceptron whose hidden blocks are given in words.

    `widths` are those of inputs, hidden layers, outputs; `last` is the last
    hidden block where it differs, `p` the share that 'drop' drops, `bias`
    that of the hidden linear layers.
    """
    *sizes, top = pairwise(widths)
    blocks = [block] * len(sizes)
    if last:
        blocks[-1] = last
    net = nn.Sequential(nn.Flatten())
    for words, (wide, width) in zip(blocks, sizes, strict=True):
        makers: dict[str, Callable[[], nn.Module]] = {
            'linear': partial(nn.Linear, wide, width, bias=bias),
            'norm': partial(nn.BatchNorm1d, width),
            'relu': nn.ReLU,
            'sigmoid': nn.Sigmoid,
            'drop': partial(nn.Dropout, p),
            'noise1': partial(Unsteady, 1),
            'noise3': partial(Unsteady, 3),
        }
        for word in words.split('-'):
            if word not in makers:
                names = [*makers]
                raise ValueError(f'a block is made of {names}, got {word!r}')
            net.append(makers[word]())
    net.append(nn.Linear(*top))
    return start(net)


def start(net: nn.Sequential) -> nn.Sequential:
    """Start linear and convolutional weights as the book does; return net."""
    for module in net:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
    return net


def he_start(layers: Iterable[nn.Linear], scale: float = 1.0) -> None:
    """Start weights at the size that keeps ReLU's scale, times `scale`."""
    for layer in layers:
        std = scale * (2 / layer.in_features) ** 0.5
        nn.init.normal_(layer.weight, std=std)
        nn.init.zeros_(layer.bias)


def hidden(net: nn.Sequential) -> list[nn.Linear]:
    """Return the linear layers but the last, from the bottom up."""
    return [layer for layer in net if isinstance(layer, nn.Linear)][:-1]


def trial_images() -> list[Pair]:
    """Return images to train on, to choose by, to test: X in [0, 1] and y.

    The first 5,000 training images, the last 2,000, all test images; in
    quick mode fewer.
    """
    return _images(quick(), os.environ.get('D2LMINI_DATASET', ''))


@lru_cache(maxsize=1)
def _images(few: bool, _: str) -> list[Pair]:
    train, test = load_data_fashion_mnist(BATCH_SIZE)
    valid = QUICK_VALID if few else VALID
    num = min(TRAIN, train.num_examples - valid)
    pairs = (
        (train.images[:num], train.labels[:num]),
        (train.images[-valid:], train.labels[-valid:]),
        (test.images, test.labels),
    )
    return [(X.unsqueeze(1).float().div_(255), y.long()) for X, y in pairs]


def sgd(net: nn.Sequential, lr: float, decay: float = 0.0) -> torch.optim.SGD:
    """Return plain SGD with weight decay on the hidden weights alone.

    Each of those is a group of its own, from the bottom up; the rest is the
    last one. What is frozen gets no gradient and stays.
    """
    weights = [layer.weight for layer in hidden(net)]
    others = [p for p in net.parameters() if not any(p is w for w in weights)]
    groups: list[dict[str, Any]] = [
        {'params': [weight], 'weight_decay': decay} for weight in weights
    ]
    return torch.optim.SGD([*groups, {'params': others}], lr=lr)


def batch_losses(
    net: nn.Module,
    data: Pair,
    optimizer: torch.optim.Optimizer,
    batch_size: int = BATCH_SIZE,
) -> Iterator[float]:
    """Train without end, a batch at a time, and yield the loss of each.

    Each epoch has a new order and leaves out what fills no batch; a loss
    that is no longer finite ends the training.
    """
    X, y = data
    if len(X) < batch_size:
        raise ValueError(f'need {batch_size} examples a batch, got {len(X)}')
    while True:
        net.train()
        order = torch.split(torch.randperm(len(X)), batch_size)
        for index in order[: len(X) // batch_size]:
            loss: Any = cross_entropy(net(X[index]), y[index])
            if not loss.isfinite():
                return
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()


def steps_to_goal(losses: list[float], goal: float) -> float:
    """Return the steps until 20 losses have a mean of `goal` or less."""
    total = 0.0
    for step, loss in enumerate(losses, 1):
        total += loss - (losses[step - 1 - WINDOW] if step > WINDOW else 0)
        if step >= WINDOW and total / WINDOW <= goal:
            return float(step)
    return math.inf  # never


def accuracy_on(net: nn.Module, data: Pair) -> float:
    """Return the accuracy of a net in evaluation mode, its mode kept."""
    parts = zip(*(torch.split(each, 1000) for each in data), strict=True)
    return evaluate_accuracy_gpu(net, [*parts])
