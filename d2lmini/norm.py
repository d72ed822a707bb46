"""Batch normalization and its family, from scratch.

Notebook 03 derives batch normalization line by line, notebook 08 builds
layer, instance, group and RMS normalization.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# What a layer's tensors are called here, and in torch.
TENSORS = {
    'gamma': ('gamma', 'weight'),
    'beta': ('beta', 'bias'),
    'mean': ('moving_mean', 'running_mean'),
    'var': ('moving_var', 'running_var'),
}


def values_per_channel(X: Tensor, gamma: Tensor, training: bool) -> int:
    """Return how many values share a mean: N, or N * H * W; check the shapes.

    Shown in notebook 03.
    """
    C = X.shape[1] if X.dim() > 1 else 0
    want = (1, C) if X.dim() == 2 else (1, C, 1, 1)
    if X.dim() not in (2, 4) or gamma.shape != want:
        raise ValueError(
            'X must be (N, C) and gamma (1, C), or X (N, C, H, W) and gamma '
            f'(1, C, 1, 1); got {tuple(X.shape)} and {tuple(gamma.shape)}'
        )
    n = X.numel() // X.shape[1]
    if training and n < 2:
        raise ValueError(
            'training needs more than 1 value per channel, got shape '
            f'{tuple(X.shape)}: use a larger batch, or eval()'
        )
    return n


def batch_norm(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moving_mean: Tensor,
    moving_var: Tensor,
    eps: float,
    momentum: float,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize X by feature (2-D) or by channel (4-D).

    Parameters
    ----------
    X : Tensor, shape (N, C) or (N, C, H, W)
    gamma, beta, moving_mean, moving_var : Tensor, shape (1, C) or (1, C, 1, 1)
    eps : float, added to the variance, in its units (those of X squared)
    momentum : float in [0, 1], the weight of the *new* batch, as in torch
    training : bool, True to use the batch's statistics and to remember them

    Returns
    -------
    Y : Tensor, shape and dtype of X
    moving_mean, moving_var : Tensor, new ones without a graph, in float32
        or better; those that came in when `training` is False

    Raises
    ------
    ValueError : shapes that don't fit, an `eps` below 0 (in training, of 0),
        or in training one value per channel

    Notes
    -----
    The mean is taken away twice, the second time what rounding has left of
    it: large numbers keep their digits. The biased variance (divide by n)
    normalizes; the unbiased one (divide by n - 1) is remembered. Half
    precision is computed in float32, as torch does. Source: Ioffe & Szegedy
    2015, algorithms 1 and 2; shown in notebook 03.
    """
    n = values_per_channel(X, gamma, training)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f'eps must be above 0, got {eps}')
    x = X.float() if X.dtype in (torch.half, torch.bfloat16) else X
    moving_mean, moving_var = moving_mean.to(x.dtype), moving_var.to(x.dtype)
    dims = [d for d in range(X.dim()) if d != 1]  # all but the channel
    mean = x.detach().mean(dim=dims, keepdim=True) if training else moving_mean
    centered = x - mean
    var = moving_var
    if training:
        rest = centered.sum(dim=dims, keepdim=True) / n  # left by rounding
        mean, centered = mean + rest, centered - rest
        var = (centered**2).sum(dim=dims, keepdim=True) / n  # biased
        with torch.no_grad():  # the memory must not keep the graph
            unbiased = var * n / (n - 1)
            moving_mean = (1 - momentum) * moving_mean + momentum * mean
            moving_var = (1 - momentum) * moving_var + momentum * unbiased
    each = len(X), *gamma.shape[1:]  # sums of gradients image by image
    gamma, beta = gamma.to(x.dtype).expand(each), beta.to(x.dtype).expand(each)
    scale = gamma / torch.sqrt(var + eps)
    return (scale * centered + beta).to(X.dtype), moving_mean, moving_var


