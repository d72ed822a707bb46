"""What lesson 07 trains: images, nets written as words, and the loop.

A hidden block is a line of words, such as 'linear-norm-relu': what stands
there, in that order. So one builder makes every order of the layers.
"""

import functools
import os
from collections.abc import Callable, Iterator
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

    Parameters
    ----------
    size : float
        The mean of a feature lies in +-0.5 size, its scale in
        1 to 1 + 0.25 size.

    Notes
    -----
    Source: Santurkar et al. 2018; shown, under another name, in notebook 01.
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

    Parameters
    ----------
    block : str, words joined by '-', as in 'linear-norm-relu'
    *widths : int, at least two: inputs, hidden widths, outputs
    last : str, the last hidden block where it differs from the others
    p : float in [0, 1), the share that 'drop' drops
    bias : bool, of the hidden linear layers; the last layer has one

    Returns
    -------
    nn.Sequential, (N, ...) -> (N, widths[-1]), weights by Xavier, uniform

    Raises
    ------
    ValueError : a word names no layer
    """
    sizes = list(pairwise(widths[:-1]))
    blocks = [block] * (len(sizes) - 1) + [last or block] * bool(sizes)
    net = nn.Sequential(nn.Flatten())
    for words, (wide, width) in zip(blocks, sizes, strict=True):
        for word in words.split('-'):
            net.append(_layer(word, wide, width, p, bias))
    net.append(nn.Linear(widths[-2], widths[-1]))
    return start(net)


def _layer(
    word: str, wide: int, width: int, p: float, bias: bool
) -> nn.Module:
    makers: dict[str, Callable[[], nn.Module]] = {
        'linear': lambda: nn.Linear(wide, width, bias=bias),
        'norm': lambda: nn.BatchNorm1d(width),
        'relu': nn.ReLU,
        'sigmoid': nn.Sigmoid,
        'drop': lambda: nn.Dropout(p),
        'noise1': lambda: Unsteady(1),
        'noise3': lambda: Unsteady(3),
    }
    if word not in makers:
        raise ValueError(f'a block is made of {[*makers]}, got {word!r}')
    return makers[word]()


def start(net: nn.Sequential) -> nn.Sequential:
    """Start linear and convolutional weights as the book does; return net."""
    for module in net:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
    return net


def hidden(net: nn.Sequential) -> list[nn.Linear]:
    """Return the linear layers but the last, from the bottom up."""
    return [layer for layer in net if isinstance(layer, nn.Linear)][:-1]


def trial_images() -> tuple[Pair, Pair, Pair]:
    """Return the images of the trials: to train on, to choose by, to test.

    Returns
    -------
    three pairs of X float32 (N, 1, 28, 28) in [0, 1] and y int64 (N,): the
    first 5,000 training images, the last 2,000 of them, all test images;
    in quick mode fewer
    """
    return _images(quick(), os.environ.get('D2LMINI_DATASET', ''))


@functools.lru_cache(maxsize=1)
def _images(few: bool, _: str) -> tuple[Pair, Pair, Pair]:
    train, test = load_data_fashion_mnist(BATCH_SIZE)
    valid = QUICK_VALID if few else VALID
    num = min(TRAIN, train.num_examples - valid)
    return (
        _floats(train.images[:num], train.labels[:num]),
        _floats(train.images[-valid:], train.labels[-valid:]),
        _floats(test.images, test.labels),
    )


def _floats(X: Tensor, y: Tensor) -> Pair:
    return X.unsqueeze(1).float().div_(255), y.long()


def batch_losses(
    net: nn.Module,
    data: Pair,
    optimizer: torch.optim.Optimizer,
    batch_size: int = BATCH_SIZE,
) -> Iterator[float]:
    """Train without end, a batch at a time, and yield the loss of each.

    Parameters
    ----------
    net : nn.Module, (N, ...) -> (N, classes); put into training mode
    data : X (N, ...) and y (N,), in a new order each epoch
    optimizer : over the parameters that are to be trained
    batch_size : int; what is left over in an epoch is left out

    Yields
    ------
    float; a loss that is no longer finite ends the training

    Raises
    ------
    ValueError : fewer examples than a batch
    """
    X, y = data
    if len(X) < batch_size:
        raise ValueError(f'need {batch_size} examples a batch, got {len(X)}')
    while True:
        net.train()
        order = torch.randperm(len(X))
        for i in range(len(X) // batch_size):
            index = order[i * batch_size : (i + 1) * batch_size]
            loss: Any = cross_entropy(net(X[index]), y[index])
            if not loss.isfinite():
                return
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()


def steps_to_goal(losses: list[float], goal: float) -> float:
    """Return after how many steps the mean of 20 losses is at most `goal`.

    Infinite where that never happens.
    """
    total = 0.0
    for step, loss in enumerate(losses, 1):
        total += loss - (losses[step - 1 - WINDOW] if step > WINDOW else 0)
        if step >= WINDOW and total / WINDOW <= goal:
            return float(step)
    return float('inf')


def accuracy_on(net: nn.Module, data: Pair) -> float:
    """Return the accuracy of a net in evaluation mode, its mode kept."""
    X, y = data
    parts = [slice(i, i + 1000) for i in range(0, len(X), 1000)]
    return evaluate_accuracy_gpu(net, [(X[i], y[i]) for i in parts])
