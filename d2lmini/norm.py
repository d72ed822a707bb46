"""The normalization layers from scratch.

Batch normalization is below; notebook 03 derives it line by line. Its family,
which notebook 08 builds, is written in family.py and found here too.
"""

import torch
from torch import Tensor, nn

from d2lmini.family import GroupNorm, InstanceNorm, LayerNorm, RMSNorm

__all__ = [
    'BatchNorm',
    'GroupNorm',
    'InstanceNorm',
    'LayerNorm',
    'RMSNorm',
    'batch_norm',
    'values_per_channel',
]


def values_per_channel(X: Tensor, gamma: Tensor, training: bool) -> int:
    """Count the values that share a mean, after a look at the shapes.

    Parameters
    ----------
    X : Tensor, shape (N, C) or (N, C, H, W)
    gamma : Tensor, shape (1, C) or (1, C, 1, 1)
    training : bool, True where the values are to be normalized by themselves

    Returns
    -------
    int : N or N * H * W

    Raises
    ------
    ValueError : other shapes, or in training fewer than 2 values per channel

    Notes
    -----
    Shown in notebook 03.
    """
    want = (1, *X.shape[1:2], 1, 1)[: X.dim()]  # (1, C) or (1, C, 1, 1)
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
    ValueError : shapes that don't fit, or in training one value a channel

    Notes
    -----
    The biased variance (divide by n) normalizes; the unbiased one (divide by
    n - 1) is remembered. Half precision is computed in float32, as torch
    does. Source: Ioffe & Szegedy 2015, algorithms 1 and 2; shown in
    notebook 03.
    """
    n = values_per_channel(X, gamma, training)
    x = X.float() if X.dtype in (torch.half, torch.bfloat16) else X
    dims = [d for d in range(X.dim()) if d != 1]  # all but the channel
    mean = x.mean(dim=dims, keepdim=True) if training else moving_mean
    centered = x - mean
    var = moving_var
    if training:
        var = (centered**2).mean(dim=dims, keepdim=True)  # biased
        with torch.no_grad():  # the memory must not keep the graph
            unbiased = var * n / (n - 1)
            moving_mean = (1 - momentum) * moving_mean + momentum * mean
            moving_var = (1 - momentum) * moving_var + momentum * unbiased
    scale = gamma / torch.sqrt(var + eps)  # shape of gamma
    Y = (scale * centered + beta).to(X.dtype)
    return Y, moving_mean, moving_var


class BatchNorm(nn.Module):
    """Batch normalization that agrees with `nn.BatchNorm1d` and `2d`.

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
