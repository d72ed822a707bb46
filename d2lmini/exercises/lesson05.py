"""Your turn in lesson 05: how long it remembers, and what eps takes."""

import math

import torch
from torch import Tensor

from d2lmini.exercises.engine import Edit, Exercise, Wrong, named


def half_life(momentum: float) -> float:
    """Return after how many minibatches a share is half of what it was."""
    return math.log(2) / -math.log(1 - momentum)


check_half_life = Exercise(
    'half_life',
    half_life,
    [0.5, 0.75, 0.1, 0.01],
    {
        'other-direction': Edit('1 - momentum', 'momentum')
        | '每来一批，旧的份额乘上几？`momentum`是新值的权重。'
        | 'By what are old shares multiplied? `momentum` weighs the new.',
        'for-small-ones': Edit('-math.log(1 - momentum)', 'momentum')
        | '`momentum`很小时差不多，大了就不对：衰减是一批一批乘的。'
        | 'Close for a small `momentum` only: a decay multiplies each time.',
        'negative': Edit('/ -', '/ ')
        | '批数不会是负的：小于1的数，对数是什么符号？'
        | 'Negative: what sign has the logarithm of a number below 1?',
        'one-over': Wrong(lambda momentum: 1 / momentum)
        | '`1/momentum`批之后剩下的约是1/e，不是一半。'
        | 'After `1/momentum` batches about 1/e is left, not a half.'
        | Edit('math.log(2)', '1'),
        'rounded-up': Wrong(
            lambda momentum: math.ceil(half_life(momentum) - 1e-9)
        )
        | '取整了：不必是整数。'
        | 'This is rounded; it need not be a whole number.',
    },
    tolerance=5e-4,
)


def replay(means: Tensor, momentum: float) -> Tensor:
    """Return the last moving average, (C,), as a weighted sum."""
    age = torch.arange(len(means)).flip(0)  # the last is 0
    weights = momentum * (1 - momentum) ** age  # (T,)
    return weights @ means


def _random_means() -> tuple[Tensor, float]:
    numbers = torch.Generator().manual_seed(0)
    return torch.randn(7, 3, generator=numbers) + 1, 0.3


check_replay = Exercise(
    'replay',
    replay,
    [
        (torch.tensor([[10.0]]), 0.1),
        (torch.tensor([[10.0], [20]]), 0.1),
        _random_means,
    ],
    {
        'other-direction': Edit(
            'momentum * (1 - momentum)', '(1 - momentum) * momentum'
        )
        | '方向反了：`momentum`是新值的权重。'
        | "The wrong direction: `momentum` is the new value's weight.",
        'oldest-most': Edit('.flip(0)', '')
        | '权重的次序反了：最后来的一批，权重应当最大。'
        | 'The weights are reversed: the last batch should weigh most.',
        'plain-average': Edit('weights @ means', 'means.mean(dim=0)')
        | '这是普通平均，每批一样重。'
        | 'This is the plain average: every batch weighs the same.',
        'starts-at-first': Edit('return', 'weights[0] /= momentum\n    return')
        | '起点取了第一批的均值：题目说从0开始。'
        | "This starts at the first batch's mean: the task starts at 0.",
        'no-momentum-factor': Edit('momentum * ', '')
        | '衰减对了，但一批刚进来时占多少，还没有乘上。'
        | 'The decay is right: what share does a batch enter with?',
        'one-step-older': Edit('** age', '** (age + 1)')
        | '每批都多衰减了一次：最后一批后面还来过几批？'
        | 'One decay too many: how many batches came after the last?',
        'one-missing': Edit('age =', 'means = means[:-1]\n    age =')
        | '有一批没有算进去：第一批和最后一批都算。'
        | 'A batch is missing: the first and the last are both in it.'
        | Edit('age =', 'means = means[1:]\n    age ='),
        'over-features': Edit(
            'weights @ means', '(weights[:, None] * means).sum(1)'
        )
        | '求和的轴不对：加的是各批，特征要分开。'
        | 'Summed along the wrong axis: add batches, keep features apart.',
    },
)


def warm(
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    num_batches: int,
) -> tuple[Tensor, Tensor]:
    """Return both without the share of the start, 0 and 1."""
    start = (1 - momentum) ** num_batches  # its share
    mean = running_mean / (1 - start)
    return mean, (running_var - start * 1.0) / (1 - start)


