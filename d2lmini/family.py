"""Layer, instance, group and RMS normalization; notebook 08 builds them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def standardize(
    X: Tensor, dims: tuple[int, ...], eps: float | None, centre: bool = True
) -> Tensor:
    """Give the values along some axes mean 0 and mean square 1.

    Parameters
    ----------
    X : Tensor, any shape
    dims : tuple of int, the axes whose values share a mean and a mean square
    eps : float or None
        Added to the mean square, in its units (those of X squared); None
        takes the smallest step at 1 of the type that computes, as
        `nn.RMSNorm` does.
    centre : bool, False leaves the mean in: the step from layer to RMS norm

    Returns
    -------
    X_hat : Tensor, shape of X, in float32 or better

    Raises
    ------
    ValueError : one value a mean, which would become 0 whatever it was

    Notes
    -----
    Half precision is computed in float32, as torch does. Shown in
    notebook 08.
    """
    if centre and math.prod(X.shape[d] for d in dims) == 1:
        raise ValueError(
            'each mean needs more than 1 value, got 1 in shape '
            f'{tuple(X.shape)}: use fewer groups, more features or larger '
            'images'
        )
    x = X.float() if X.dtype in (torch.half, torch.bfloat16) else X
    if centre:
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
    eps : float or None, added to the mean square; None as in `standardize`

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
            one_a_channel = (C,) + (1,) * len(size)  # (C, 1, 1) for images
            Y = self.gamma.view(one_a_channel) * Y
            Y = Y + self.beta.view(one_a_channel)
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
    """Return sizes as a tuple; a single one may come as a number.

    Parameters
    ----------
    sizes : int or sequence of int
    """
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)


def last_axes(X: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the last axes of X, counted from the end, if they fit `shape`.

    Parameters
    ----------
    X : Tensor
    shape : tuple of int, the sizes that the last axes must have

    Raises
    ------
    ValueError : the shape is empty, or X ends in other sizes
    """
    k = len(shape)
    if k == 0 or X.shape[-k:] != shape:
        raise ValueError(
            f'X must end in the axes {shape}, got shape {tuple(X.shape)}: '
            'give the layer the sizes of the last axes'
        )
    return tuple(range(-k, 0))
