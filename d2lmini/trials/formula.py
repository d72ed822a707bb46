"""Trials that need no images: what follows from the formula, measured."""

import copy
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.device import set_seed
from d2lmini.hunt import probe
from d2lmini.trials.nets import (
    Pair,
    batch_losses,
    he_start,
    hidden,
    sgd,
    stacked,
)

Numbers = dict[str, float]
STEPS = 100  # in the two comparisons of whole trainings


def run_depth(seed: int, *, block: str, depth: int) -> Numbers:
    """Measure how the gradient grows toward the bottom, at the start.

    Returns 'ratio' of its norm, bottom over top, and 'factor', that of one
    layer to the next. Source: Yang et al. 2019, who derive
    sqrt(pi / (pi - 1)) = 1.21 for ReLU.
    """
    set_seed(seed)
    net = stacked(block, *[256] * (depth + 1), 10)
    he_start(hidden(net))
    X, y = torch.randn(256, 256), torch.randint(10, (256,))
    with probe.gradients(net) as record:
        loss: Any = cross_entropy(net(X), y)
        loss.backward()
    norms = [record[name][0] for name in probe.chosen(net, nn.Linear)][:-1]
    ratio = norms[0] / norms[-1]
    return {'factor': ratio ** (1 / (depth - 1)), 'ratio': ratio}


def run_shift(seed: int, *, place: str, p: float) -> Numbers:
    """Measure the variance that batch normalization sees, over the modes.

    Dropout stands before the linear layer under it, on inputs of mean 0
    ('signed') or on those after a ReLU ('relu'), or 'after' it. Returns
    'ratio', that in evaluation over that in training. Source: Li et al. 2018.
    """
    set_seed(seed)
    X = torch.randn(8192, 256)
    X = X.relu() if place == 'relu' else X
    linear, norm, drop = (
        nn.Linear(256, 256),
        nn.BatchNorm1d(256, momentum=1.0),  # remembers this batch alone
        nn.Dropout(p),
    )
    parts = (linear, norm, drop) if place == 'after' else (drop, linear, norm)
    net = nn.Sequential(*parts)
    with torch.no_grad():
        net(X)
    return {'ratio': variance_ratio(net, X)}


def variance_ratio(net: nn.Module, X: Tensor) -> float:
    """Return the variance in evaluation over that remembered from training.

    Taken at the input of the last BN layer and averaged over the features;
    the net is left in evaluation mode.
    """
    name = probe.chosen(net, nn.BatchNorm1d)[-1]
    net.eval()
    with torch.no_grad(), probe.activations(net, [name], of='input') as got:
        net(X)
    seen = net.get_submodule(name).running_var
    assert isinstance(seen, Tensor)
    return float((got[name][0].var(dim=0) / seen).mean())


def run_bias(seed: int, *, block: str) -> Numbers:
    """Train with and without a bias in the hidden layers, in float64.

    Returns 'gap', the largest difference of the loss in 100 steps, and
    'grad', the bias's gradient over the weight's, at the start.
    """
    data = made_up(seed)
    with_bias = stacked(block, 20, 50, 50, 4).double()
    without = stacked(block, 20, 50, 50, 4, bias=False).double()
    without.load_state_dict(with_bias.state_dict(), strict=False)
    loss: Any = cross_entropy(with_bias(data[0]), data[1])
    first, second = hidden(with_bias)
    asked = first.bias, second.bias, first.weight, second.weight
    sizes = [float(g.norm()) for g in torch.autograd.grad(loss, asked)]
    curves = []
    for net in (with_bias, without):
        set_seed(seed)
        losses = batch_losses(net, data, sgd(net, 0.1), batch_size=64)
        curves.append([*islice(losses, STEPS)])
    gap = max(abs(a - b) for a, b in zip(*curves, strict=True))
    return {'gap': gap, 'grad': sum(sizes[:2]) / sum(sizes[2:])}


def run_twin(seed: int, *, block: str) -> Numbers:
    """Hold weight decay against a larger rate without it, in float64.

    Two nets start alike. One trains with lr 0.1 and weight decay 0.1 on its
    hidden weights. The other has no decay; the rate of each hidden layer is
    multiplied by c^2 / (1 - lr decay), where c is its weight's norm over
    the norm of the first net's. Returns 'gap', the largest difference of the
    loss in 100 steps, and 'rate', c^2 in the end, the mean over the layers.

    Source: van Laarhoven 2017 says that under batch normalization decay acts
    through the rate alone; then the gap is rounding.
    """
    lr, decay = 0.1, 0.1
    X, y = made_up(seed)
    net = stacked(block, 20, 50, 50, 4, bias=False).double()
    for module in net:
        if isinstance(module, nn.BatchNorm1d):
            module.eps = 1e-30  # a usual one lets the scale have some effect
    twin = copy.deepcopy(net)
    optimizers = sgd(net, lr, decay), sgd(twin, lr)
    gap, factors = 0.0, [1.0]
    for index in torch.randint(len(X), (STEPS, 64)):
        losses: list[Any] = [
            cross_entropy(n(X[index]), y[index]) for n in (net, twin)
        ]
        gap = max(gap, abs(losses[0].item() - losses[1].item()))
        factors = [
            (v.weight.norm() / w.weight.norm()).item() ** 2
            for w, v in zip(hidden(net), hidden(twin), strict=True)
        ]
        *groups, _ = optimizers[1].param_groups
        for group, c2 in zip(groups, factors, strict=True):
            group['lr'] = lr * c2 / (1 - lr * decay)
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return {'gap': gap, 'rate': sum(factors) / len(factors)}


def made_up(seed: int) -> Pair:
    """Return X (512, 20) in float64, y by a random map; set the seed."""
    set_seed(seed)
    X = torch.randn(512, 20, dtype=torch.float64)
    return X, (X @ torch.randn(20, 4, dtype=torch.float64)).argmax(dim=1)
