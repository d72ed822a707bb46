"""Batch normalization whose statistics are those of all workers."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from d2lmini.norm import BatchNorm


class AllReduce(torch.autograd.Function):
    """Sum a tensor over all workers, and its gradient as well.

    Every worker's loss depends on the sum, so that the gradient of what a
    worker put in is the sum of all workers' gradients. Shown in notebook 09.
    """

    @staticmethod
    def forward(ctx: Any, X: Tensor) -> Tensor:
        """Return the sum of all workers' X, in a new tensor."""
        total = X.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the sum of all workers' gradients."""
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


class SyncBatchNorm(BatchNorm):
    """`BatchNorm` that pools its statistics over all workers.

    跨进程同步统计量的批量归一化层，CPU上也能用。

    Parameters
    ----------
    num_features, num_dims, eps, momentum : as in `BatchNorm`

    Raises
    ------
    ValueError : in `forward`, a batch without examples, or in training one
        value per channel on all workers together

    Notes
    -----
    As `nn.SyncBatchNorm`, which trains on GPUs only. Every worker must call
    it equally often. The mean comes first and then the mean square of what
    is left, so that large means lose no digits; workers may have different
    numbers of images. Without a process group it is `BatchNorm`. Shown in
    notebook 09.
    """

    def forward(self, X: Tensor) -> Tensor:
        """Return X normalized by the statistics of all workers' batches."""
        if not (self.training and dist.is_initialized()):
            return super().forward(X)
        dims = [d for d in range(X.dim()) if d != 1]  # all but the channel
        x = X.float() if X.dtype in (torch.half, torch.bfloat16) else X
        n = x.new_tensor(x.numel() / x.shape[1])  # values per channel, here
        dist.all_reduce(n)  # and on all workers
        mean = AllReduce.apply(x.sum(dim=dims, keepdim=True)) / n
        centered = x - mean
        square = (centered**2).sum(dim=dims, keepdim=True)
        var = AllReduce.apply(square) / n
        self._remember(mean, var, int(n))
        scale = self.gamma / torch.sqrt(var + self.eps)
        Y: Tensor = scale * centered + self.beta
        return Y.to(X.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, n: int) -> None:
        if n < 2:
            raise ValueError(
                'training needs more than 1 value per channel on all workers '
                f'together, got {n}: use a larger batch, or eval()'
            )
        self.num_batches_tracked += 1
        momentum = self.momentum
        if momentum is None:  # the plain average of all batches so far
            momentum = 1 / int(self.num_batches_tracked)
        self.moving_mean.lerp_(mean, momentum)
        self.moving_var.lerp_(var * n / (n - 1), momentum)
