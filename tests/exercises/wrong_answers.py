"""What learners hand in: wrong answers, each with its mistake, and right ones.

They are written as people write them, not as norm.py is. That a known mistake
gets its name, test_gate.py says; here it is made in other code.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from torch import Tensor, nn

import d2lmini as d2l


def _check_size(X: Tensor, training: bool) -> None:
    if training and X.numel() == X.shape[1]:
        raise ValueError('a batch of one')


# Right functions.


def with_reshape(
    X, gamma, beta, moving_mean, moving_var, eps, momentum, training
):
    """All values of a channel in a column."""
    _check_size(X, training)
    C = X.shape[1]
    columns = X.transpose(0, 1).reshape(C, -1).T
    if training:
        mean, var = columns.mean(0), columns.var(0, unbiased=False)
        with torch.no_grad():
            new_var = columns.var(0).view_as(moving_var)
            moving_mean = torch.lerp(
                moving_mean, mean.view_as(moving_mean), momentum
            )
            moving_var = torch.lerp(moving_var, new_var, momentum)
    else:
        mean, var = moving_mean.reshape(C), moving_var.reshape(C)
    columns = (columns - mean) * (var + eps).rsqrt()
    columns = columns * gamma.reshape(C) + beta.reshape(C)
    shape = (C, X.shape[0], *X.shape[2:])
    return columns.T.reshape(shape).transpose(0, 1), moving_mean, moving_var


def with_einsum(
    X, gamma, beta, moving_mean, moving_var, eps, momentum, training
):
    """Flat statistics, taken back as they were given."""
    _check_size(X, training)
    C = X.shape[1]
    shape = [1, C] + [1] * (X.dim() - 2)
    flat = X.reshape(X.shape[0], C, -1)
    n = flat.shape[0] * flat.shape[2]
    mean, var = moving_mean.flatten(), moving_var.flatten()
    if training:
        mean = torch.einsum('ncp->c', flat) / n
        away = flat - mean[None, :, None]
        var = torch.einsum('ncp,ncp->c', away, away) / n
        m, v = mean.detach(), var.detach() * n / (n - 1)
        moving_mean = moving_mean.flatten() * (1 - momentum) + momentum * m
        moving_var = moving_var.flatten() * (1 - momentum) + momentum * v
    scale = gamma.flatten() / torch.sqrt(var + eps)
    shift = beta.flatten() - mean * scale
    Y = X * scale.view(shape) + shift.view(shape)
    return Y, moving_mean, moving_var


def with_var_mean(
    X, gamma, beta, moving_mean, moving_var, eps, momentum, training
):
    """Write into the moving averages, and return them."""
    _check_size(X, training)
    if not training:
        Y = gamma * (X - moving_mean) / (moving_var + eps) ** 0.5 + beta
        return Y, moving_mean, moving_var
    dims = (0,) if X.ndim == 2 else (0, 2, 3)
    var, mean = torch.var_mean(X, dims, correction=0, keepdim=True)
    n = X.numel() / X.size(1)
    moving_mean.mul_(1 - momentum).add_(momentum * mean.detach())
    moving_var.mul_(1 - momentum).add_(momentum * var.detach() * n / (n - 1))
    Y = gamma * (X - mean) / (var + eps) ** 0.5 + beta
    return Y, moving_mean, moving_var


def with_torch(X, gamma, beta, mean, var, eps, momentum, training):
    """Torch's own function; the averages come back flat."""
    mean, var = mean.flatten().clone(), var.flatten().clone()
    gamma, beta = gamma.flatten(), beta.flatten()
    Y = F.batch_norm(X, mean, var, gamma, beta, training, momentum, eps)
    return Y, mean, var


def with_native(X, gamma, beta, mean, var, eps, momentum, training):
    """Torch's function, which writes into the averages that came."""
    flat = [each.view(-1) for each in (mean, var, gamma, beta)]
    return [F.batch_norm(X, *flat, training, momentum, eps), mean, var]


