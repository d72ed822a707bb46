"""Training as the book does it, faster, and told as it happens."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from numbers import Integral, Real
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from d2lmini.book import accuracy
from d2lmini.data import quick
from d2lmini.dataset.heap import give_back
from d2lmini.device import try_gpu
from d2lmini.history import History
from d2lmini.show.figure import COLORS, training_figure
from d2lmini.show.lang import tr
from d2lmini.show.live import Live, curve
from d2lmini.show.notebook import in_notebook

QUICK_EPOCHS = 2

ANEW = 'must give batches anew in each epoch, as a list or a DataLoader does'

Batches = Iterable[tuple[Any, Tensor]]
Device = torch.device | str


class Lines:
    """What a training calls back: here a plain line an epoch."""

    def batch(self, history: History) -> None:
        """See the history after a batch: a line would be too many."""

    def close(self) -> None:
        """Come to an end."""

    def epoch(self, history: History) -> None:
        """See the history after an epoch and its test: print its numbers."""
        print(
            f'epoch {len(history.loss)}/{history.num_epochs}: '
            f'{history.last_numbers()}, {history.seconds[-1]:.1f} s',
            flush=True,
        )


class Picture(Lines):
    """The picture of a training, redrawn now and then; see `watching`."""

    def __init__(self, history: History, moving: bool = True) -> None:
        fig, left, right = training_figure(history.num_epochs)
        left.set_ylim(0, 2.6)  # a blind guess among ten has a loss of 2.30
        right.set_ylim(0, 1.03)
        self._history, self._loss_axes = history, left
        self._each = curve(left, '-', color='0.55', label='batch')
        self._curves = {
            'loss': curve(left, 'o-', color=COLORS[0], label='epoch mean'),
            'train_acc': curve(right, 's--', color=COLORS[1], label='train'),
            'test_acc': curve(right, 'o-', color=COLORS[2], label='test'),
        }
        self._start = perf_counter()
        curves = [self._each, *self._curves.values()]
        status = f'{history.dataset_name}: starting'
        self.live = Live(fig, curves, self._update, status, moving)

    def batch(self, history: History) -> None:
        """Redraw, if it is time to."""
        self.live.tick()

    def epoch(self, history: History) -> None:
        """Wait for the next batch: a frame there shows the epoch too."""

    def close(self) -> None:
        """Leave a still picture with alt text where the moving one was."""
        told = f'{self._history.dataset_name}: {self._history.summary()}'
        self.live.close(f'Loss and accuracy by epoch on {told}')

    def _update(self, last: bool) -> str:
        history = self._history
        n, each = history.num_batches, history.batch_loss
        self._each.set_data([(i + 1) / n for i in range(len(each))], each)
        epochs = range(1, len(history.loss) + 1)
        for name, line in self._curves.items():
            line.set_data(epochs, getattr(history, name))
        highest = max(each, default=0.0)
        if highest > self._loss_axes.get_ylim()[1]:  # by whole steps
            self._loss_axes.set_ylim(0, 1.2 * highest)
        status = history.summary() if last else self._progress()
        return f'{history.dataset_name}: {status}'

    def _progress(self) -> str:
        done, num_epochs = self._history.epochs_done, self._history.num_epochs
        left = (perf_counter() - self._start) / done * (num_epochs - done)
        short = f'{left:.0f} s' if left < 100 else f'{left / 60:.0f} min'
        epoch = min(int(done) + 1, num_epochs)
        return f'epoch {epoch} of {num_epochs}, about {short} left'


def watching(history: History, moving: bool = True) -> Lines:
    """Return a live picture in a notebook, a line an epoch elsewhere."""
    return Picture(history, moving) if in_notebook() else Lines()


def evaluate_accuracy_gpu(
    net: Callable[[Any], Tensor],
    data_iter: Batches,
    device: Device | None = None,
) -> float:
    """Return the share of examples that `net` gets right.

    返回`net`答对的样本比例，在评估模式下测。

    Source: the book's helper of this name.

    Parameters
    ----------
    net : module or function, (N, ...) -> (N, classes)
        A module is measured in evaluation mode; it and each module in it are
        left in the mode they had.
    data_iter : batches of X (N, ...) and y (N,); X may be a list of tensors
    device : torch.device or str
        By default that of the module's first parameter; with a function the
        batches stay where they are.

    Returns
    -------
    float in [0, 1]; an output that is not finite counts as wrong, and a
    line says how many are

    Raises
    ------
    ValueError : no batches, no such device, or predictions that do not go
        with y
    """
    device = None if device is None else _found(device)
    if not isinstance(net, nn.Module):
        return _accuracy(net, data_iter, device)
    if device is None:
        device = next(net.parameters(), torch.empty(0)).device
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        return _accuracy(net, data_iter, device)
    finally:
        for module, training in modes.items():
            module.training = training


def _accuracy(
    net: Callable[[Any], Tensor], data_iter: Batches, device: Device | None
) -> float:
    right, seen, lost = 0.0, 0, 0
    with torch.no_grad():
        for X, y in _moved(data_iter, device):
            y = y.to(device)
            if isinstance(X, list | tuple):
                y_hat = net([x.to(device) for x in X])
            else:
                y_hat = net(X.to(device))
            hits, finite = accuracy(y_hat, y), y_hat.isfinite()
            if not finite.all():  # there argmax gives a class all the same
                good = finite if y_hat.ndim == y.ndim else finite.all(dim=1)
                hits = accuracy(y_hat, y.where(good, -1))
                lost += int((~good).sum())
            right += hits
            seen += y.numel()
    if not seen:
        raise ValueError('data_iter must give at least one batch, got none')
    if lost:
        print(
            tr(
                f'注意：{seen}个输出里有{lost}个是nan或无穷大，按答错算。',
                f'Note: {lost} of {seen} outputs are nan or infinite and '
                'count as wrong.',
            )
        )
    return right / seen


def train_ch6(
    net: nn.Module,
    train_iter: Batches,
    test_iter: Batches,
    num_epochs: int,
    lr: float,
    device: Device | None = None,
    *,
    init: bool = True,
) -> History:
    """Train with plain SGD and cross-entropy, as the book's chapter 6 does.

    用普通的SGD和交叉熵训练，和书里第6章一样。

    Source: the book's helper of this name; shown in notebooks 03 and 04.

    Parameters
    ----------
    net : nn.Module, (N, ...) -> (N, classes); left in evaluation mode
    train_iter, test_iter : batches of X (N, ...) and y (N,)
        Gone through anew in each epoch; `train_iter` has a length.
    num_epochs : int, at least 1; in quick mode two at most
    lr : float, at least 0, the learning rate
    device : torch.device or str; by default `try_gpu()`
    init : bool
        Start linear and convolutional weights anew (Xavier, uniform), as the
        book does; lazy layers get theirs from a first batch. False goes on
        from the weights that the net has.

    Returns
    -------
    History
        Whole or not: an interrupt, or a loss that is no longer finite, ends
        the training with a sentence and returns what there is. The step of
        such a loss is not taken: the weights are those that gave it.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, and nothing is touched yet. Any error that
        comes later holds the history so far: `error.history`.
    """
    _check_numbers(num_epochs, lr)
    device = try_gpu() if device is None else _found(device)
    num_batches = _num_batches(train_iter)
    _check_net(net)
    _check_iter('train_iter', train_iter, num_epochs)
    _check_iter('test_iter', test_iter, num_epochs)
    if quick() and num_epochs > QUICK_EPOCHS:
        num_epochs = n = QUICK_EPOCHS
        print(tr(f'快速模式：只训练{n}轮。', f'Quick mode: only {n} epochs.'))
    history = History(
        num_epochs,
        num_batches,
        getattr(train_iter, 'dataset_name', 'data'),
        str(device),
    )
    print('training on', device)
    try:
        if init:
            _init(net, train_iter, device)
        net.to(device)
        with closing(watching(history, not quick())) as watcher:
            fit(net, train_iter, test_iter, lr, device, history, watcher)
    except KeyboardInterrupt:  # while the picture was made or finished
        net.eval()
        if not history.stopped_at:
            history.stop()
    except Exception as e:
        e.history = history  # type: ignore[attr-defined]
        raise
    print(history.report())
    return history


def fit(
    net: nn.Module,
    train_iter: Batches,
    test_iter: Batches,
    lr: float,
    device: Device,
    history: History,
    watcher: Lines,
) -> None:
    """Train for `history.num_epochs` epochs and fill `history` on the way.

    `net` is on `device`; it is left in evaluation mode, without gradients.
    """
    train_iter = _moved(train_iter, device)
    test_iter = _moved(test_iter, device)
    try:
        for epoch in range(1, history.num_epochs + 1):
            batches = _batches('train_iter', train_iter, epoch)
            numbers = _epoch(net, batches, lr, device, history, watcher)
            if numbers is None:
                history.stop(diverged=True)
                break
            batches = _batches('test_iter', test_iter, epoch)
            test_acc = evaluate_accuracy_gpu(net, batches, device)
            history.add_epoch(*numbers, test_acc)
            watcher.epoch(history)
    except KeyboardInterrupt:
        history.stop()
    finally:
        net.zero_grad()
        net.eval()
        give_back()


def _epoch(
    net: nn.Module,
    train_iter: Batches,
    lr: float,
    device: Device,
    history: History,
    watcher: Lines,
) -> tuple[int, float, float, float] | None:
    """Train an epoch; return its examples, seconds, mean loss and accuracy.

    None where the loss stops being finite.
    """
    net.train()
    cross_entropy = nn.CrossEntropyLoss()
    seen, seconds, total, right = 0, 0.0, 0.0, 0.0
    start = perf_counter()
    for X, y in train_iter:
        X, y = X.to(device), y.to(device)
        y_hat = net(X)
        hits = accuracy(y_hat, y)  # first: it names shapes that don't fit
        loss = cross_entropy(y_hat, y)
        value = loss.item()
        if not math.isfinite(value):
            return None
        right += hits
        net.zero_grad()
        loss.backward()
        sgd_step(net, lr)
        seen += len(y)
        total += value * len(y)
        history.batch_loss.append(value)
        seconds += perf_counter() - start
        watcher.batch(history)  # its time is not the training's
        start = perf_counter()
    return seen, seconds, total / seen, right / seen


def sgd_step(net: nn.Module, lr: float) -> None:
    """Take a step of SGD; `torch.optim` would load torch's compiler, 80 MB."""
    with torch.no_grad():
        for value in net.parameters():
            if value.grad is not None:
                value.add_(value.grad, alpha=-lr)


