"""Training as the book does it, faster, and told as it happens."""

import math
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.data import quick
from d2lmini.history import History
from d2lmini.show.lang import tr
from d2lmini.show.live import Watcher, watching

QUICK_EPOCHS = 2

Batches = Iterable[tuple[Any, Tensor]]
Device = torch.device | str


def evaluate_accuracy_gpu(
    net: Callable[[Any], Tensor],
    data_iter: Batches,
    device: Device | None = None,
) -> float:
    """Return the share of examples that `net` gets right.

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
    float in [0, 1]

    Raises
    ------
    ValueError : no batches

    Notes
    -----
    Source: the book's helper of this name.
    """
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
    net: Callable[[Any], Tensor],
    data_iter: Batches,
    device: Device | None,
) -> float:
    right, seen = 0, 0
    with torch.no_grad():
        for X, y in _moved(data_iter, device):
            y = y.to(device)
            if isinstance(X, list | tuple):
                y_hat = net([x.to(device) for x in X])
            else:
                y_hat = net(X.to(device))
            right += int((y_hat.argmax(dim=1) == y).sum())
            seen += y.numel()
    if not seen:
        raise ValueError('data_iter must give at least one batch, got none')
    return right / seen


def train_ch6(
    net: nn.Module,
    train_iter: Batches,
    test_iter: Batches,
    num_epochs: int,
    lr: float,
    device: Device,
    *,
    init: bool = True,
) -> History:
    """Train with plain SGD and cross-entropy, as the book's chapter 6 does.

    Parameters
    ----------
    net : nn.Module, (N, ...) -> (N, classes); left in evaluation mode
    train_iter, test_iter : batches of X (N, ...) and y (N,)
        Gone through anew in each epoch; `train_iter` has a length.
    num_epochs : int, at least 1; in quick mode two at most
    lr : float, the learning rate
    device : torch.device or str
    init : bool
        Start linear and convolutional weights anew (Xavier, uniform), as the
        book does; False goes on from the weights that the net has.

    Returns
    -------
    History
        Whole or not: an interrupt, or a loss that is no longer finite, ends
        the training with a sentence and returns what there is. The step of
        such a loss is not taken: the weights are those that gave it.

    Raises
    ------
    TypeError : `train_iter` has no length
    ValueError : `num_epochs` below 1, or an epoch without batches

    Notes
    -----
    Source: the book's helper of this name; shown in notebooks 03 and 04.
    """
    if num_epochs < 1:
        raise ValueError(f'num_epochs must be at least 1, got {num_epochs}')
    if quick() and num_epochs > QUICK_EPOCHS:
        num_epochs = n = QUICK_EPOCHS
        print(tr(f'快速模式：只训练{n}轮。', f'Quick mode: only {n} epochs.'))
    history = History(
        num_epochs,
        _num_batches(train_iter),
        getattr(train_iter, 'dataset_name', 'data'),
        str(device),
    )
    print('training on', device)
    if init:
        net.apply(_xavier)
    net.to(device)
    try:
        with watching(history, not quick()) as watcher:
            fit(net, train_iter, test_iter, lr, device, history, watcher)
    except KeyboardInterrupt:  # while the picture was made or finished
        net.eval()
        if not history.stopped_at:
            history.stop()
    print(history.report())
    return history


def fit(
    net: nn.Module,
    train_iter: Batches,
    test_iter: Batches,
    lr: float,
    device: Device,
    history: History,
    watcher: Watcher,
) -> None:
    """Train for `history.num_epochs` epochs and fill `history` on the way.

    Parameters
    ----------
    net : nn.Module, on `device`; left in evaluation mode, without gradients
    train_iter, test_iter : as in `train_ch6`
    lr : float, the learning rate
    device : torch.device or str
    history : History, an empty one
    watcher : Watcher, called back after each batch and each epoch
    """
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    train_iter = _moved(train_iter, device)
    test_iter = _moved(test_iter, device)
    try:
        for _ in range(history.num_epochs):
            args = net, train_iter, optimizer, device, history, watcher
            numbers = _epoch(*args)
            if numbers is None:
                history.stop(diverged=True)
                break
            test_acc = evaluate_accuracy_gpu(net, test_iter, device)
            history.add_epoch(*numbers, test_acc)
            watcher.epoch(history)
    except KeyboardInterrupt:
        history.stop()
    finally:
        optimizer.zero_grad()
        net.eval()


def _epoch(
    net: nn.Module,
    train_iter: Batches,
    optimizer: torch.optim.Optimizer,
    device: Device,
    history: History,
    watcher: Watcher,
) -> tuple[int, float, float, float] | None:
    """Train an epoch; return its examples, seconds, mean loss and accuracy.

    Return None where the loss stops being finite.
    """
    net.train()
    cross_entropy = nn.CrossEntropyLoss()
    seen, seconds, total = 0, 0.0, 0.0
    right = torch.zeros((), dtype=torch.long, device=device)
    start = perf_counter()
    for X, y in train_iter:
        X, y = X.to(device), y.to(device)
        y_hat = net(X)
        loss = cross_entropy(y_hat, y)
        value = loss.item()
        if not math.isfinite(value):
            return None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += (y_hat.argmax(dim=1) == y).sum()
        seen += len(y)
        total += value * len(y)
        history.batch_loss.append(value)
        seconds += perf_counter() - start
        watcher.batch(history)  # its time is not the training's
        start = perf_counter()
    if not seen:
        raise ValueError(
            'train_iter must give batches anew in each epoch, as a list or a '
            f'DataLoader does; got none in epoch {len(history.loss) + 1}'
        )
    return seen, seconds, total / seen, int(right) / seen


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)


def _moved(data_iter: Batches, device: Device | None) -> Batches:
    """Move the whole set to `device` where the iterator knows how to."""
    move: Callable[..., Batches] | None = getattr(data_iter, 'to', None)
    return move(device) if move else data_iter


def _num_batches(train_iter: Any) -> int:
    try:
        return len(train_iter)
    except TypeError as e:
        raise TypeError(
            'train_iter must have a length, as a list or a DataLoader has, '
            f'got {type(train_iter).__name__}'
        ) from e


PIECE = 500  # images: a thousand at once take twice the time


def share_right(net: nn.Module, X: Tensor, y: Tensor) -> float:
    """Return the share of images that a net gets right.

    Parameters
    ----------
    net : nn.Module, measured in evaluation mode; left in its own
    X, y : images (N, ...) and labels (N,)

    Raises
    ------
    ValueError : no images
    """
    pieces = zip(torch.split(X, PIECE), torch.split(y, PIECE), strict=True)
    return evaluate_accuracy_gpu(net, pieces)
