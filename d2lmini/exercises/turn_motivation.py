"""Your turn in lesson 01: what the slopes leave, how far a weight moves."""

import torch
from torch import Tensor

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part, value

check_share = Exercise(
    right=4.0**-6,
    parts=(Part('份额', 'the share', lambda answer: answer),),
    cases=(Case(tuple),),
    mistakes=(
        Mistake(
            'added',
            6 / 4,
            '把斜率加起来了。梯度一路上是加上它们，还是乘上它们？',
            'the slopes are added. Does each one add to the gradient, or '
            'multiply it?',
        ),
        Mistake(
            'sum-of-shares',
            6 * 0.25**2,
            '层数不该是因数：每穿过一个sigmoid做一次什么？',
            'the number of layers is no factor: what happens at each sigmoid?',
        ),
        Mistake(
            'value-not-slope',
            2.0**-6,
            'sigmoid在0处的值是1/2，可这里要的是斜率：它在哪里最大，是多少？',
            "the sigmoid's value at 0 is 1/2, but the slope is asked for: "
            'where is it largest, and how large?',
        ),
        Mistake(
            'upside-down',
            4.0**6,
            '倒过来了：问的是剩下多少，应当小于1。',
            'upside down: what is left must be less than 1.',
        ),
        Mistake(
            'one-too-few',
            4.0**-5,
            '少乘了一次：一共穿过几个sigmoid？',
            'one factor is missing: how many sigmoids does the gradient pass?',
        ),
        Mistake(
            'one-too-many',
            4.0**-7,
            '多乘了一次：一共穿过几个sigmoid？',
            'one factor too many: how many sigmoids does the gradient pass?',
        ),
    ),
    tolerance=1e-6,
)


def _turned() -> tuple[Tensor, Tensor]:
    return torch.tensor([3.0, 4]), torch.tensor([4.0, 3])


def _longer() -> tuple[Tensor, Tensor]:
    return torch.tensor([3.0, 4]), torch.tensor([6.0, 8])


def _shorter() -> tuple[Tensor, Tensor]:
    return _longer()[::-1]


def _matrices() -> tuple[Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(0)
    before = torch.randn(3, 5, generator=numbers)
    return before, before + 0.1 * torch.randn(3, 5, generator=numbers)


check_relative_update = Exercise(
    right=lambda before, after: (after - before).norm() / before.norm(),
    parts=(Part('相对更新', 'the relative update', value),),
    cases=tuple(map(Case, (_longer, _shorter, _turned, _matrices))),
    mistakes=(
        Mistake(
            'not-relative',
            lambda before, after: (after - before).norm(),
            '这是改动的范数。相对的，是相对什么？',
            "this is the change's norm. Relative to what?",
        ),
        Mistake(
            'difference-of-norms',
            lambda before, after: (
                (after.norm() - before.norm()) / before.norm()
            ),
            '范数相减，只看得到长度变了多少。权重转了方向、长度没变，怎么办？',
            'subtracting norms sees only a change of length. What about a '
            'weight that turns and keeps its length?',
        ),
        Mistake(
            'absolute-difference-of-norms',
            lambda before, after: (
                (after.norm() - before.norm()).abs() / before.norm()
            ),
            '范数相减，只看得到长度变了多少。权重转了方向、长度没变，怎么办？',
            'subtracting norms sees only a change of length. What about a '
            'weight that turns and keeps its length?',
        ),
        Mistake(
            'divided-by-after',
            lambda before, after: (after - before).norm() / after.norm(),
            '除以的是走完之后的范数。走了自己的百分之几，“自己”是什么时候的？',
            'divided by the norm after the step. The step is a part of the '
            'weight: the weight at which moment?',
        ),
        Mistake(
            'ratio-of-norms',
            lambda before, after: after.norm() / before.norm(),
            '两个范数之比，一步没走也是1。没走的时候应当是多少？',
            'a ratio of norms is 1 even when nothing moved. What should it '
            'be then?',
        ),
        Mistake(
            'squared',
            lambda before, after: (
                (after - before).square().sum() / before.square().sum()
            ),
            '平方和之比是范数之比的平方：还差一步。',
            'a ratio of sums of squares is the square of the ratio of norms: '
            'one step is missing.',
        ),
    ),
)