class BatchNorm(nn.Module):
    """Batch normalization that agrees with `nn.BatchNorm1d` and `2d`.

    批量归一化层，和`nn.BatchNorm1d`、`nn.BatchNorm2d`一致。

    Parameters
    ----------
    num_features : int, features (2-D) or channels (4-D)
    num_dims : int, 2 for (N, C) or 4 for (N, C, H, W)
    eps : float, added to the variance
    momentum : float in [0, 1] or None
        The weight of the new batch; None averages all batches equally.

    Raises
    ------
    ValueError : `num_dims` is not 2 or 4; in `forward`, as `batch_norm`

    Notes
    -----
    gamma and beta are trained. moving_mean, moving_var and
    num_batches_tracked are buffers: saved and moved with the net, not
    trained. Source: Ioffe & Szegedy 2015; shown in notebook 03.
    """

    _version = 2  # of its state, as torch counts
    moving_mean: Tensor
    moving_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        num_dims: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
    ) -> None:
        super().__init__()
        if num_dims not in (2, 4):
            raise ValueError(f'num_dims must be 2 or 4, got {num_dims}')
        shape = (1, num_features) + (1,) * (num_dims - 2)  # (1, C[, 1, 1])
        self.eps, self.momentum = eps, momentum
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.register_buffer('moving_mean', torch.zeros(shape))
        self.register_buffer('moving_var', torch.ones(shape))
        self.register_buffer('num_batches_tracked', torch.tensor(0))

    def forward(self, X: Tensor) -> Tensor:
        """Return X normalized, scaled and shifted, in X's shape."""
        momentum = self.momentum
        if self.training:
            self.num_batches_tracked += 1
        if momentum is None:  # the plain average of all batches so far
            momentum = 1 / max(1, int(self.num_batches_tracked))
        Y, mean, var = batch_norm(
            X,
            self.gamma,
            self.beta,
            self.moving_mean,
            self.moving_var,
            self.eps,
            momentum,
            self.training,
        )
        if self.training:
            self.moving_mean.copy_(mean)
            self.moving_var.copy_(var)
        return Y

    def _load_from_state_dict(
        self, state: Any, prefix: str, about: Any, *rest: Any
    ) -> None:
        """Take torch's names too, and an old state without a count."""
        own = self.state_dict()
        for name, its in TENSORS.values():
            value = state.pop(prefix + its, state.get(prefix + name))
            if value is not None:
                same = value.numel() == own[name].numel()
                value = value.view(own[name].shape) if same else value
                state[prefix + name] = value
        if about.get('version', 1) < 2:  # from before layers counted
            count = own['num_batches_tracked']
            state.setdefault(prefix + 'num_batches_tracked', count)
        super()._load_from_state_dict(state, prefix, about, *rest)


def standardize(
    X: Tensor, dims: tuple[int, ...], eps: float | None, centre: bool = True
) -> Tensor:
    """Return X with mean 0 and mean square 1 along `dims`, float32 or better.

    `centre=False` leaves the mean in: the step from layer to RMS norm. Half
    precision is computed in float32, as torch does. Shown in notebook 08.
    """
    if centre and math.prod(X.shape[d] for d in dims) == 1:
        raise ValueError(
            'each mean needs more than 1 value, got 1 in shape '
            f'{tuple(X.shape)}: use fewer groups, more features or larger '
            'images'
        )
    x = X.float() if X.dtype in (torch.half, torch.bfloat16) else X
    if centre:  # twice, as in `batch_norm`
        x = x - x.detach().mean(dim=dims, keepdim=True)
        x = x - x.mean(dim=dims, keepdim=True)
    if eps is None:
        eps = torch.finfo(x.dtype).eps
    return x / torch.sqrt((x**2).mean(dim=dims, keepdim=True) + eps)


class LayerNorm(nn.Module):
    """Normalize each example over its last axes, as `nn.LayerNorm` does.

    Parameters
    ----------
    normalized_shape : int or sequence of int, the sizes of the last axes
    eps : float, added to the variance

    Raises
    ------
    ValueError : in `forward`, X ends in other sizes, or in one value

    Notes
    -----
    gamma and beta have a number for each place in `normalized_shape`.
    Torch lets one value pass, which then gives beta. Source: Ba et al.
    2016; shown in notebook 08.
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.shape, self.eps = as_shape(normalized_shape), eps
        self.gamma = nn.Parameter(torch.ones(self.shape))
        self.beta = nn.Parameter(torch.zeros(self.shape))

    def forward(self, X: Tensor) -> Tensor:
        """Return X (..., *normalized_shape) normalized, in X's dtype."""
        X_hat = standardize(X, last_axes(X, self.shape), self.eps)
        return (self.gamma * X_hat + self.beta).to(X.dtype)


