"""Record a training once; replay it with any momentum.

In training mode the running averages are written and never read, so that
momentum changes nothing in the weights. One record of the batch statistics
therefore serves every momentum.
"""

import copy
from collections.abc import Container
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.data import quick
from d2lmini.history import History
from d2lmini.train import Batches, Lines, evaluate_accuracy_gpu, fit, watching

Stats = tuple[Tensor, Tensor]
PIECE = 500  # images: a thousand at once take twice the time


class Record:
    """The batch statistics of a training, and some of its weights.

    Parameters
    ----------
    net : nn.Module with torch's BN layers, on the CPU; copied

    Attributes
    ----------
    net : nn.Module, in evaluation mode, as `at` last set it
    layers : list of its BN layers, in order
    """

    def __init__(self, net: nn.Module) -> None:
        self.net = copy.deepcopy(net).eval()
        self.layers = bn_layers(self.net)
        if not self.layers:
            raise ValueError(
                'a record needs a net with nn.BatchNorm1d or 2d in it: build '
                'it as in lenet(torch_norm)'
            )
        self._rows: list[Stats] = []
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._loaded = 0
        self._stacked: Stats | None = None

    @property
    def steps(self) -> list[int]:
        """The steps whose weights were kept, counted from 1."""
        return list(self._kept)

    @property
    def mean(self) -> Tensor:
        """The batch means (steps, C), all layers' channels side by side."""
        return self._stack()[0]

    @property
    def sizes(self) -> list[int]:
        """The number of channels of each layer."""
        return [layer.num_features for layer in self.layers]

    def add(self, net: nn.Module, keep: Container[int]) -> None:
        """Add a step: what the layers of momentum 1 remember is its batch."""
        layers = bn_layers(net)
        mean = torch.cat([layer.running_mean for layer in layers])
        var = torch.cat([layer.running_var for layer in layers])
        self._rows.append((mean, var))
        if len(self._rows) in keep:
            state = net.state_dict()
            self._kept[len(self._rows)] = {
                name: value.clone() for name, value in state.items()
            }

    def averages(self, step: int, momentum: float) -> Stats:
        """Return the running averages that this momentum would have.

        Parameters
        ----------
        step : int, 1 to the last, steps taken
        momentum : float in [0, 1], the weight of the new batch

        Returns
        -------
        mean, var : Tensor (C,)

        Raises
        ------
        ValueError : out of these ranges

        Notes
        -----
        After t steps a batch that came k steps ago has the weight
        momentum * (1 - momentum)**k, and the start, mean 0 and variance 1,
        has (1 - momentum)**t.
        """
        n = len(self._rows)
        check('momentum', momentum, 0 <= momentum <= 1, 'in [0, 1]')
        check('step', step, 1 <= step <= n, f'in [1, {n}]')
        ages = torch.arange(step - 1, -1, -1, dtype=torch.float64)
        left = 1.0 - momentum
        mean, var = (stat[:step] for stat in self._stack())
        weights = (momentum * left**ages).to(mean.dtype)  # (step,)
        return weights @ mean, weights @ var + left**step

    def at(self, step: int, momentum: float) -> nn.Module:
        """Return the net as it stood after a step, in evaluation mode.

        Parameters
        ----------
        step : int, one of `steps`
        momentum : float in [0, 1], of its running averages

        Raises
        ------
        KeyError : the weights of this step were not kept
        ValueError : as in `averages`
        """
        if step not in self._kept:
            raise KeyError(
                f'no weights were kept at step {step}: take one of '
                f'{self.steps}'
            )
        if step != self._loaded:
            self.net.load_state_dict(self._kept[step])
            self._loaded = step
        mean_var = self.averages(step, momentum)
        split = [torch.split(stat, self.sizes) for stat in mean_var]
        for layer, mean, var in zip(self.layers, *split, strict=True):
            layer.running_mean.copy_(mean)
            layer.running_var.copy_(var)
        return self.net

    def copy(self, step: int, momentum: float) -> Any:
        """Return a copy of `at(step, momentum)`, which no replay changes."""
        return copy.deepcopy(self.at(step, momentum))

    def accuracy(
        self, step: int, momentum: float, X: Tensor, y: Tensor
    ) -> float:
        """Return the accuracy on images that this training would have had."""
        return share_right(self.at(step, momentum), X, y)

    def _stack(self) -> Stats:
        if self._stacked is None or len(self._stacked[0]) < len(self._rows):
            means, variances = zip(*self._rows, strict=True)
            self._stacked = torch.stack(means), torch.stack(variances)
        return self._stacked


def bn_layers(net: nn.Module) -> list[Any]:
    """Return torch's BN layers in a net, in order."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return [layer for layer in net.modules() if isinstance(layer, kinds)]


@dataclass
class _Recorder(Lines):
    """A watcher that records each batch and lets another one watch too."""

    record: Record
    net: nn.Module
    keep: Container[int]
    other: Lines

    def batch(self, history: History) -> None:
        """Record the batch."""
        self.record.add(self.net, self.keep)
        self.other.batch(history)

    def epoch(self, history: History) -> None:
        """Pass it on."""
        self.other.epoch(history)


def record(
    net: nn.Module,
    train_iter: Batches,
    test_iter: Batches,
    num_epochs: int,
    lr: float,
    keep: Container[int],
) -> tuple[Record, History]:
    """Train as `train_ch6` does and record every batch's statistics.

    Parameters
    ----------
    net : nn.Module with torch's BN layers, on the CPU, weights started
    train_iter, test_iter, num_epochs, lr : as in `train_ch6`
    keep : steps whose weights are kept, counted from 1

    Returns
    -------
    Record, and the History of the training

    Notes
    -----
    While it trains the momentum is 1: the layers remember the last batch
    alone and so hand out its statistics. The history's test accuracy is
    that of momentum 1.
    """
    for layer in bn_layers(net):
        layer.momentum = 1.0
    batches: Any = train_iter
    name = getattr(train_iter, 'dataset_name', 'data')
    history = History(num_epochs, len(batches), name)
    tape = Record(net)
    with closing(watching(history, not quick())) as other:
        recorder = _Recorder(tape, net, keep, other)
        fit(net, train_iter, test_iter, lr, 'cpu', history, recorder)
    return tape, history


def share_right(net: nn.Module, X: Tensor, y: Tensor) -> float:
    """Return the share of images that a net gets right in evaluation mode."""
    pieces = zip(torch.split(X, PIECE), torch.split(y, PIECE), strict=True)
    return evaluate_accuracy_gpu(net, pieces)


def check(name: str, value: float, fits: bool, rule: str) -> None:
    """Raise a ValueError unless it fits: momentum must be above 0, got -1."""
    if not fits:
        raise ValueError(f'{name} must be {rule}, got {value}')