def _batches(name: str, data_iter: Batches, epoch: int) -> Iterator[Any]:
    """Give an epoch its batches, of which there must be some."""
    batch = None
    for batch in data_iter:
        yield batch
    if batch is None:
        raise ValueError(f'{name} {ANEW}; got none in epoch {epoch}')


def _check_net(net: Any) -> None:
    if not isinstance(net, nn.Module) or not [*net.parameters()]:
        raise TypeError(
            f'net must be an nn.Module with weights, got {type(net).__name__}'
        )


def _check_iter(name: str, data_iter: Any, num_epochs: int) -> None:
    once = hasattr(data_iter, '__next__') and num_epochs > 1
    can = hasattr(data_iter, '__iter__') or hasattr(data_iter, '__getitem__')
    if once or not can:
        raise TypeError(f'{name} {ANEW}; got {type(data_iter).__name__}')


def _check_numbers(num_epochs: Any, lr: Any) -> None:
    whole = isinstance(num_epochs, Integral) and num_epochs is not True
    if not whole or num_epochs < 1:
        raise ValueError(
            'num_epochs, which stands before lr, must be an int of at least '
            f'1, got {num_epochs!r}'
        )
    number = isinstance(lr, Real) and not isinstance(lr, bool)
    if not number or not 0 <= lr < math.inf:
        raise ValueError(f'lr must be a number of at least 0, got {lr!r}')


def _found(device: Any) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (TypeError, RuntimeError, AssertionError) as e:
        known = isinstance(device, str | torch.device)
        got = repr(str(device)) if known else type(device).__name__
        raise ValueError(
            'device must be one that this machine has, such as try_gpu() '
            f"or 'cpu', got {got}"
        ) from e


def _init(net: nn.Module, train_iter: Batches, device: Device) -> None:
    """Start the weights anew; lazy layers first see what comes in."""
    if any(map(is_lazy, net.parameters())):
        net.to(device).eval()
        with torch.no_grad():
            for X, _ in train_iter:
                net(X.to(device))
                break
    net.apply(_xavier)


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)


def _moved(data_iter: Batches, device: Device | None) -> Batches:
    """Move the whole set to `device` where the iterator knows how to."""
    move: Callable[..., Batches] | None = getattr(data_iter, 'to', None)
    return move(device) if move else data_iter


def _num_batches(train_iter: Any) -> int:
    try:
        if num_batches := len(train_iter):
            return num_batches
        raise ValueError('train_iter must have batches, got none')
    except TypeError as e:
        raise TypeError(
            'train_iter must have a length, as a list or a DataLoader has, '
            f'got {type(train_iter).__name__}'
        ) from e
