"""The small nets that the exercises are tried on."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from d2lmini.models import mlp

KINDS = nn.BatchNorm1d, nn.BatchNorm2d


def deep_net() -> nn.Sequential:
    """Return a net with both kinds of batch normalization, one inside."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(8, 4),
        nn.BatchNorm1d(4),
        nn.Linear(4, 3),
    )


def norms_of(net: nn.Module) -> list[Any]:
    """Return the batch normalization layers of a net."""
    return [m for m in net.modules() if isinstance(m, KINDS)]


def told_modes(net: nn.Module) -> str:
    """Return in words which layers are in training mode."""
    on = [n or 'net' for n, m in net.named_modules() if m.training]
    if len(on) in (0, len([*net.modules()])):
        mode = 'train()' if on else 'eval()'
        return f'全部 · all: {mode}'
    return f'train(): {", ".join(on)}'


def small_batch(norm: Any = None, *, stale: bool = False) -> tuple[Any, ...]:
    """Return a small net, X (8, 6) and y (8,).

    Parameters
    ----------
    norm : as in `mlp`
    stale : bool, whether the net holds the gradients of another minibatch
    """
    torch.manual_seed(0)
    net = mlp(6, 5, 4, 3, norm=norm, activation=nn.ReLU)
    X, y = torch.randn(8, 6), torch.arange(8) % 3
    if stale:
        torch.autograd.backward(cross_entropy(net(X.flip(1)), y))
    return net, X, y