def by_channel(
    X, gamma, beta, moving_mean, moving_var, eps, momentum, training
):
    """Loop over the channels, as a beginner does."""
    _check_size(X, training)
    outputs = []
    new_mean, new_var = moving_mean.clone(), moving_var.clone()
    for c in range(X.shape[1]):
        x = X[:, c]
        mean, var = moving_mean[0, c].squeeze(), moving_var[0, c].squeeze()
        if training:
            mean = x.sum() / x.numel()
            var = ((x - mean) ** 2).sum() / x.numel()
            with torch.no_grad():
                m = x.numel()
                new_mean[0, c] += momentum * (mean - new_mean[0, c])
                new_var[0, c] += momentum * (var * m / (m - 1) - new_var[0, c])
        x_hat = (x - mean) / torch.sqrt(var + eps)
        outputs.append(x_hat * gamma[0, c] + beta[0, c])
    return torch.stack(outputs, dim=1), new_mean, new_var


def chatty(*args):
    print('called with', len(args), 'arguments')
    return d2l.batch_norm(*args)


class TooFew(ValueError):  # noqa: N818 - as a learner may call it
    pass


def with_own_error(X, gamma, beta, *rest):
    """Raise a kind of ValueError."""
    if rest[-1] and X.numel() == X.shape[1]:
        raise TooFew
    return d2l.batch_norm(X, gamma, beta, *rest)


RIGHT_FUNCTIONS = [
    d2l.batch_norm,
    with_reshape,
    with_einsum,
    with_var_mean,
    with_torch,
    with_native,
    by_channel,
    chatty,
    with_own_error,
]


# Right layers.


class Wrapped(nn.Module):
    """Torch's layer inside; its names are those of the inner layer."""

    def __init__(self, num_features, num_dims, eps=1e-5, momentum=0.1):
        super().__init__()
        kind = nn.BatchNorm1d if num_dims == 2 else nn.BatchNorm2d
        self.bn = kind(num_features, eps=eps, momentum=momentum)

    def forward(self, X):
        return self.bn(X)


def made_by_torch(num_features, num_dims, **options):
    kind = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}[num_dims]
    return kind(num_features, **options)


class AnyShape(nn.modules.batchnorm._BatchNorm):
    """Torch's base class, without a check of the axes."""

    def __init__(self, num_features, num_dims, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)

    def _check_input_dim(self, input):
        pass


