"""Your turn in lessons 02 and 03: the gradients, and what is remembered."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part, value
from d2lmini.exercises.turn_equations import CHANNEL

Gradients = tuple[Tensor, Tensor, Tensor]


def _backward(
    X: Tensor,
    gamma: Tensor,
    g: Tensor,
    eps: float,
    *,
    dims: tuple[int, ...] = CHANNEL,
    n: float | None = None,
    correction: int = 0,
    mean_path: int = 1,
    var_path: int = 1,
    keep: bool = True,
) -> Gradients:
    """Go backward; the options are what can go wrong on the way."""
    n = n or X.numel() / X.shape[1]
    var, mean = torch.var_mean(X, dims, correction=correction, keepdim=True)
    s = torch.sqrt(var + eps)
    X_hat = (X - mean) / s
    g_beta = g.sum(dim=dims, keepdim=True)
    g_gamma = (g * X_hat).sum(dim=dims, keepdim=True)
    back = g - mean_path * g_beta / n - var_path * X_hat * g_gamma / n
    if not keep:
        g_gamma, g_beta = g_gamma.flatten(), g_beta.flatten()
    return gamma / s * back, g_gamma, g_beta


def _wrong(**options: Any) -> Callable[..., Gradients]:
    return lambda *arguments: _backward(*arguments, **options)


def _backward_case(*shape: int, eps: float) -> Case:
    def make() -> tuple[Any, ...]:
        numbers = torch.Generator().manual_seed(0)
        X, g = torch.randn(2, *shape, generator=numbers) * 2 + 1
        gamma = torch.arange(1.0, shape[1] + 1).reshape(1, -1, 1, 1)
        return X, gamma, g, eps

    shown = f'X, g: {shape}, eps = {eps}'
    return Case(make, shown, shown)


check_conv_backward = Exercise(
    right=lambda X, gamma, g, eps: _backward(X, gamma, g, eps),
    parts=(
        Part('g_X', 'g_X', lambda answer, *given: answer(*given)[0]),
        Part('g_gamma', 'g_gamma', lambda answer, *given: answer(*given)[1]),
        Part('g_beta', 'g_beta', lambda answer, *given: answer(*given)[2]),
    ),
    cases=(
        _backward_case(2, 1, 1, 2, eps=0.5),
        _backward_case(3, 2, 2, 2, eps=1e-5),
    ),
    outputs=3,
    mistakes=(
        Mistake(
            'count-of-examples',
            lambda X, gamma, g, eps: _backward(X, gamma, g, eps, n=len(X)),
            'n用了样本数。一个通道里一起算的，一共有多少个数？',
            'n is the number of examples. How many numbers of a channel go '
            'together?',
        ),
        Mistake(
            'no-mean-path',
            _wrong(mean_path=0),
            '经过均值的那条路没有算：一个通道的g_X加起来应当是0。',
            'the path through the mean is missing: the g_X of a channel '
            'should add up to 0.',
        ),
        Mistake(
            'no-variance-path',
            _wrong(var_path=0),
            '经过方差的那条路没有算：沿X_hat方向的部分还在。',
            'the path through the variance is missing: the part along X_hat '
            'is still there.',
        ),
        Mistake(
            'statistics-fixed',
            _wrong(mean_path=0, var_path=0),
            '只有直接的那条路：均值和方差也随X变。',
            'only the straight path is there: the mean and the variance '
            'change with X too.',
        ),
        Mistake(
            'no-gamma',
            lambda X, gamma, g, eps: (
                _backward(X, torch.ones_like(gamma), g, eps)[0],
                *_backward(X, gamma, g, eps)[1:],
            ),
            'g_X里少了gamma。',
            'gamma is missing from g_X.',
        ),
        Mistake(
            'no-eps',
            lambda X, gamma, g, eps: _backward(X, gamma, g, 0.0),
            's里少了eps。',
            'eps is missing from s.',
        ),
        Mistake(
            'unbiased',
            _wrong(correction=1),
            '方差除以了n-1：前向归一化时除以几？',
            'the variance is divided by n - 1: by what in the forward pass?',
        ),
        Mistake(
            'examples-only',
            _wrong(dims=(0,)),
            '求和只沿着样本轴：位置也要一起算。',
            'the sums run over examples alone: the positions belong in them '
            'too.',
        ),
        Mistake(
            'examples-only-counted',
            lambda X, gamma, g, eps: _backward(
                X, gamma, g, eps, dims=(0,), n=len(X)
            ),
            '求和只沿着样本轴，和全连接层的一样：位置也要一起算。',
            'the sums run over examples alone, as for a fully connected '
            'layer: the positions belong in them too.',
        ),
        Mistake(
            'no-keepdim',
            _wrong(keep=False),
            'g_gamma和g_beta的形状应当和gamma一样。',
            'g_gamma and g_beta should have the shape of gamma.',
        ),
        Mistake(
            'swapped',
            lambda *given: tuple(_backward(*given)[i] for i in (0, 2, 1)),
            'g_gamma和g_beta反了：哪一个要乘X_hat？',
            'g_gamma and g_beta are exchanged: which one has X_hat in it?',
        ),
    ),
)


def _remember(
    moving_var: Tensor,
    X: Tensor,
    momentum: float,
    *,
    dims: tuple[int, ...] = CHANNEL,
    correction: int = 1,
    turned: bool = False,
) -> Tensor:
    var = X.var(dim=dims, correction=correction, keepdim=True)
    return torch.lerp(moving_var, var, 1 - momentum if turned else momentum)


def _forgets(**options: Any) -> Callable[..., Tensor]:
    return lambda *given: _remember(*given, **options)


def _by_examples(moving_var: Tensor, X: Tensor, momentum: float) -> Tensor:
    biased = X.var(dim=CHANNEL, correction=0, keepdim=True)
    unbiased = biased * len(X) / (len(X) - 1)
    return torch.lerp(moving_var, unbiased, momentum)


def _first() -> tuple[Any, ...]:
    X = torch.tensor([[[[1.0, 3]]], [[[5, 7]]]])  # (2, 1, 1, 2)
    return torch.ones(1, 1, 1, 1), X, 0.1


def _second() -> tuple[Any, ...]:
    numbers = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 3, 0.5]).reshape(1, 3, 1, 1)
    X = scale * torch.randn(4, 3, 2, 2, generator=numbers)
    return torch.full((1, 3, 1, 1), 2.0), X, 0.3


check_remember_var = Exercise(
    right=lambda moving_var, X, momentum: _remember(moving_var, X, momentum),
    parts=(Part('新的移动方差', 'the new moving variance', value),),
    cases=(Case(_first), Case(_second)),
    mistakes=(
        Mistake(
            'biased',
            _forgets(correction=0),
            '方向对，方差偏小：记住的那个除以几（5.3节）？',
            'the direction is right, the variance too small: what is the '
            'remembered one divided by (section 5.3)?',
        ),
        Mistake(
            'other-direction',
            _forgets(turned=True),
            '方差对，方向反了：PyTorch的momentum是谁的权重（5.4节）？',
            'the variance is right, the direction is not: whose weight is '
            "PyTorch's momentum (section 5.4)?",
        ),
        Mistake(
            'the-lectures',
            _forgets(correction=0, turned=True),
            '这是讲义的写法，有两处不同：方差除以几，momentum是谁的权重？',
            "this is the lecture's way, which differs in two places: what "
            'the variance is divided by, and whose weight momentum is.',
        ),
        Mistake(
            'counts-examples',
            _by_examples,
            'n/(n-1)里的n用了样本数：一个通道里有多少个数？',
            'the n of n/(n-1) is the number of examples: how many numbers '
            'are there in a channel?',
        ),
        Mistake(
            'examples-only',
            _forgets(dims=(0,)),
            '只在样本上求了方差：一个通道里哪些数一起算？',
            'the variance is over examples alone: which numbers of a channel '
            'go together?',
        ),
        Mistake(
            'standard-deviation',
            lambda moving_var, X, momentum: torch.lerp(
                moving_var, X.std(dim=CHANNEL, keepdim=True), momentum
            ),
            '记住的是标准差：题目要方差。',
            'a standard deviation is remembered: the task says variance.',
        ),
        Mistake(
            'no-memory',
            lambda moving_var, X, momentum: X.var(dim=CHANNEL, keepdim=True),
            '这是这一批的方差，旧的移动方差没有用上。',
            "this is the batch's own variance; the old moving one is not "
            'used.',
        ),
        Mistake(
            'no-keepdim',
            lambda *given: _remember(*given).flatten(),
            '数都对，形状应当是(1, C, 1, 1)。',
            'the numbers are right; the shape should be (1, C, 1, 1).',
        ),
    ),
)
