"""Record a training once; replay it with any momentum.

In training mode the running averages are written and never read, so that
momentum changes nothing in the weights. One record of the batch statistics
therefore serves every momentum.
"""

import copy
from collections.abc import Container, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.data import quick
from d2lmini.history import History
from d2lmini.show.lang import tr
from d2lmini.show.stop import stoppable
from d2lmini.train import Batches, Lines, evaluate_accuracy_gpu, fit, watching

Stats = tuple[Tensor, Tensor]
PIECE = 1000  # images: fewer at once take a little longer


class Record:
    """The batch statistics of a training, and some of its weights.

    Parameters
    ----------
    net : nn.Module with torch's BN layers, on the CPU, before training; copied

    Attributes
    ----------
    steps : list of int, those whose weights were kept, counted from 1
    mean, var : Tensor (steps, C), of each minibatch, all layers' channels
        side by side; the variance is divided by n - 1
    lengths : Tensor (steps,), how far each step moved the parameters
    sizes : list of int, the number of channels of each layer
    stopped : bool, whether the training ended before its time
    """

    stopped = False

    def __init__(self, net: nn.Module) -> None:
        self._net = copy.deepcopy(net).eval()
        layers = bn_layers(net)
        if not layers:
            raise ValueError(
                'a record needs a net with nn.BatchNorm1d or 2d in it: build '
                'it as in lenet(torch_norm)'
            )
        self.sizes: list[int] = [layer.num_features for layer in layers]
        self._step = 0
        # One growing piece of memory: thousands of small ones, each between
        # two of a training's large ones, keep gigabytes from being reused.
        self._place = _place(net)
        self._rows = self._place.new_empty(64, 2 * sum(self.sizes) + 1)
        self._kept: dict[int, dict[str, Tensor]] = {}

    @property
    def steps(self) -> list[int]:
        """The steps whose weights were kept, counted from 1."""
        return list(self._kept)

    @property
    def mean(self) -> Tensor:
        """The batch means (steps, C)."""
        return self._rows[: self._step, : sum(self.sizes)]

    @property
    def var(self) -> Tensor:
        """The batch variances (steps, C)."""
        return self._rows[: self._step, sum(self.sizes) : -1]

    @property
    def lengths(self) -> Tensor:
        """The norms (steps,) of the parameters' changes."""
        return self._rows[: self._step, -1]

    def add(
        self, net: nn.Module, keep: Container[int], longer: float = inf
    ) -> None:
        """Add a step: what the layers of momentum 1 remember is its batch."""
        place = _place(net)
        length = (place - self._place).norm()
        self._place = place
        if self._step == len(self._rows):
            self._rows = torch.cat([self._rows, torch.empty_like(self._rows)])
        self._rows[self._step] = torch.cat([*statistics(net), length[None]])
        self._step += 1
        if self._step in keep or length > longer:
            state = net.state_dict()
            self._kept[self._step] = {
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
        n = self._step
        check('momentum', momentum, 0 <= momentum <= 1, 'in [0, 1]')
        check('step', step, 1 <= step <= n, f'in [1, {n}]')
        ages = torch.arange(step - 1, -1, -1, dtype=torch.float64)
        left = 1.0 - momentum
        mean, var = self.mean[:step], self.var[:step]
        weights = (momentum * left**ages).to(mean.dtype)  # (step,)
        return weights @ mean, weights @ var + left**step

    def at(self, step: int, mean: Tensor, var: Tensor) -> Any:
        """Return a new net: the weights after a step, and these averages.

        Parameters
        ----------
        step : int, one of `steps`; the last one stands for all later ones
            where the record was `stopped`
        mean, var : Tensor (C,), of all layers side by side, as `averages`
            returns them

        Returns
        -------
        nn.Module, in evaluation mode

        Raises
        ------
        KeyError : the weights of this step were not kept
        """
        step = self._known(step)
        if step not in self._kept:
            raise KeyError(
                f'no weights kept at step {step}: take one of {self.steps}'
            )
        net = copy.deepcopy(self._net)
        net.load_state_dict(self._kept[step])
        remember(net, mean, var)
        return net

    def copy(self, step: int, momentum: float) -> Any:
        """Return `at` with the running averages of a momentum."""
        step = self._known(step)
        return self.at(step, *self.averages(step, momentum))

    def _known(self, step: int) -> int:
        """Return a step, or the last kept one if it was not reached."""
        last = max(self._kept, default=step)
        return min(step, last) if self.stopped else step


def bn_layers(net: nn.Module) -> list[Any]:
    """Return torch's BN layers in a net, in order."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return [layer for layer in net.modules() if isinstance(layer, kinds)]


def statistics(net: nn.Module) -> Stats:
    """Return the running averages (C,) of all its layers side by side."""
    layers = bn_layers(net)
    mean = torch.cat([layer.running_mean for layer in layers])
    return mean, torch.cat([layer.running_var for layer in layers])


@lru_cache(1)  # 14 MB for 1,000 images
def split(record: Record, step: int, X: Tensor) -> tuple[Any, Tensor]:
    """Return the net from its first norm on, and what comes in there.

    Computed once for a step; its averages are the caller's to `remember`.
    """
    net = record.copy(step, 1.0)
    i = next(i for i, part in enumerate(net) if bn_layers(part))
    with torch.no_grad():  # in this format pooling takes half the time
        return net[i:], net[:i](X).to(memory_format=torch.channels_last)


def remember(net: nn.Module, mean: Tensor, var: Tensor) -> None:
    """Set the running averages (C,) of all its layers side by side."""
    layers = bn_layers(net)
    sizes = [layer.num_features for layer in layers]
    stats = [torch.split(stat, sizes) for stat in (mean, var)]
    for layer, *own in zip(layers, *stats, strict=True):
        layer.running_mean.copy_(own[0])
        layer.running_var.copy_(own[1])


def _place(net: nn.Module) -> Tensor:
    """Return all parameters in one vector."""
    return torch.cat([value.detach().flatten() for value in net.parameters()])


@dataclass
class _Recorder(Lines):
    """A watcher that records each batch and lets another one watch too."""

    record: Record
    net: nn.Module
    keep: Container[int]
    longer: float
    other: Lines
    stretches: Iterator[int]  # from one step that is kept to the next

    def batch(self, history: History) -> None:
        """Record the batch; end where an interrupt was noted on the way."""
        self.record.add(self.net, self.keep, self.longer)
        self.other.batch(history)
        if len(self.record.mean) in self.keep and not next(self.stretches, 0):
            raise KeyboardInterrupt

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
    longer: float = inf,
) -> tuple[Record, History]:
    """Train as `train_ch6` does and record every batch's statistics.

    Parameters
    ----------
    net : nn.Module with torch's BN layers, on the CPU, weights started
    train_iter, test_iter, num_epochs, lr : as in `train_ch6`
    keep : steps whose weights are kept, counted from 1
    longer : float, they are kept also where a step is longer than this

    Returns
    -------
    Record, and the History of the training; an interrupt ends both at the
    next step whose weights are kept

    Notes
    -----
    While it trains the momentum is 1: the layers remember the last batch
    alone and so hand out its statistics. The history's test accuracy is
    that of momentum 1.
    """
    tape = Record(net)  # its nets keep their own momentum
    for layer in bn_layers(net):
        layer.momentum = 1.0
    batches: Any = train_iter
    name = getattr(train_iter, 'dataset_name', 'data')
    history = History(num_epochs, len(batches), name)
    with (
        closing(stoppable(count(1))) as stretches,
        closing(watching(history, not quick())) as other,
    ):
        next(stretches)
        recorder = _Recorder(tape, net, keep, longer, other, stretches)
        fit(net, train_iter, test_iter, lr, 'cpu', history, recorder)
    if history.stopped_at:
        tape.stopped, n = True, max(tape.steps, default=0)
        zh = f'记录到第{n}步为止；下面更晚的步，都用第{n}步。'
        en = f'The record ends at step {n}, which stands for all later ones.'
        print(tr(zh, en))
    return tape, history


def share_right(net: nn.Module, X: Tensor, y: Tensor) -> float:
    """Return the share of images that a net gets right in evaluation mode."""
    pieces = zip(torch.split(X, PIECE), torch.split(y, PIECE), strict=True)
    return evaluate_accuracy_gpu(net, pieces)


def check(name: str, value: float, fits: bool, rule: str) -> None:
    """Raise a ValueError unless it fits: momentum must be above 0, got -1."""
    if not fits:
        raise ValueError(f'{name} must be {rule}, got {value}')
