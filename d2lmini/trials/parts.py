"""Trials of what is combined with batch normalization, or trained of it."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.device import set_seed
from d2lmini.hunt import probe
from d2lmini.trials.exact import Numbers
from d2lmini.trials.nets import (
    Pair,
    accuracy_on,
    batch_losses,
    hidden,
    stacked,
    trial_images,
)
from d2lmini.trials.runs import WIDTHS, an_epoch, ends, sgd_for, sgd_losses


def run_dropout(seed: int, *, block: str, last: str, p: float) -> Numbers:
    """Train the perceptron with dropout for 10 epochs at lr 0.1.

    Parameters
    ----------
    seed : int
    block, last : str, as `stacked` takes them
    p : float, the share that is dropped

    Returns
    -------
    'acc' on the test set. With batch normalization also 'again', the same
    after its statistics were estimated afresh with dropout off, and
    'ratio', variance in evaluation over the remembered one, at the input of
    the last such layer
    """
    set_seed(seed)
    net = stacked(block, *WIDTHS, last=last, p=p)
    num_steps = an_epoch(10)
    losses = sgd_losses(net, 0.1, num_steps, [], 0)
    numbers = {'acc': ends(net, losses, num_steps)['acc']}
    norms = [m for m in net if isinstance(m, nn.BatchNorm1d)]
    if norms:
        numbers['ratio'] = _variance_ratio(net, trial_images()[1])
        _estimate_again(net, norms, trial_images()[0])
        numbers['again'] = accuracy_on(net, trial_images()[2])
    return numbers


def _variance_ratio(net: nn.Module, data: Pair) -> float:
    name = probe.chosen(net, nn.BatchNorm1d)[-1]
    layer = net.get_submodule(name)
    net.eval()
    with torch.no_grad(), probe.activations(net, [name], of='input') as got:
        net(data[0])
    seen = layer.running_var
    assert isinstance(seen, Tensor)
    return float((got[name][0].var(dim=0) / seen).mean())


def _estimate_again(
    net: nn.Module, norms: list[nn.BatchNorm1d], data: Pair
) -> None:
    net.eval()  # dropout off
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average
        layer.train()
    with torch.no_grad():
        for i in range(0, len(data[0]), 1000):
            net(data[0][i : i + 1000])
    net.eval()


def run_decay(seed: int, *, block: str, lr: float, wd: float) -> Numbers:
    """Train with weight decay on the hidden weights for 15 epochs.

    Parameters
    ----------
    seed : int
    block : str, as `stacked` takes it
    lr : float
    wd : float, the decay

    Returns
    -------
    'acc' on the test set; of the second hidden layer 'norm', its weight's
    norm over that at the start, and 'turn', norm(change) / norm(weight) a
    step, the mean of the last 39 steps
    """
    set_seed(seed)
    net, num_steps = stacked(block, *WIDTHS), an_epoch(15)
    weights = [layer.weight for layer in hidden(net)]
    name = probe.chosen(net, nn.Linear)[1]
    at_start = weights[1].norm().item()
    optimizer = sgd_for(net, lr, weights, wd)
    stream = batch_losses(net, trial_images()[0], optimizer)
    with probe.updates(net, optimizer, [name]) as record:
        losses = [*islice(stream, num_steps)]
    turns = record[name][-39:]
    return {
        'acc': ends(net, losses, num_steps)['acc'],
        'norm': weights[1].norm().item() / at_start,
        'turn': sum(turns) / max(1, len(turns)),
    }


def run_gamma_beta(seed: int, *, train: str, lr: float) -> Numbers:
    """Train a part of the perceptron with batch normalization for 10 epochs.

    Parameters
    ----------
    seed : int
    train : str
        'all'; 'gamma-beta'; 'gamma-beta-head', with the last layer; 'head',
        that alone; or 'two-weights', two random weights a hidden feature.
    lr : float

    Returns
    -------
    'acc' on the test set; 'trained', the number of trained numbers

    Notes
    -----
    Source: Frankle et al. 2021.
    """
    set_seed(seed)
    net, num_steps = stacked('linear-norm-relu', *WIDTHS), an_epoch(10)
    norms = [m for m in net if isinstance(m, nn.BatchNorm1d)]
    count = {
        'all': sum(p.numel() for p in net.parameters()),
        'head': sum(p.numel() for p in net[-1].parameters()),
        'gamma-beta': sum(p.numel() for m in norms for p in m.parameters()),
        'two-weights': 2 * sum(m.num_features for m in norms),
    }
    if train != 'all':
        net.requires_grad_(False)
    if 'gamma-beta' in train:
        for module in norms:
            module.requires_grad_(True)
    if 'head' in train:
        net[-1].requires_grad_(True)
    if train == 'two-weights':
        for mask, layer in zip(_two_each(net), hidden(net), strict=True):
            layer.weight.requires_grad_(True)
            hook: Callable[..., Any] = layer.weight.register_hook
            hook(mask.mul)
    losses = sgd_losses(net, lr, num_steps, [], 0)
    parts = count['gamma-beta'] + count['head']
    return {
        'acc': ends(net, losses, num_steps)['acc'],
        'trained': float(count.get(train, parts)),
    }


def _two_each(net: nn.Sequential) -> Iterator[Tensor]:
    """Yield masks that leave two random weights of each hidden feature."""
    for layer in hidden(net):
        weight = layer.weight.detach()
        chosen = torch.rand_like(weight).topk(2, dim=1).indices
        yield torch.zeros_like(weight).scatter_(1, chosen, 1.0)
