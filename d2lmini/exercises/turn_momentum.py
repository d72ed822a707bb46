"""Your turn in lesson 05: how long it remembers, what eps takes."""

import math

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part, value

check_half_life = Exercise(
    right=lambda momentum: math.log(2) / -math.log(1 - momentum),
    parts=(Part('半衰期', 'the half-life', value),),
    cases=tuple(
        Case(lambda momentum=momentum: (momentum,))  # type: ignore[misc]
        for momentum in (0.5, 0.75, 0.1, 0.01)
    ),
    tolerance=5e-4,
    mistakes=(
        Mistake(
            'other-direction',
            lambda momentum: math.log(2) / -math.log(momentum),
            '每来一批，旧的份额乘上几？momentum是新值的权重。',
            'by what does a new batch multiply the old shares? momentum is '
            "the new value's weight.",
        ),
        Mistake(
            'for-small-ones',
            lambda momentum: math.log(2) / momentum,
            'momentum很小时差不多，大了就不对：衰减是一批一批乘的。',
            'close for a small momentum, wrong for a large one: the decay '
            'multiplies, batch by batch.',
        ),
        Mistake(
            'negative',
            lambda momentum: math.log(2) / math.log(1 - momentum),
            '批数不会是负的：小于1的数，对数是什么符号？',
            'a number of batches is not negative: what sign does the '
            'logarithm of a number below 1 have?',
        ),
        Mistake(
            'one-over',
            lambda momentum: 1 / momentum,
            '1/momentum批之后剩下的约是1/e，不是一半。',
            'after 1/momentum batches about 1/e is left, not a half.',
        ),
        Mistake(
            'e-fold',
            lambda momentum: -1 / math.log(1 - momentum),
            '这是减到1/e要的批数：减半呢？',
            'after this many batches 1/e is left: what about a half?',
        ),
        Mistake(
            'half-of-batches',
            lambda momentum: 0.5 / momentum,
            '份额不是每批减去同样多，而是乘上同样的数。',
            'a share does not lose the same amount each time; it is '
            'multiplied by the same factor.',
        ),
        Mistake(
            'rounded-up',
            lambda momentum: math.ceil(
                math.log(2) / -math.log(1 - momentum) - 1e-9
            ),
            '取整了：不必是整数。',
            'this is rounded; it need not be a whole number.',
        ),
        Mistake(
            'upside-down',
            lambda momentum: -math.log(1 - momentum) / math.log(2),
            '倒过来了：momentum小，记得久。',
            'upside down: a small momentum remembers long.',
        ),
    ),
)

check_largest_eps = Exercise(
    right=lambda sigma, share: sigma**2 * (1 / share**2 - 1),
    parts=(Part('eps', 'eps', value),),
    cases=tuple(
        Case(lambda given=given: given)  # type: ignore[misc]
        for given in ((2.0, 0.5), (0.01, 0.9), (3.0, 0.25))
    ),
    tolerance=5e-6,
    mistakes=(
        Mistake(
            'variance-for-deviation',
            lambda sigma, share: sigma**2 * (1 / share - 1),
            'share是标准差，不是方差：方差剩下多少？',
            'share is a standard deviation, not a variance: how much of the '
            'variance is left?',
        ),
        Mistake(
            'outside-the-root',
            lambda sigma, share: sigma * (1 / share - 1),
            '这是eps加在根号外面时的答案：它加在哪里？',
            'this is the answer with eps outside the root: where is it added?',
        ),
        Mistake(
            'sigma-not-squared',
            lambda sigma, share: sigma * (1 / share**2 - 1),
            'eps和方差是一样的单位，不是标准差的单位。',
            'eps has the unit of a variance, not of a standard deviation.',
        ),
        Mistake(
            'root-of-eps',
            lambda sigma, share: sigma * (1 / share**2 - 1) ** 0.5,
            '还差一步：这是eps的平方根。',
            'one step is missing: this is the square root of eps.',
        ),
        Mistake(
            'share-of-one-minus',
            lambda sigma, share: sigma**2 * (1 - share**2),
            'eps加到方差上之后，方差只占和的一部分：share的平方是谁比谁？',
            'with eps added, the variance is one part of the sum: share '
            'squared is the ratio of what to what?',
        ),
        Mistake(
            'the-sum',
            lambda sigma, share: sigma**2 / share**2,
            '这是方差加上eps：eps自己呢？',
            'this is the variance plus eps: what is eps alone?',
        ),
        Mistake(
            'upside-down',
            lambda sigma, share: sigma**2 * share**2 / (1 - share**2),
            '倒过来了：share越接近1，eps要越小。',
            'upside down: the nearer share is to 1, the smaller eps must be.',
        ),
    ),
)