class RMSNorm(nn.Module):
    """Divide each example by its root mean square, as `nn.RMSNorm` does.

    Parameters
    ----------
    normalized_shape : int or sequence of int, the sizes of the last axes
    eps : float or None, added to the mean square
        None takes the smallest step at 1 of the type that computes, as
        torch does.

    Raises
    ------
    ValueError : in `forward`, X ends in other sizes

    Notes
    -----
    No mean is taken away and no beta added. Torch has its layer from 2.4
    on; this one needs no more than the course does. Source: Zhang &
    Sennrich 2019; shown in notebook 08.
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None
    ) -> None:
        super().__init__()
        self.shape, self.eps = as_shape(normalized_shape), eps
        self.gamma = nn.Parameter(torch.ones(self.shape))

    def forward(self, X: Tensor) -> Tensor:
        """Return X (..., *normalized_shape) normalized, in X's dtype."""
        axes = last_axes(X, self.shape)
        X_hat = standardize(X, axes, self.eps, centre=False)
        return (self.gamma * X_hat).to(X.dtype)


class GroupNorm(nn.Module):
    """Normalize groups of an example's channels, as `nn.GroupNorm` does.

    Parameters
    ----------
    num_groups : int, groups of neighbouring channels; 1 takes them all
    num_channels : int, a multiple of `num_groups`
    eps : float, added to the variance
    affine : bool, False leaves gamma and beta out

    Raises
    ------
    ValueError : groups that don't divide the channels; in `forward`, other
        channels in X, or a group of one value

    Notes
    -----
    gamma and beta have a number a channel, (C,), whatever the groups.
    Torch lets a group of one value pass if there are others. Source: Wu &
    He 2018; shown in notebook 08.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            fit = [
                g for g in range(1, num_channels + 1) if num_channels % g == 0
            ]
            raise ValueError(
                f'num_groups must divide num_channels, got {num_groups} and '
                f'{num_channels}: take one of {fit}'
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        if affine:
            self.gamma = nn.Parameter(torch.ones(num_channels))
            self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, X: Tensor) -> Tensor:
        """Return X (N, C, ...) normalized, in X's shape and dtype."""
        if X.dim() < 2 or X.shape[1] != self.num_channels:
            raise ValueError(
                f'X must be (N, {self.num_channels}, ...), got '
                f'{tuple(X.shape)}: build the layer for its channels'
            )
        N, C, *size = X.shape
        G = self.num_groups
        groups = X.reshape(N, G, C // G, *size)  # (N, G, C / G, ...)
        dims = tuple(range(2, groups.dim()))  # all but N and G
        Y = standardize(groups, dims, self.eps).reshape(X.shape)
        if self.affine:
            each = (N, C) + (1,) * len(size)  # (N, C, 1, 1) for images
            gamma, beta = self.gamma.to(Y.dtype), self.beta.to(Y.dtype)
            Y = gamma.view(each[1:]).expand(each) * Y
            Y = Y + beta.view(each[1:]).expand(each)
        return Y.to(X.dtype)


class InstanceNorm(GroupNorm):
    """Normalize each channel of an example, as `nn.InstanceNorm2d` does.

    Parameters
    ----------
    num_features : int, channels
    eps : float, added to the variance
    affine : bool, True for gamma and beta; without by default, as in torch

    Raises
    ------
    ValueError : in `forward`, other channels in X, or one position a channel

    Notes
    -----
    Group normalization with a group for each channel. No running averages
    are kept (torch's `track_running_stats=False`, its default), so training
    and evaluation are alike. X has its batch axis. Source: Ulyanov et al.
    2016; shown in notebook 08.
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, affine: bool = False
    ) -> None:
        super().__init__(num_features, num_features, eps, affine)


def as_shape(sizes: int | Sequence[int]) -> tuple[int, ...]:
    """Return sizes as a tuple; a single one may come as a number."""
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)


def last_axes(X: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the last axes of X, counted from the end, if they fit `shape`."""
    k = len(shape)
    if k == 0 or X.shape[-k:] != shape:
        raise ValueError(
            f'X must end in the axes {shape}, got shape {tuple(X.shape)}: '
            'give the layer the sizes of the last axes'
        )
    return tuple(range(-k, 0))
