"""Your turn in lesson 02: by hand, the axes, and the way back."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part

Pair = tuple[Tensor, Tensor]
CHANNEL = 0, 2, 3  # the axes that go away

check_x_hat = Exercise(
    right=[-1.0, -1 / 3, -1 / 3, 5 / 3],
    parts=(Part('四个数', 'the four numbers', lambda answer: [*answer]),),
    cases=(Case(tuple),),
    mistakes=(
        Mistake(
            'by-the-variance',
            [-1 / 3, -1 / 9, -1 / 9, 5 / 9],
            '除以了方差。第三行的分母是什么？',
            'divided by the variance. What does line three divide by?',
        ),
        Mistake(
            'unbiased',
            [-0.8660, -0.2887, -0.2887, 1.4434],
            '方差除以了n-1。第二行除以几？',
            'the variance is divided by n - 1. By what in line two?',
        ),
        Mistake(
            'not-divided',
            [-3.0, -1.0, -1.0, 5.0],
            '这是离差，还没有除以标准差。',
            'these are the deviations, not yet divided by the standard '
            'deviation.',
        ),
        Mistake(
            'not-centred',
            [2 / 3, 4 / 3, 4 / 3, 10 / 3],
            '均值不是0：还没有减去均值。',
            'their mean is not 0: the mean is not subtracted.',
        ),
        Mistake(
            'summed',
            [-0.5, -1 / 6, -1 / 6, 5 / 6],
            '方差是离差平方的均值，不是它们的和。',
            'the variance is the mean of the squares, not their sum.',
        ),
        Mistake(
            'signs',
            [1.0, 1 / 3, 1 / 3, -5 / 3],
            '符号反了：2比均值小还是大？',
            'the signs are reversed: is 2 below the mean, or above?',
        ),
    ),
    tolerance=6e-3,
)


def _small() -> tuple[Tensor]:
    """Return two examples of two channels of 1x2."""
    return (torch.tensor([[[[1.0, 3]], [[0, 10]]], [[[5, 7]], [[20, 10]]]]),)


def _large() -> tuple[Tensor]:
    numbers = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 3, 0.1]).reshape(1, 3, 1, 1)
    return (scale * torch.randn(4, 3, 3, 2, generator=numbers) + 2,)


def _statistics(X: Tensor, *dims: int, correction: int = 0) -> Pair:
    dims = dims or CHANNEL
    var, mean = torch.var_mean(X, dims, correction=correction, keepdim=True)
    return mean, var


def _flat(pair: Pair) -> Pair:
    return pair[0].flatten(), pair[1].flatten()


def _per_channel(index: int) -> Callable[..., Tensor]:
    """Look at one of the values returned."""
    return lambda answer, *arguments: answer(*arguments)[index]


check_statistics = Exercise(
    right=_statistics,
    parts=(
        Part('均值', 'the mean', _per_channel(0)),
        Part('方差', 'the variance', _per_channel(1)),
    ),
    cases=(Case(_small), Case(_large)),
    outputs=2,
    mistakes=(
        Mistake(
            'no-keepdim',
            lambda X: _flat(_statistics(X)),
            '数都对，形状不对：求均值时怎样把去掉的轴留成1？',
            'the numbers are right, the shape is not: how are the axes that '
            'go away kept as 1s?',
        ),
        Mistake(
            'examples-only',
            lambda X: _statistics(X, 0),
            '只对样本求了均值。同一个通道里不同位置的数，用的是同一个卷积核吗？',
            'the mean is over examples alone. Do the positions of a channel '
            'come from one kernel?',
        ),
        Mistake(
            'positions-only',
            lambda X: _statistics(X, 2, 3),
            '每个样本各算各的。一个通道里还有哪些数该一起算？',
            'each example has its own. Which other numbers of a channel '
            'belong in it?',
        ),
        Mistake(
            'channels-too',
            lambda X: _statistics(X, 0, 1, 2, 3),
            '所有通道混在一起了：留下的该是哪个轴？',
            'the channels are mixed: which axis should be left?',
        ),
        Mistake(
            'over-channels',
            lambda X: _statistics(X, 1),
            '去掉的正是通道轴，而它是该留下的。',
            'the channel axis went away, the very one that should be left.',
        ),
        Mistake(
            'unbiased',
            lambda X: _statistics(X, correction=1),
            '方差除以了n-1：归一化用的除以几？',
            'the variance is divided by n - 1: by what in normalizing?',
        ),
        Mistake(
            'standard-deviation',
            lambda X: (_statistics(X)[0], _statistics(X)[1].sqrt()),
            '这是标准差。题目要的是方差。',
            'this is the standard deviation; the task asks for the variance.',
        ),
        Mistake(
            'swapped',
            lambda X: _statistics(X)[::-1],
            '两个值的次序反了：先均值，后方差。',
            'the two are in the wrong order: mean first, then variance.',
        ),
    ),
)


def _undo(
    X: Tensor, eps: float, correction: int = 0, dims: tuple[int, ...] = CHANNEL
) -> Pair:
    mean, var = _statistics(X, *dims, correction=correction)
    return torch.sqrt(var + eps), mean


def _undone(answer: Callable[..., Pair], X: Tensor, eps: float) -> Tensor:
    gamma, beta = answer(X, eps)
    mean, var = _statistics(X)
    return gamma * (X - mean) / torch.sqrt(var + eps) + beta


check_undo = Exercise(
    right=lambda X, eps: _undo(X, eps),
    parts=(
        Part('gamma', 'gamma', _per_channel(0)),
        Part('beta', 'beta', _per_channel(1)),
        Part(
            '归一化之后就是X',
            'normalized, it is X again',
            _undone,
        ),
    ),
    cases=(
        Case(lambda: (*_small(), 2.0)),
        Case(lambda: (*_large(), 1e-5)),
    ),
    outputs=2,
    mistakes=(
        Mistake(
            'no-eps',
            lambda X, eps: _undo(X, 0.0),
            'gamma差一点：归一化除以的不只是标准差，还有eps。',
            'gamma is a little off: normalizing divides by more than the '
            'standard deviation: there is eps.',
        ),
        Mistake(
            'eps-outside',
            lambda X, eps: (_undo(X, 0.0)[0] + eps, _undo(X, 0.0)[1]),
            'eps加在了根号外面。第三行里它在哪里？',
            'eps is added outside the root. Where does line three have it?',
        ),
        Mistake(
            'no-root',
            lambda X, eps: (_undo(X, eps)[0] ** 2, _undo(X, eps)[1]),
            'gamma还没有开方：归一化除以的是什么？',
            'gamma lacks the root: what does normalizing divide by?',
        ),
        Mistake(
            'upside-down',
            lambda X, eps: (1 / _undo(X, eps)[0], _undo(X, eps)[1]),
            'gamma倒过来了：归一化已经除过一次，还原要乘回去。',
            'gamma is upside down: normalizing has divided, undoing '
            'multiplies.',
        ),
        Mistake(
            'unbiased',
            lambda X, eps: _undo(X, eps, 1),
            '方差除以了n-1：归一化用的除以几？',
            'the variance is divided by n - 1: by what in normalizing?',
        ),
        Mistake(
            'swapped',
            lambda X, eps: _undo(X, eps)[::-1],
            'gamma和beta反了。',
            'gamma and beta are exchanged.',
        ),
        Mistake(
            'minus',
            lambda X, eps: (_undo(X, eps)[0], -_undo(X, eps)[1]),
            'beta的符号反了：归一化减去了均值，还原要怎样？',
            'beta has the wrong sign: normalizing took the mean away.',
        ),
        Mistake(
            'divided-beta',
            lambda X, eps: (
                _undo(X, eps)[0],
                _undo(X, eps)[1] / _undo(X, eps)[0],
            ),
            'beta多除了一次：它是在乘了gamma之后才加上的。',
            'beta is divided once too often: it is added after gamma has '
            'multiplied.',
        ),
        Mistake(
            'examples-only',
            lambda X, eps: _undo(X, eps, 0, (0,)),
            '只对样本求了均值。卷积层的一个通道里，哪些数一起算？',
            'the mean is over examples alone. Which numbers of a channel '
            'go together?',
        ),
        Mistake(
            'no-keepdim',
            lambda X, eps: _flat(_undo(X, eps)),
            '数都对，形状不对：怎样把去掉的轴留成1？',
            'the numbers are right, the shape is not: how are the axes that '
            'go away kept as 1s?',
        ),
    ),
)
