"""A batch normalization layer with faults, as faults.py has the function."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from d2lmini.exercises.faults import faulty_batch_norm

REMEMBERED = 'moving_mean', 'moving_var'


def faulty_layer(faults: Iterable[str]) -> Callable[..., nn.Module]:
    """Return a `BatchNorm` with the faults named.

    Parameters
    ----------
    faults : words, of the function's and of the layer's
    """
    words = frozenset(faults)
    has, batch_norm = words.__contains__, faulty_batch_norm(words)

    def is_param(tensor: Tensor) -> bool:
        return isinstance(tensor, nn.Parameter)

    class BatchNorm(nn.Module):
        gamma: Tensor
        beta: Tensor
        moving_mean: Tensor
        moving_var: Tensor

        def __init__(
            self,
            num_features: int,
            num_dims: int,
            eps: float = 1e-5,
            momentum: float = 0.1,
        ) -> None:
            super().__init__()
            shape = (1, num_features) + (1,) * (num_dims - 2)
            if has('flat_shape') and (num_dims == 4 or has('flat_always')):
                shape = (num_features,)
            self.eps, self.momentum = eps, momentum
            self.num_dims = num_dims
            self._learned(shape)
            self._remembered(shape)

        def _learned(self, shape: tuple[int, ...]) -> None:
            gamma, beta = torch.ones(shape), torch.zeros(shape)
            if has('one_gamma'):
                gamma, beta = torch.ones(1), torch.zeros(1)
            if has('gamma_zeros'):
                gamma = torch.zeros_like(gamma)
            if has('beta_ones'):
                beta = torch.ones_like(beta)
            for name, start in (('gamma', gamma), ('beta', beta)):
                if has(f'plain {name}'):
                    setattr(self, name, start.requires_grad_())
                elif has('gamma_buffer'):
                    self.register_buffer(name, start)
                else:
                    setattr(self, name, nn.Parameter(start))

        def _remembered(self, shape: tuple[int, ...]) -> None:
            mean, var = torch.zeros(shape), torch.ones(shape)
            if has('var_zeros'):
                var = torch.zeros(shape)
            if has('mean_ones'):
                mean = torch.ones(shape)
            for name, start in zip(REMEMBERED, (mean, var), strict=True):
                if has(f'plain {name}'):
                    setattr(self, name, start)
                elif has(f'trained {name}'):
                    setattr(self, name, nn.Parameter(start))
                else:
                    kept = not has(f'not_saved {name}')
                    self.register_buffer(name, start, persistent=kept)

        def forward(self, X: Tensor) -> Tensor:
            old = [self.moving_mean, self.moving_var]
            Y, *new = batch_norm(
                X,
                self.gamma,
                self.beta,
                *(each.detach() if is_param(each) else each for each in old),
                self.eps,
                self.momentum,
                self.training,
            )
            if has('keeps_output'):
                self.Y = Y
            for name, each in zip(REMEMBERED, new, strict=True):
                if is_param(getattr(self, name)):
                    getattr(self, name).data = each
                elif has('copies'):
                    getattr(self, name).copy_(each)
                else:
                    setattr(self, name, each)
            return Y

    return BatchNorm
