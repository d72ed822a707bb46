"""Your turn in lesson 05: the moving average as a sum, and its cold start."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part, value

Pair = tuple[Tensor, Tensor]


def _stepped(
    means: Tensor, momentum: float, start: Tensor | None = None
) -> Tensor:
    """Return the moving average, one batch after another."""
    average = torch.zeros_like(means[0]) if start is None else start
    for mean in means:
        average = (1 - momentum) * average + momentum * mean
    return average


def _weighted(means: Tensor, weights: Tensor) -> Tensor:
    return (weights / weights.sum()) @ means


def _ages(means: Tensor) -> Tensor:
    return torch.arange(len(means)).flip(0)


def _random_means() -> tuple[Tensor, float]:
    numbers = torch.Generator().manual_seed(0)
    return torch.randn(7, 3, generator=numbers) + 1, 0.3


check_replay = Exercise(
    right=lambda means, momentum: _stepped(means, momentum),
    parts=(Part('最后的移动平均', 'the last moving average', value),),
    cases=(
        Case(lambda: (torch.tensor([[10.0]]), 0.1)),
        Case(lambda: (torch.tensor([[10.0], [20]]), 0.1)),
        Case(_random_means),
    ),
    mistakes=(
        Mistake(
            'other-direction',
            lambda means, momentum: _stepped(means, 1 - momentum),
            '方向反了：momentum是新值的权重。',
            "the wrong direction: momentum is the new value's weight.",
        ),
        Mistake(
            'oldest-most',
            lambda means, momentum: _stepped(means.flip(0), momentum),
            '权重的次序反了：最后来的一批，权重应当最大。',
            'the weights are in reverse order: the batch that came last '
            'should weigh most.',
        ),
        Mistake(
            'plain-average',
            lambda means, momentum: means.mean(dim=0),
            '这是普通平均，每批一样重。',
            'this is the plain average: every batch weighs the same.',
        ),
        Mistake(
            'starts-at-first',
            lambda means, momentum: _stepped(means[1:], momentum, means[0]),
            '起点取了第一批的均值：题目说从0开始。',
            "this starts at the first batch's mean: the task starts at 0.",
        ),
        Mistake(
            'weights-sum-to-one',
            lambda means, momentum: _weighted(
                means, (1 - momentum) ** _ages(means)
            ),
            '权重凑成了和为1：起点0还占着一份，不该分给别人。',
            'the weights are scaled to sum to 1: the start, 0, has a share '
            'too, and it belongs to no batch.',
        ),
        Mistake(
            'no-momentum-factor',
            lambda means, momentum: ((1.0 - momentum) ** _ages(means)) @ means,
            '衰减对了，但一批刚进来时占多少，还没有乘上。',
            'the decay is right, but the share that a batch enters with is '
            'missing.',
        ),
        Mistake(
            'one-step-older',
            lambda means, momentum: (1 - momentum) * _stepped(means, momentum),
            '每批都多衰减了一次：最后一批后面还来过几批？',
            'each batch has decayed once too often: how many came after the '
            'last one?',
        ),
        Mistake(
            'last-one-missing',
            lambda means, momentum: _stepped(means[:-1], momentum),
            '最后一批没有算进去。',
            'the last batch is missing.',
        ),
    ),
)


def _cold(
    momentum: float, num_batches: int
) -> tuple[Tensor, Tensor, float, int]:
    """Return what is remembered of batches of mean 4, 10 and variance 9, 2."""
    start = (1 - momentum) ** num_batches
    mean, var = torch.tensor([4.0, 10]), torch.tensor([9.0, 2])
    return (1 - start) * mean, start + (1 - start) * var, momentum, num_batches


def _warm(mean: Tensor, var: Tensor, share: float, start: float = 1.0) -> Pair:
    return mean / (1 - share), (var - share * start) / (1 - share)


def _warms(
    share: Callable[[float, int], float], start: float = 1.0
) -> Callable[..., Pair]:
    return lambda mean, var, momentum, n: _warm(
        mean, var, share(momentum, n), start
    )


check_warm = Exercise(
    right=lambda running_mean, running_var, momentum, num_batches: _warm(
        running_mean, running_var, (1 - momentum) ** num_batches
    ),
    parts=(
        Part('均值', 'the mean', lambda answer, *given: answer(*given)[0]),
        Part('方差', 'the variance', lambda answer, *given: answer(*given)[1]),
    ),
    cases=(
        Case(lambda: _cold(0.1, 1)),
        Case(lambda: _cold(0.1, 5)),
        Case(lambda: _cold(0.01, 20)),
    ),
    outputs=2,
    mistakes=(
        Mistake(
            'variance-from-zero',
            _warms(lambda m, n: (1 - m) ** n, 0.0),
            '均值对，方差不对：它的起点不是0，要先减去什么？',
            'the mean is right, the variance is not: it does not start at 0; '
            'what has to be subtracted first?',
        ),
        Mistake(
            'other-direction',
            _warms(lambda m, n: m**n),
            '起点的份额不对：每来一批，它乘上几？',
            "the start's share is wrong: by what does each batch multiply it?",
        ),
        Mistake(
            'one-batch',
            _warms(lambda m, n: 1 - m),
            '只算了一批：起点的份额乘过num_batches次。',
            "this counts one batch: the start's share was multiplied "
            'num_batches times.',
        ),
        Mistake(
            'one-fewer',
            _warms(lambda m, n: (1 - m) ** (n - 1) if n > 1 else 0.0),
            '少算了一批。',
            'one batch is not counted.',
        ),
        Mistake(
            'one-more',
            _warms(lambda m, n: (1 - m) ** (n + 1)),
            '多算了一批。',
            'one batch too many is counted.',
        ),
        Mistake(
            'divided-by-the-start',
            lambda mean, var, m, n: (
                mean / (1 - m) ** n,
                (var - (1 - m) ** n) / (1 - m) ** n,
            ),
            '除以的是起点的份额：各批一共占多少？',
            "this divides by the start's share: what share do all the batches"
            ' have?',
        ),
        Mistake(
            'multiplied',
            lambda mean, var, m, n: (
                mean * (1 - (1 - m) ** n),
                var * (1 - (1 - m) ** n),
            ),
            '乘反了：掺了起点的均值偏向0，修正后应当变大。',
            'the wrong way: mixed with the start the mean is too near 0, and '
            'should grow.',
        ),
        Mistake(
            'unchanged',
            lambda mean, var, m, n: (mean, var),
            '原样返回了：起点还掺在里面。',
            'they come back as they are: the start is still in them.',
        ),
        Mistake(
            'not-divided',
            lambda mean, var, m, n: (mean, var - (1 - m) ** n),
            '减去了起点，各批的份额还不足1。',
            'the start is taken out; the shares of the batches still sum to '
            'less than 1.',
        ),
    ),
)
