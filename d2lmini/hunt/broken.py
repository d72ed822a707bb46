"""The suspects of the bug hunt in notebook 06: each has one fault.

The notebook shows what each of them does, and lets one guess before it tells.
"""

import torch
from torch import Tensor, nn

from d2lmini.norm import BatchNorm, values_per_channel

Moments = tuple[Tensor, Tensor]


class _Suspect(BatchNorm):
    """Batch normalization in pieces, so that a piece can be exchanged."""

    def __init__(
        self,
        num_features: int,
        num_dims: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
    ) -> None:
        super().__init__(num_features, num_dims, eps, momentum)
        self._begin()

    def _begin(self) -> None:
        """Leave what the new layer holds as it is."""

    def _pooled(self, x: Tensor) -> list[int]:
        return [d for d in range(x.dim()) if d != 1]

    def _moments(self, x: Tensor) -> Moments:
        mean = x.mean(dim=self._pooled(x), keepdim=True)
        return mean, ((x - mean) ** 2).mean(dim=self._pooled(x), keepdim=True)

    def _rate(self) -> float:
        if self.momentum is None:
            return 1 / max(1, int(self.num_batches_tracked))
        return self.momentum

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, n: int) -> None:
        self.num_batches_tracked += 1
        rate, unbiased = self._rate(), var * n / max(1, n - 1)
        self.moving_mean.copy_((1 - rate) * self.moving_mean + rate * mean)
        self.moving_var.copy_((1 - rate) * self.moving_var + rate * unbiased)

    def _standardized(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return (x - mean) / torch.sqrt(var + self.eps)

    def _normalized(self, x: Tensor, n: int) -> Tensor:
        if not self.training:
            return self._standardized(x, self.moving_mean, self.moving_var)
        mean, var = self._moments(x)
        self._remember(mean, var, n)
        return self._standardized(x, mean, var)

    def forward(self, X: Tensor) -> Tensor:
        n = values_per_channel(X, self.gamma, self.training)
        x = X.float() if X.dtype in (torch.half, torch.bfloat16) else X
        return (self.gamma * self._normalized(x, n) + self.beta).to(X.dtype)


class Broken1(_Suspect):
    """A suspect."""

    def _standardized(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return (x - mean) / (torch.sqrt(var) + self.eps)


class Broken2(_Suspect):
    """A suspect."""

    def _normalized(self, x: Tensor, n: int) -> Tensor:
        if not self.training:
            return super()._normalized(x, n)
        mean, var = self._moments(x)
        self._remember(mean, var, n)
        return self._standardized(x, mean, var * n / (n - 1))


class Broken3(_Suspect):
    """A suspect."""

    def _normalized(self, x: Tensor, n: int) -> Tensor:
        if not self.training:
            self._remember(*self._moments(x), n)
        return super()._normalized(x, n)


class Broken4(_Suspect):
    """A suspect."""

    @torch.no_grad()
    def _moments(self, x: Tensor) -> Moments:
        return super()._moments(x)


class Broken5(_Suspect):
    """A suspect."""

    def _rate(self) -> float:
        return 1 - super()._rate()


class Broken6(_Suspect):
    """A suspect."""

    def _pooled(self, x: Tensor) -> list[int]:
        return [0] if x.dim() == 2 else [2, 3]

    def _remember(self, mean: Tensor, var: Tensor, n: int) -> None:
        mean, var = (m.mean(dim=0, keepdim=True) for m in (mean, var))
        super()._remember(mean, var, n)


class Broken7(_Suspect):
    """A suspect."""

    def _moments(self, x: Tensor) -> Moments:
        dims = self._pooled(x)
        mean = x.mean(dim=dims, keepdim=True)
        return mean, (x**2).mean(dim=dims, keepdim=True) - mean**2


class Broken8(_Suspect):
    """A suspect."""

    def _begin(self) -> None:
        nn.init.zeros_(self.moving_var)


class Broken9(_Suspect):
    """A suspect."""

    def _begin(self) -> None:
        for name in ('moving_mean', 'moving_var'):
            self.register_buffer(name, getattr(self, name), persistent=False)


class Broken10(_Suspect):
    """A suspect."""

    def _remember(self, mean: Tensor, var: Tensor, n: int) -> None:
        self.num_batches_tracked += 1
        rate, unbiased = self._rate(), var * n / (n - 1)
        old, old_var = self.moving_mean, self.moving_var
        self.moving_mean = ((1 - rate) * old + rate * mean).to(old.dtype)
        new_var = (1 - rate) * old_var + rate * unbiased
        self.moving_var = new_var.to(old_var.dtype)
