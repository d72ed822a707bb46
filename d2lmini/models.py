"""Builders of the nets that the lessons train."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from torch import nn

Norm = Callable[[int, int], nn.Module]


def torch_norm(num_features: int, num_dims: int, **options: Any) -> nn.Module:
    """Build torch's own layer under the from-scratch layer's arguments.

    按从零实现的那一层的参数，造PyTorch自带的层。

    Parameters
    ----------
    num_features : int, features (2-D) or channels (4-D)
    num_dims : int, 2 for (N, C) or 4 for (N, C, H, W)
    **options : as torch's layer takes them, such as `momentum` and `eps`

    Returns
    -------
    nn.BatchNorm1d or nn.BatchNorm2d

    Raises
    ------
    ValueError : `num_dims` is not 2 or 4
    """
    if num_dims not in (2, 4):
        raise ValueError(f'num_dims must be 2 or 4, got {num_dims}')
    kind = nn.BatchNorm1d if num_dims == 2 else nn.BatchNorm2d
    return kind(num_features, **options)


def _block(
    layer: nn.Module, width: int, num_dims: int, norm: Norm | None
) -> list[nn.Module]:
    middle = [norm(width, num_dims)] if norm else []
    return [layer, *middle, nn.Sigmoid()]


def lenet(norm: Norm | None = None) -> nn.Sequential:
    """Build the lecture's LeNet for 28x28 grey images and ten classes.

    搭建讲义里的LeNet：28×28的灰度图，十类。

    Parameters
    ----------
    norm : called as `norm(num_features, num_dims)`, or None
        What stands between each layer and its sigmoid: `BatchNorm`,
        `torch_norm` or a class of one's own. None leaves plain LeNet.

    Returns
    -------
    nn.Sequential, (N, 1, 28, 28) -> (N, 10)

    Notes
    -----
    Source: the LeNet of LeCun et al. 1998 as the lecture writes it; shown
    in notebooks 03 and 04.
    """
    return nn.Sequential(
        *_block(nn.Conv2d(1, 6, kernel_size=5), 6, 4, norm),
        nn.AvgPool2d(kernel_size=2, stride=2),
        *_block(nn.Conv2d(6, 16, kernel_size=5), 16, 4, norm),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        *_block(nn.Linear(16 * 4 * 4, 120), 120, 2, norm),
        *_block(nn.Linear(120, 84), 84, 2, norm),
        nn.Linear(84, 10),
    )


def mlp(
    *widths: int,
    norm: Norm | None = None,
    activation: Callable[[], nn.Module] = nn.Sigmoid,
) -> nn.Sequential:
    """Build a multilayer perceptron on flattened inputs.

    搭建多层感知机，输入先展平。

    Parameters
    ----------
    *widths : int, at least two: inputs, hidden widths, outputs
    norm : called as `norm(num_features, 2)` after each hidden layer, or None
    activation : called without arguments after each hidden layer

    Returns
    -------
    nn.Sequential, (N, ...) -> (N, widths[-1])

    Raises
    ------
    ValueError : fewer than two widths
    """
    if len(widths) < 2:
        raise ValueError(
            'mlp needs the input and the output width, as in '
            f'mlp(784, 100, 10), got {widths}'
        )
    layers: list[nn.Module] = [nn.Flatten()]
    for wide, width in pairwise(widths[:-1]):
        layers.append(nn.Linear(wide, width))
        if norm:
            layers.append(norm(width, 2))
        layers.append(activation())
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
