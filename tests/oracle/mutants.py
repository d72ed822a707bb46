"""Broken layers: for each column of the oracle some that are wrong there.

A mutant is norm.py with a few words changed. Below stand whole layers as
courses teach them, each written anew with the faults that it is known for.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from d2lmini import norm


class Mutant(NamedTuple):
    """A way to break the layer, and the column that must tell."""

    column: str
    fault: str
    changes: tuple[tuple[str, str], ...]  # old and new words of norm.py

    def build(self) -> type[nn.Module]:
        """Return the broken `BatchNorm`."""
        source = inspect.getsource(norm)
        for old, new in self.changes:
            assert old in source, f'{self.fault}: norm.py has no {old!r}'
            source = source.replace(old, new)
        names: dict[str, Any] = {'__name__': 'mutant'}
        exec(source, names)
        layer: type[nn.Module] = names['BatchNorm']
        return layer


def _change(column: str, fault: str, *words: str) -> Mutant:
    """Take old and new words in turn."""
    return Mutant(
        column, fault, tuple(zip(words[::2], words[1::2], strict=True))
    )


_DIMS = '[d for d in range(X.dim()) if d != 1]'
_REST = 'rest = centered.sum('
_ONCE = 'x.detach().mean', 'x.mean', 'centered - rest', 'centered'
_VAR = '(centered**2).sum(dim=dims, keepdim=True) / n'
_UNBIASED = 'unbiased = var * n / (n - 1)'
_ROOT = 'torch.sqrt(var + eps)'
_SCALE = 'scale = gamma /'
_Y = 'scale * centered + beta'
_CENTERED = 'centered = x - mean'
_FLOAT = 'X.float() if X.dtype in (torch.half, torch.bfloat16) else X'
_GAMMA = 'nn.Parameter(torch.ones(shape))'
_BUFFER_MEAN = "register_buffer('moving_mean', torch.zeros(shape))"
_BUFFER_VAR = "register_buffer('moving_var', torch.ones(shape))"
_BUFFER_COUNT = "register_buffer('num_batches_tracked', torch.tensor(0))"
_COUNT = 'if self.training:\n            self.num_batches_tracked += 1'
_KEEP_MEAN = 'if self.training:\n            self.moving_mean.copy_(mean)'
_RATE = 'momentum = self.momentum\n'
_NONE = '1 / max(1, int(self.num_batches_tracked))'
_FORWARD = '    def forward('
_ONE = 'training and n < 2'

MUTANTS = (
    _change('train_output', 'pools the batch only', _DIMS, '[0]'),
    _change('train_output', 'pools each example', _DIMS, '[1]'),
    _change(
        'train_output', 'pools the channels too', _DIMS, '[*range(X.dim())]',
        '.sum(dim=dims, keepdim=True) / n', '.mean(dim=dims, keepdim=True)',
    ),
    _change(
        'train_output', 'unbiased variance to normalize',
        _VAR, 'x.var(dim=dims, keepdim=True)', _UNBIASED, 'unbiased = var',
    ),
    _change('train_output', 'divides by the variance', _ROOT, '(var + eps)'),
    _change(
        'train_output', 'gamma and beta swapped',
        _SCALE, 'scale = beta /', _Y, 'scale * centered + gamma',
    ),
    _change(
        'train_output', 'beta left out', _Y, 'scale * centered + 0 * beta'
    ),
    _change(
        'train_output', 'changes its input',
        _CENTERED, 'centered = x.data.sub_(mean.detach())',
    ),
    _change(
        'eval_output', 'batch statistics in evaluation',
        'if training else moving_mean', '',
        'if training:\n        rest', 'if True:\n        rest',
    ),
    _change(
        'eval_output', 'remembers in evaluation',
        _KEEP_MEAN, 'if True:\n            self.moving_mean.lerp_('
        'X.mean(dim=[0, 2, 3][: X.dim() - 1], keepdim=True), 0.1)',
    ),
    _change(
        'eval_output', 'another eps in evaluation',
        _ROOT, 'torch.sqrt(var + (eps if training else 1e3 * eps))',
    ),
    _change(
        'grad_input', 'statistics without gradient',
        _REST, 'rest = centered.detach().sum(', _VAR, f'({_VAR}).detach()',
    ),
    _change(
        'grad_input', 'mean without gradient',
        _REST, 'rest = centered.detach().sum(',
    ),
    _change(
        'grad_input', 'variance without gradient', _VAR, f'({_VAR}).detach()'
    ),
    _change(
        'grad_gamma', 'gamma detached',
        _SCALE, 'scale = gamma.detach() /',
    ),
    _change(
        'grad_gamma', 'gradient to gamma turned round', _SCALE,
        'scale = gamma.detach() ** 2 / gamma /',
    ),
    _change(
        'grad_beta', 'beta detached',
        _Y, 'scale * centered + beta.detach()',
    ),
    _change(
        'grad_beta', 'half of the gradient to beta',
        _Y, 'scale * centered + (beta + beta.detach()) / 2',
    ),
    _change(
        'parameters', 'the mean is a parameter', f'self.{_BUFFER_MEAN}',
        'self.moving_mean = nn.Parameter(torch.zeros(shape), False)',
    ),
    _change(
        'parameters', 'gamma is no parameter',
        _GAMMA, 'torch.ones(shape).requires_grad_()',
    ),
    _change(
        'moving_mean', 'mean starts at one',
        _BUFFER_MEAN, _BUFFER_MEAN.replace('zeros', 'ones'),
    ),
    _change(
        'moving_mean', 'mean forgets nothing',
        '(1 - momentum) * moving_mean', 'moving_mean',
    ),
    _change(
        'moving_var', 'biased variance remembered', _UNBIASED, 'unbiased = var'
    ),
    _change(
        'moving_var', 'variance starts at zero',
        _BUFFER_VAR, _BUFFER_VAR.replace('ones', 'zeros'),
    ),
    _change(
        'moving_var', 'standard deviation remembered',
        _UNBIASED, 'unbiased = torch.sqrt(var * n / (n - 1))',
    ),
    _change('num_batches', 'does not count', 'tracked += 1', 'tracked += 0'),
    _change(
        'num_batches', 'no num_batches_tracked saved',
        f'self.{_BUFFER_COUNT}', 'self.num_batches_tracked = torch.tensor(0)',
    ),
    _change(
        'num_batches', 'counts in evaluation',
        _COUNT, _COUNT.replace('self.training', 'True'),
    ),
    _change(
        'momentum', 'momentum the other way',
        _Y, _Y, _RATE, 'momentum = 1 - self.momentum\n',
    ),
    _change('momentum', 'momentum fixed', _RATE, 'momentum = 0.1\n'),
    _change(
        'momentum', 'momentum 0 taken for none given',
        _RATE, 'momentum = self.momentum or 0.1\n',
    ),
    _change('momentum_none', 'momentum=None ignored', _NONE, '0.1'),
    _change(
        'momentum_none', 'momentum=None starts one late',
        _NONE, _NONE.replace('max(1,', '(1 +'),
    ),
    _change('eps', 'eps fixed', _ROOT, 'torch.sqrt(var + 1e-5)'),
    _change('eps', 'eps outside the root', _ROOT, '(torch.sqrt(var) + eps)'),
    _change('eps', 'eps remembered', _UNBIASED, f'{_UNBIASED} + eps'),
    _change(
        'eps', 'no argument eps',
        'eps: float = 1e-5,', '', '= eps, momentum', '= 1e-5, momentum',
    ),
    _change('constant', 'eps missing', _ROOT, 'torch.sqrt(var)'),
    _change(
        'constant', 'variance clamped',
        _ROOT, 'torch.sqrt(var.clamp(min=eps))',
    ),
    _change(
        'offset', 'E[x^2] - E[x]^2',
        _VAR, '(x**2).mean(dim=dims, keepdim=True) - mean**2',
    ),
    _change(
        'offset', 'E[x^2] - E[x]^2, not below 0', _VAR,
        '((x**2).mean(dim=dims, keepdim=True) - mean**2).clamp(min=0)',
    ),
    _change(
        'one_value', 'one value passes silently',
        _ONE, 'False', '/ (n - 1)', '/ max(1, n - 1)',
    ),
    _change(
        'one_value', 'one value raises another error',
        _ONE, 'training and 1 / (n - 1) < 0',
    ),
    _change('one_value', 'one image refused', _ONE, 'training and len(X) < 2'),
    _change(
        'one_value', 'one value refused in evaluation too', _ONE, 'n < 2'
    ),
    _change(
        'train_no_grad', 'without gradients it evaluates',
        'self.training', '(self.training and torch.is_grad_enabled())',
    ),
    _change(
        'train_no_grad', 'without gradients it remembers nothing',
        _KEEP_MEAN, 'if self.training and torch.is_grad_enabled():\n'
        '            self.moving_mean.copy_(mean)',
    ),
    _change(
        'eval_grad', 'with gradients it trains',
        'self.training', '(self.training or torch.is_grad_enabled())',
    ),
    _change(
        'eval_grad', 'is_grad_enabled is the mode',
        'self.training', 'torch.is_grad_enabled()',
    ),
    _change(
        'eval_grad', 'evaluation without gradient',
        _CENTERED, 'centered = (x if training else x.detach()) - mean',
    ),
    _change(
        'save_load', 'mean not saved',
        _BUFFER_MEAN, _BUFFER_MEAN.replace(')', ''),
        "'moving_mean', torch.zeros(shape",
        "'moving_mean', torch.zeros(shape), persistent=False)",
    ),
    _change(
        'save_load', 'gamma not saved',
        f'self.gamma = {_GAMMA}',
        f"object.__setattr__(self, 'gamma', {_GAMMA})",
    ),
    _change(
        'to_device', 'mean a plain tensor',
        f'self.{_BUFFER_MEAN}', 'self.moving_mean = torch.zeros(shape)',
    ),
    _change(
        'to_device', 'variance a plain tensor',
        f'self.{_BUFFER_VAR}', 'self.moving_var = torch.ones(shape)',
    ),
    _change('double', 'all computed in float32', _FLOAT, 'X.float()'),
    _change(
        'double', 'variance stays float32',
        f'self.{_BUFFER_VAR}', 'self.moving_var = torch.ones(shape)',
    ),
    _change('half', 'half computed in half', _FLOAT, 'X'),
    _change(
        'half', 'only bfloat16 widened',
        'in (torch.half, torch.bfloat16)', '== torch.bfloat16',
    ),
    _change('half', 'float32 given back', '.to(X.dtype)', ''),
    _change(
        'bfloat16', 'bfloat16 computed in bfloat16', _FLOAT, 'X', *_ONCE
    ),
    _change(
        'bfloat16', 'only half widened',
        'in (torch.half, torch.bfloat16)', '== torch.half', *_ONCE,
    ),
    _change('bfloat16', 'float32 given back', '.to(X.dtype)', ''),
    _change(
        'deepcopy', 'a copy is the layer itself', _FORWARD,
        '    def __deepcopy__(self, memo):\n'
        '        return self\n\n' + _FORWARD,
    ),
    _change(
        'deepcopy', 'a copy shares the tensors', _FORWARD,
        '    def __deepcopy__(self, memo):\n'
        '        twin = type(self)(self.gamma.numel(), self.gamma.dim())\n'
        '        twin._parameters = self._parameters\n'
        '        twin._buffers = self._buffers\n'
        '        return twin\n\n' + _FORWARD,
    ),
    _change(
        'deepcopy', 'a copy starts anew', _FORWARD,
        '    def __deepcopy__(self, memo):\n'
        '        return type(self)(self.gamma.numel(), self.gamma.dim())\n\n'
        + _FORWARD,
    ),
    _change(
        'no_graph', 'the memory keeps the graph',
        'torch.no_grad()', 'torch.enable_grad()',
    ),
    _change(
        'no_graph', 'the last output is kept',
        '        return Y\n', '        self.Y = Y\n        return Y\n',
    ),
    _change(
        'non_contiguous', 'view', 'X.numel() //', 'X.view(-1).numel() //'
    ),
    _change(
        'non_contiguous', 'strides disregarded',
        _FLOAT, 'X.as_strided(X.shape, torch.empty(X.shape).stride())',
    ),
    _change(
        'channels_last', 'channels first given back',
        '.to(X.dtype)', '.contiguous()',
    ),
    _change(
        'channels_last', 'channels first from the start',
        _FLOAT, f'({_FLOAT}).contiguous()',
    ),
    _change(
        'gradcheck', 'statistics without gradient',
        _REST, 'rest = centered.detach().sum(', _VAR, f'({_VAR}).detach()',
    ),
    _change(
        'gradcheck', 'variance without gradient', _VAR, f'({_VAR}).detach()'
    ),
)  # fmt: skip


class _Taught(nn.Module):
    """What the taught layers share: gamma, beta, the shape of a channel."""

    def __init__(self, num_features: int, num_dims: int) -> None:
        super().__init__()
        self.shape = (1, num_features) + (1,) * (num_dims - 2)
        self.dims = (0, 2, 3)[: num_dims - 1]
        self.gamma = nn.Parameter(torch.ones(self.shape))
        self.beta = nn.Parameter(torch.zeros(self.shape))

    def moments(self, X: Tensor) -> tuple[Tensor, Tensor]:
        mean = X.mean(self.dims, keepdim=True)
        return mean, ((X - mean) ** 2).mean(self.dims, keepdim=True)

    def affine(self, X: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return self.gamma * (X - mean) / torch.sqrt(var + 1e-5) + self.beta


class Lecture(_Taught):
    """The lecture's: gradients are the mode, plain tensors the memory."""

    old = 0.9  # the weight of the past

    def __init__(self, num_features: int, num_dims: int) -> None:
        super().__init__(num_features, num_dims)
        self.moving_mean = torch.zeros(self.shape)
        self.moving_var = torch.ones(self.shape)

    def forward(self, X: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return self.affine(X, self.moving_mean, self.moving_var)
        mean, var = self.moments(X)
        old, new = self.old, 1 - self.old
        self.moving_mean = (old * self.moving_mean + new * mean).data
        self.moving_var = (old * self.moving_var + new * var).data
        return self.affine(X, mean, var)


class PlainTensors(Lecture):
    """The book's later one: momentum as in torch, else as the lecture's."""

    def __init__(
        self, num_features: int, num_dims: int, momentum: float = 0.1
    ) -> None:
        super().__init__(num_features, num_dims)
        self.old = 1 - momentum


class CutGradient(_Taught):
    """Statistics under no_grad; the unbiased variance normalizes."""

    def __init__(
        self,
        num_features: int,
        num_dims: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__(num_features, num_dims)
        self.eps, self.momentum = eps, momentum
        self.register_buffer('moving_mean', torch.zeros(self.shape))
        self.register_buffer('moving_var', torch.ones(self.shape))

    def forward(self, X: Tensor) -> Tensor:
        mean, var = self.moving_mean, self.moving_var
        if self.training:
            with torch.no_grad():
                mean = X.mean(self.dims, keepdim=True)
                var = X.var(self.dims, keepdim=True)
                self.moving_mean.lerp_(mean, self.momentum)
                self.moving_var.lerp_(var, self.momentum)
        X_hat = (X - mean) / (var + self.eps).sqrt()
        return self.gamma * X_hat + self.beta


class RunningDeviation(_Taught):
    """No eps; remembers the standard deviation; unbiased to normalize."""

    def __init__(self, num_features: int, num_dims: int) -> None:
        super().__init__(num_features, num_dims)
        self.register_buffer('moving_mean', torch.zeros(self.shape))
        self.register_buffer('moving_var', torch.ones(self.shape))

    def forward(self, X: Tensor) -> Tensor:
        mean, std = self.moving_mean, self.moving_var
        if self.training:
            mean = X.mean(self.dims, keepdim=True)
            std = X.std(self.dims, keepdim=True)
            with torch.no_grad():
                self.moving_mean.lerp_(mean, 0.1)
                self.moving_var.lerp_(std, 0.1)
        return self.gamma * (X - mean) / std + self.beta


class GraphKept(_Taught):
    """E[x^2] - E[x]^2, and a memory that is part of the graph."""

    def __init__(
        self, num_features: int, num_dims: int, momentum: float = 0.1
    ) -> None:
        super().__init__(num_features, num_dims)
        self.momentum = momentum
        self.register_buffer('moving_mean', torch.zeros(self.shape))
        self.register_buffer('moving_var', torch.ones(self.shape))

    def forward(self, X: Tensor) -> Tensor:
        if not self.training:
            return self.affine(X, self.moving_mean, self.moving_var)
        mean = X.mean(self.dims, keepdim=True)
        var = (X**2).mean(self.dims, keepdim=True) - mean**2
        old, new = 1 - self.momentum, self.momentum
        self.moving_mean = old * self.moving_mean + new * mean
        self.moving_var = old * self.moving_var + new * var
        return self.affine(X, mean, var)


class Taught(NamedTuple):
    """A layer that is taught, and what was measured of it elsewhere."""

    make: Callable[..., nn.Module]
    wrong: set[str]
    right: set[str]


_MODE = {'train_no_grad', 'eval_grad'}
_TENSORS = {'num_batches', 'save_load', 'to_device', 'double'}
_FORWARD_AND_BACK = {'train_output', 'grad_input', 'grad_gamma', 'grad_beta'}
TAUGHT = {
    'the lecture': Taught(
        Lecture,
        {'moving_var', 'momentum', 'momentum_none', 'eps', 'one_value'}
        | _MODE
        | _TENSORS,
        _FORWARD_AND_BACK | {'moving_mean', 'offset', 'no_graph', 'deepcopy'},
    ),
    'plain tensors': Taught(
        PlainTensors,
        {'moving_var', 'momentum_none', 'one_value'} | _MODE | _TENSORS,
        _FORWARD_AND_BACK | {'moving_mean', 'offset', 'no_graph'},
    ),
    'cut gradient': Taught(
        CutGradient,
        {'train_output', 'grad_input', 'train_no_grad', 'gradcheck'},
        {'moving_mean', 'moving_var', 'momentum', 'eval_grad', 'save_load'}
        | {'to_device', 'no_graph', 'eval_output'},
    ),
    'running deviation': Taught(
        RunningDeviation,
        {'train_output', 'grad_input', 'moving_var', 'constant', 'one_value'},
        {'moving_mean', 'save_load', 'no_graph'},
    ),
    'graph kept': Taught(
        GraphKept,
        {'moving_var', 'offset', 'no_graph', 'deepcopy', 'eval_grad'},
        _FORWARD_AND_BACK | {'moving_mean', 'save_load', 'gradcheck'},
    ),
}