def _cold(
    momentum: float, num_batches: int
) -> tuple[Tensor, Tensor, float, int]:
    """Return what is remembered of batches of mean 4, 10 and variance 9, 2."""
    start = (1 - momentum) ** num_batches
    mean, var = torch.tensor([4.0, 10]), torch.tensor([9.0, 2])
    return (1 - start) * mean, start + (1 - start) * var, momentum, num_batches


check_warm = Exercise(
    'warm',
    warm,
    [_cold(0.1, 2), _cold(0.1, 5), _cold(0.01, 20)],
    {
        'variance-from-zero': Edit(' - start * 1.0', '')
        | '方差的起点不是0：要先减去什么？'
        | 'The variance does not start at 0: what has to be taken off?',
        'other-direction': Edit('1 - momentum', 'momentum')
        | '起点的份额不对：每来一批，它乘上几？'
        | "The start's share is wrong: by what does each batch multiply it?",
        'one-batch': Edit(' ** num_batches', '')
        | '起点的份额，`num_batches`批里每批乘一次什么？'
        | 'By what do `num_batches` batches each multiply the start?'
        | Edit('(1 - momentum) ** num_batches', '1 - momentum * num_batches'),
        'miscounted': Edit('** num_batches', '** (num_batches - 1)')
        | '少算或多算了一批。'
        | 'One batch too few or too many is counted.'
        | Edit('** num_batches', '** (num_batches + 1)'),
        'wrong-start': Edit(
            'mean = running_mean', 'mean = (running_mean - start)'
        )
        | '均值的起点是0，方差的起点是1，各占一份`start`：先减，再除。'
        | 'They start at 0 and 1, with a share `start`: subtract, divide.'
        | Edit('start * 1.0', '1.0')
        | Edit(
            '(running_var - start * 1.0) / (1 - start)',
            'running_var / (1 - start) - start',
        ),
        'swapped': Wrong(lambda *args: warm(*args)[::-1])
        | '次序反了：先均值，后方差。'
        | 'The wrong order: the mean comes first.',
        'divided-by-the-start': Edit('/ (1 - start)', '/ start')
        | '除以的是起点的份额：各批一共占多少？'
        | "Divided by the start's share: what share have all the batches?",
        'unchanged': Edit((' / (1 - start)', ' - start * 1.0'), ('', ''))
        | '原样返回了：起点还掺在里面。'
        | 'They come back as they are: the start is still in them.',
        'not-divided': Edit(' / (1 - start)', '')
        | '减去了起点，各批的份额还不足1。'
        | 'The start is out; the shares left still sum to less than 1.',
    },
    see=named(('均值', 'the mean'), ('方差', 'the variance')),
)


def largest_eps(sigma: float, share: float) -> float:
    """Return the eps that leaves this share of the standard deviation."""
    return sigma**2 * (1 / share**2 - 1)


check_largest_eps = Exercise(
    'largest_eps',
    largest_eps,
    [(2.0, 0.5), (0.01, 0.9), (3.0, 0.25)],
    {
        'variance-for-deviation': Edit('share**2', 'share')
        | '`share`是标准差，不是方差：方差剩下多少？'
        | '`share` is of the deviation: how much of the variance is left?',
        'outside-the-root': Edit('**2', '')
        | '这是`eps`加在根号外面时的答案：它加在哪里？'
        | 'This has `eps` outside the root: where is it added?',
        'sigma-not-squared': Edit('sigma**2', 'sigma')
        | '`eps`和方差是一样的单位，不是标准差的单位。'
        | '`eps` has the unit of a variance, not of a standard deviation.',
        'negative': Edit('1 / share**2 - 1', '1 - 1 / share**2')
        | '`eps`是加上去的，不会是负的：谁减谁？'
        | '`eps` is added, and not negative: what is subtracted from what?',
        'share-lost': Edit('share**2', '(1 - share) ** 2')
        | '`share`是剩下的，不是丢掉的。'
        | '`share` is what is left, not what is lost.',
        'share-of-one-minus': Edit('1 / share**2 - 1', '1 - share**2')
        | '加上`eps`之后，`share`的平方是谁比谁？'
        | 'With `eps` added, `share` squared is the ratio of what to what?',
        'the-sum': Edit(' - 1', '')
        | '这是方差加上`eps`：`eps`自己呢？'
        | 'This is the variance plus `eps`: what is `eps` alone?',
        'upside-down': Edit('* (', '/ (')
        | '倒过来了：`share`越接近1，`eps`要越小。'
        | 'Upside down: a `share` nearer to 1 wants a smaller `eps`.',
    },
    tolerance=5e-6,
)