class Flat(nn.Module):
    """Everything as (C,), and torch's names."""

    def __init__(self, num_features, num_dims=2, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer('running_mean', torch.zeros(num_features))
        self.register_buffer('running_var', torch.ones(num_features))

    def forward(self, X):
        held = self.weight, self.bias, self.running_mean, self.running_var
        Y, self.running_mean, self.running_var = with_einsum(
            X, *held, self.eps, self.momentum, self.training
        )
        return Y


class InPlace(nn.Module):
    """Updates by `lerp_`; statistics on the transposed batch."""

    def __init__(self, num_features, num_dims, *, momentum=0.1, eps=1e-5):
        super().__init__()
        shape = (1, num_features, 1, 1)[:num_dims]
        self.gamma = nn.Parameter(torch.ones(*shape))
        self.beta = nn.Parameter(torch.zeros(*shape))
        self.register_buffer('moving_mean', torch.zeros(*shape))
        self.register_buffer('moving_var', torch.ones(*shape))
        self.register_buffer('num_batches_tracked', torch.tensor(0))
        self.keep, self.eps = momentum, eps

    def forward(self, X):
        if self.training:
            rows = X.movedim(1, 0).flatten(1)
            if rows.shape[1] < 2:
                raise ValueError('more than one value, please')
            mean = rows.mean(1).view_as(self.gamma)
            var = rows.var(1, correction=0).view_as(self.gamma)
            with torch.no_grad():
                n = rows.shape[1]
                self.moving_mean.lerp_(mean, self.keep)
                self.moving_var.lerp_(var * n / (n - 1), self.keep)
                self.num_batches_tracked += 1
        else:
            mean, var = self.moving_mean, self.moving_var
        return torch.addcmul(
            self.beta, self.gamma, (X - mean) / (var + self.eps).sqrt()
        )


def around(fn: Callable[..., Any]) -> type[nn.Module]:
    """Return a layer that does what a function does."""

    class BatchNorm(d2l.BatchNorm):
        def forward(self, X):
            old = self.moving_mean.clone(), self.moving_var.clone()
            rest = self.eps, self.momentum, self.training
            Y, mean, var = fn(X, self.gamma, self.beta, *old, *rest)
            with torch.no_grad():
                self.moving_mean = mean.reshape(self.moving_mean.shape)
                self.moving_var = var.reshape(self.moving_var.shape)
            return Y

    BatchNorm.__name__ = fn.__name__
    return BatchNorm


RIGHT_LAYERS = [
    d2l.BatchNorm,
    d2l.torch_norm,
    Wrapped,
    made_by_torch,
    AnyShape,
    Flat,
    InPlace,
    *map(around, RIGHT_FUNCTIONS[1:]),
]


# Wrong functions: lines that a learner may write, put into one frame.

FRAME = """
def batch_norm(
    X, gamma, beta, moving_mean, moving_var, eps, momentum, training
):
    n = X.numel() // X.shape[1]
    dims = (0,) if X.dim() == 2 else (0, 2, 3)
    if training:
        if n == 1:
            raise ValueError('n is 1')
        mean = torch.mean(X, dim=dims, keepdim=True)
        var = torch.var(X, dim=dims, unbiased=False, keepdim=True)
        X_hat = (X - mean) / torch.sqrt(var + eps)
        with torch.no_grad():
            to_keep = var * n / (n - 1)
            moving_mean = moving_mean * (1 - momentum) + mean * momentum
            moving_var = moving_var * (1 - momentum) + to_keep * momentum
    else:
        X_hat = (X - moving_mean) / torch.sqrt(moving_var + eps)
    Y = X_hat * gamma + beta
    return Y, moving_mean, moving_var
"""
_MEAN = 'torch.mean(X, dim=dims, keepdim=True)'
_VAR = 'torch.var(X, dim=dims, unbiased=False, keepdim=True)'
_BIASED = 'to_keep = var * n / (n - 1)'
_ROOT = 'X_hat = (X - mean) / torch.sqrt(var + eps)'
_OLD = 'X_hat = (X - moving_mean) / torch.sqrt(moving_var + eps)'
_NEW_MEAN = 'moving_mean * (1 - momentum) + mean * momentum'
_NEW_VAR = 'moving_var * (1 - momentum) + to_keep * momentum'
_NO_GRAD = 'with torch.no_grad():'
_GUARD = 'if n == 1:'
_END = '    Y = X_hat'
_RETURN = 'Y, moving_mean, moving_var\n'


def _divides_by(root: str) -> tuple[str, ...]:
    """Return the words that change what both modes divide by."""
    old = root.replace('var', 'moving_var')
    return (
        *(_ROOT, f'X_hat = (X - mean) / {root}'),
        *(_OLD, f'X_hat = (X - moving_mean) / {old}'),
    )


# (mistake, fault, old and new words in turn)
LINES: list[tuple[str, str, tuple[str, ...]]] = [
    ('no_keepdim', 'mean over dims, flat', (
        _MEAN, 'X.mean(dims)', _VAR, 'X.var(dims, unbiased=False)')),
    ('axes_batch_only', 'dim 0 for images too', ('(0, 2, 3)', '(0,)')),
    ('axes_one_example', 'instance norm', ('(0, 2, 3)', '(2, 3)')),
    ('axes_example', 'layer norm', ('(0,) if', '(1,) if',
                                    '(0, 2, 3)', '(1, 2, 3)')),
    ('axes_channels', 'axis 1', ('(0,) if', '(1,) if', '(0, 2, 3)', '(1,)')),
    ('axes_all', 'X.mean()', (_MEAN, 'X.mean()',
                              _VAR, 'X.var(unbiased=False)')),
    ('axes_last', 'channels last', ('(0, 2, 3)', '(0, 1, 2)')),
    ('axes_one_direction', 'forgets the columns', ('(0, 2, 3)', '(0, 2)')),
    ('axes_one_direction', 'forgets the rows', ('(0, 2, 3)', '(0, 3)')),
    ('unbiased_normalizes', 'X.var as it comes', (
        _VAR, 'X.var(dims, keepdim=True)', _BIASED, 'to_keep = var')),
    ('unbiased_normalizes', 'X.std squared', (
        _VAR, 'X.std(dims, keepdim=True) ** 2', _BIASED, 'to_keep = var')),
    ('biased_remembered', 'var as it is', (_BIASED, 'to_keep = var')),
    ('counts_examples', 'N for n', (
        _BIASED, 'to_keep = var * len(X) / max(1, len(X) - 1)')),
    ('std_remembered', 'std kept', (
        _BIASED, 'to_keep = (var * n / (n - 1)).sqrt()')),
    ('momentum_reversed', 'the lecture\'s way', (
        _NEW_MEAN, 'momentum * moving_mean + (1 - momentum) * mean',
        _NEW_VAR, 'momentum * moving_var + (1 - momentum) * to_keep')),
    ('momentum_fixed', '0.9 and 0.1', (
        _NEW_MEAN, '0.9 * moving_mean + 0.1 * mean',
        _NEW_VAR, '0.9 * moving_var + 0.1 * to_keep')),
    ('replaced', 'no average', (_NEW_MEAN, 'mean', _NEW_VAR, 'to_keep')),
    ('forgets_nothing', 'only adds', (
        _NEW_MEAN, 'moving_mean + momentum * mean',
        _NEW_VAR, 'moving_var + momentum * to_keep')),
    ('not_remembered', 'other names', (
        f'moving_mean = {_NEW_MEAN}', f'running_mean = {_NEW_MEAN}',
        f'moving_var = {_NEW_VAR}', f'running_var = {_NEW_VAR}')),
    ('always_trains', 'no look at training', (
        'if training:', 'if True:')),
    ('gradients_mode', 'is_grad_enabled', (
        'if training:', 'if torch.is_grad_enabled():')),
    ('gradients_mode', 'training and gradients', (
        'if training:', 'if training and torch.is_grad_enabled():')),
    ('mode_reversed', 'not training', ('if training:', 'if not training:')),
    ('batch_in_eval', 'batch statistics', (
        _OLD, 'X_hat = (X - X.mean(dims, keepdim=True)) / torch.sqrt('
        'X.var(dims, unbiased=False, keepdim=True) + eps)')),
    ('remembers_in_eval', 'updates in both', (
        _END, '    if not training:\n'
        '        m = torch.mean(X, dim=dims, keepdim=True)\n'
        '        v = torch.var(X, dim=dims, keepdim=True)\n'
        '        if n == 1:\n'
        '            v = torch.zeros_like(v)\n'
        '        moving_mean = moving_mean * (1 - momentum) + m * momentum\n'
        '        moving_var = moving_var * (1 - momentum) + v * momentum\n'
        + _END)),
    ('moving_in_training', 'moving averages in both', (_ROOT, _OLD)),
    ('updated_in_training', 'normalizes last', (
        _ROOT, '', _END, '    X_hat = (X - moving_mean) / '
        'torch.sqrt(moving_var + eps)\n' + _END)),
    ('cut_gradient', 'all under no_grad', (
        _MEAN, 'X.detach().mean(dims, keepdim=True)',
        _VAR, 'X.detach().var(dims, unbiased=False, keepdim=True)')),
    ('cut_mean', 'mean.data', (_MEAN, f'{_MEAN}.data',
                               _VAR, 'X.var(dims, False, keepdim=True)')),
    ('cut_var', 'item by item', (_VAR, f'{_VAR}.data')),
    ('cut_gamma', 'gamma.data', ('* gamma', '* gamma.data')),
    ('cut_all', 'Y.data', (_RETURN, f'Y.data, {_RETURN[3:]}')),
    ('keeps_graph', 'no no_grad', (_NO_GRAD, 'if True:')),
    ('eps_outside', 'sqrt plus eps', _divides_by('(var.sqrt() + eps)')),
    ('eps_missing', 'std alone', _divides_by('var.sqrt()')),
    ('eps_twice', 'inside and outside', _divides_by(
        '(torch.sqrt(var + eps) + eps)')),
    ('eps_least', 'clamp', _divides_by('var.clamp(min=eps).sqrt()')),
    ('eps_fixed', 'a number', _divides_by('torch.sqrt(var + 1e-5)')),
    ('eps_remembered', 'eps added early', (
        _BIASED, f'{_BIASED} + eps')),
    ('not_rooted', 'divides by the variance', _divides_by('(var + eps)')),
    ('mean_left', 'not centred', (
        _ROOT, 'X_hat = X / torch.sqrt(var + eps)',
        _OLD, 'X_hat = X / torch.sqrt(moving_var + eps)')),
    ('var_not_centred', 'mean of squares', (
        _VAR, '(X**2).mean(dims, keepdim=True)')),
    ('var_summed', 'sum of squares', (
        _VAR, '((X - mean) ** 2).sum(dims, keepdim=True)')),
    ('cancels', 'E[x^2] - E[x]^2', (
        _VAR, '(X * X).mean(dims, keepdim=True) - mean * mean')),
    ('cancels', 'the same, clamped', (
        _VAR, '((X * X).mean(dims, keepdim=True) - mean**2).clamp(0)')),
    ('swapped', 'beta scales', (
        'X_hat * gamma + beta', 'X_hat * beta + gamma')),
    ('no_gamma_beta', 'X_hat returned', ('X_hat * gamma + beta', 'X_hat')),
    ('no_gamma', 'gamma left out', (
        'X_hat * gamma + beta', 'X_hat + beta')),
    ('no_beta', 'beta left out', ('X_hat * gamma + beta', 'X_hat * gamma')),
    ('beta_inside', 'shift first', (
        'X_hat * gamma + beta', 'gamma * (X_hat + beta)')),
    ('brackets', 'division first', (
        _ROOT, 'X_hat = X - mean / torch.sqrt(var + eps)',
        _OLD, 'X_hat = X - moving_mean / torch.sqrt(moving_var + eps)')),
    ('std_for_var', 'X.std', (_VAR, _VAR.replace('torch.var', 'torch.std'))),
    ('divided_by_examples', 'by len(X)', (
        _VAR, '((X - mean) ** 2).sum(dims, keepdim=True) / len(X)')),
    ('eps_momentum', 'other order', (
        'eps, momentum, training', 'momentum, eps, training, *none')),
    ('counts_examples', 'all channels', (
        _BIASED, 'to_keep = var * X.numel() / max(1, X.numel() - 1)')),
    ('no_gamma_beta_in_eval', 'X_hat then', (
        'X_hat * gamma + beta',
        'X_hat * gamma + beta if training else X_hat')),
    ('reshaped', 'reshape(-1, C)', (
        _MEAN, 'X.reshape(-1, X.shape[1]).mean(0).view_as(gamma)',
        _VAR, 'X.reshape(-1, X.shape[1]).var(0, correction=0).view_as(gamma)',
    )),
    ('not_flat', 'F.batch_norm', (
        '    n = X', '    Y = nn.functional.batch_norm(X, moving_mean, '
        'moving_var, gamma, beta, training, momentum, eps)\n'
        '    return Y, moving_mean, moving_var\n    n = X')),
    ('two_values', 'n < 3', (_GUARD, 'if n < 3:')),
    ('returns_swapped', 'var before mean', (
        _RETURN, 'Y, moving_var, moving_mean\n')),
    ('one_value', 'silent', (_GUARD, 'if False:', '(n - 1)',
                             'max(n - 1, 1)')),
    ('one_value', 'divides by zero', (_GUARD, 'if False:')),
    ('one_image', 'len(X) < 2', (_GUARD, 'if len(X) < 2:')),
    ('one_value_in_eval', 'refuses always', (
        '    if training:\n',
        '    if n == 1:\n        raise ValueError("n is 1")\n'
        '    if training:\n')),
]  # fmt: skip


def build(words: tuple[str, ...], source: str, name: str) -> Any:
    """Return what a frame defines when some of its words are changed."""
    for old, new in zip(words[::2], words[1::2], strict=True):
        assert old in source, old
        source = source.replace(old, new)
    names: dict[str, Any] = {'torch': torch, 'nn': nn, 'np': np, 'd2l': d2l}
    exec(source, names)
    return names[name]


WRONG_FUNCTIONS = [
    (key, fault, build(words, FRAME, 'batch_norm'))
    for key, fault, words in LINES
]


# Wrong layers.

LAYER_FRAME = """
class BatchNorm(nn.Module):
    def __init__(self, num_features, num_dims, eps=1e-5, momentum=0.1):
        super().__init__()
        shape = (1, num_features)
        if num_dims == 4:
            shape = (1, num_features, 1, 1)
        self.eps = eps
        self.momentum = momentum
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.register_buffer('moving_mean', torch.zeros(shape))
        self.register_buffer('moving_var', torch.ones(shape))

    def forward(self, X):
        mean, var = self.moving_mean, self.moving_var
        if self.training:
            n = X.numel() // X.shape[1]
            if n < 2:
                raise ValueError('a batch of one')
            dims = [0] + list(range(2, X.dim()))
            mean = X.mean(dims, keepdim=True)
            var = X.var(dims, keepdim=True, unbiased=False)
            with torch.no_grad():
                self.moving_mean += self.momentum * (mean - self.moving_mean)
                self.moving_var += self.momentum * (
                    var * n / (n - 1) - self.moving_var
                )
        X_hat = (X - mean) / torch.sqrt(var + self.eps)
        return self.gamma * X_hat + self.beta
"""
_BUFFERS = tuple(
    f"self.register_buffer('{name}', torch.{kind}(shape))"
    for name, kind in (('moving_mean', 'zeros'), ('moving_var', 'ones'))
)
_DIMS = '[0] + list(range(2, X.dim()))'
_MODE = 'if self.training:'
_PARAMETERS = (
    'self.gamma = nn.Parameter(torch.ones(shape))',
    'self.beta = nn.Parameter(torch.zeros(shape))',
)
LAYER_LINES: list[tuple[str, str, tuple[str, ...]]] = [
    ('no_super', 'super forgotten', ('        super().__init__()\n', '')),
    ('no_options', 'no eps, no momentum', (
        ', eps=1e-5, momentum=0.1', '',
        'self.eps = eps', 'self.eps = 1e-5',
        'self.momentum = momentum', 'self.momentum = 0.1')),
    ('no_options', 'no momentum', (
        ', momentum=0.1', '', '= momentum', '= 0.1')),
    ('plain_tensors', 'both plain', (
        _BUFFERS[0], 'self.moving_mean = torch.zeros(shape)',
        _BUFFERS[1], 'self.moving_var = torch.ones(shape)')),
    ('plain_tensors', 'one plain', (
        _BUFFERS[1], 'self.moving_var = torch.ones(shape)')),
    ('not_saved', 'not persistent', (
        _BUFFERS[0], _BUFFERS[0][:-1] + ', persistent=False)',
        _BUFFERS[1], _BUFFERS[1][:-1] + ', persistent=False)')),
    ('trained_averages', 'parameters', (
        _BUFFERS[0], 'self.moving_mean = nn.Parameter(torch.zeros(shape))',
        _BUFFERS[1], 'self.moving_var = nn.Parameter(torch.ones(shape))')),
    ('trained_averages', 'frozen parameters', (
        _BUFFERS[0],
        'self.moving_mean = nn.Parameter(torch.zeros(shape), False)',
        _BUFFERS[1],
        'self.moving_var = nn.Parameter(torch.ones(shape), False)')),
    ('plain_gamma', 'requires_grad only', (
        _PARAMETERS[0], 'self.gamma = torch.ones(shape, requires_grad=True)',
        _PARAMETERS[1], 'self.beta = torch.zeros(shape, requires_grad=True)')),
    ('plain_gamma', 'plain', (
        _PARAMETERS[0], 'self.gamma = torch.ones(shape)',
        _PARAMETERS[1], 'self.beta = torch.zeros(shape)')),
    ('defaults', 'as in Keras', ('eps=1e-5', 'eps=1e-3')),
    ('defaults', 'as in the lecture', ('momentum=0.1', 'momentum=0.9')),
    ('gamma_buffer', 'gamma and beta are buffers', (
        _PARAMETERS[0], "self.register_buffer('gamma', torch.ones(shape))",
        _PARAMETERS[1], "self.register_buffer('beta', torch.zeros(shape))")),
    ('one_gamma', 'a scalar', (
        'torch.ones(shape))\n        self.beta', 'torch.ones(1))\n        '
        'self.beta', 'nn.Parameter(torch.zeros(shape))',
        'nn.Parameter(torch.zeros(1))')),
    ('flat_shape', '(C,) for images', (
        'shape = (1, num_features, 1, 1)', 'shape = (num_features,)')),
    ('var_zeros', 'both start at zero', (
        _BUFFERS[1], _BUFFERS[1].replace('ones', 'zeros'))),
    ('mean_ones', 'mean starts at one', (
        _BUFFERS[0], _BUFFERS[0].replace('zeros', 'ones'))),
    ('gamma_zeros', 'gamma starts at zero', (
        _PARAMETERS[0], _PARAMETERS[0].replace('ones', 'zeros'))),
    ('beta_ones', 'beta starts at one', (
        _PARAMETERS[1], _PARAMETERS[1].replace('zeros', 'ones'))),
    ('gamma_drawn', 'gamma drawn', (
        _PARAMETERS[0], _PARAMETERS[0].replace('ones', 'randn'))),
    ('gamma_drawn', 'gamma drawn by numpy', (
        _PARAMETERS[0], 'self.gamma = nn.Parameter(torch.tensor('
        'np.random.randn(*shape), dtype=torch.float32))')),
    ('gradients_mode', 'or', (
        _MODE, 'if self.training or torch.is_grad_enabled():')),
    ('keeps_graph', 'assigned with its graph', (
        'with torch.no_grad():', 'if True:',
        'self.moving_mean +=', 'self.moving_mean = self.moving_mean +',
        'self.moving_var +=', 'self.moving_var = self.moving_var +')),
    ('keeps_output', 'kept to look at', (
        'X_hat = (X - mean)', 'self.mean = mean\n        X_hat = (X - mean)')),
    ('axes_batch_only', 'X.mean(0)', (_DIMS, '[0]')),
    ('axes_one_example', 'instance norm', (
        _DIMS, '[0] if X.dim() == 2 else [2, 3]')),
    ('axes_channels', 'axis 1', (_DIMS, '[1]')),
]  # fmt: skip
# Not around a function: the layer keeps no graph, and other shapes raise.
NOT_AROUND = ('returns_swapped', 'keeps_graph', 'axes_')
WRONG_LAYERS = [
    *(
        (key, fault, build(words, LAYER_FRAME, 'BatchNorm'))
        for key, fault, words in LAYER_LINES
    ),
    *(
        (key, f'around {fault}', around(fn))
        for key, fault, fn in WRONG_FUNCTIONS
        if not key.startswith(NOT_AROUND) or key == 'axes_all'
    ),
]
RIGHT_FUNCTIONS.append(build((), FRAME, 'batch_norm'))
RIGHT_LAYERS.append(build((), LAYER_FRAME, 'BatchNorm'))
