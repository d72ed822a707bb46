"""Your turn in lesson 03: what a layer remembers.

The function and the layer that the lesson asks for are in `batch_norm`.
"""

import torch
from torch import Tensor

from d2lmini.exercises.engine import Edit, Exercise
from d2lmini.exercises.lesson02 import SLIPS, images, reshaped


def remember_var(moving_var: Tensor, X: Tensor, momentum: float) -> Tensor:
    """Return the moving variance after another minibatch."""
    var = X.var(dim=(0, 2, 3), keepdim=True)  # divided by n - 1
    return (1 - momentum) * moving_var + momentum * var


_FACTOR = '(1 - X.shape[1] / X.numel())'  # (n - 1) / n

check_remember_var = Exercise(
    'remember_var',
    remember_var,
    [
        (
            torch.ones(1, 1, 1, 1),
            torch.tensor([[[[1.0, 3]]], [[[5, 7]]]]),
            0.1,
        ),
        lambda: (torch.full((1, 3, 1, 1), 2.0), images(4, 3, 2, 2), 0.3),
    ],
    {
        'biased': Edit('keepdim=True', 'keepdim=True, correction=0')
        | '方差偏小：记住的那个除以几（5.3节）？'
        | 'Too small a variance: what is it divided by (section 5.3)?'
        | Edit('keepdim=True)', f'keepdim=True, correction=0) * {_FACTOR}'),
        'corrected-twice': Edit('keepdim=True)', f'keepdim=True) / {_FACTOR}')
        | '`X.var`本来就除以n-1，又修正了一次。'
        | '`X.var` divides by n - 1 already: it is corrected twice.',
        'forgets-nothing': Edit('(1 - momentum) * ', '')
        | '旧值没有变轻：两个权重加起来该是几？'
        | 'The old value keeps all its weight. What should both sum to?',
        'away': Edit(('+ momentum', '(1 -'), ('- momentum', '(1 +'))
        | '越走越远：差是新减旧，还是旧减新？'
        | 'This moves away: is the difference new minus old?',
        'channels-too': Edit('dim=(0, 2, 3), keepdim=True', '')
        | '所有通道混在一起了：每个通道要有自己的方差。'
        | 'The channels are mixed: each should have its own variance.'
        | Edit('dim=(0, 2, 3), keepdim=True', 'correction=0'),
        'reshaped': reshaped('var = X'),
        'other-direction': Edit(
            ('(1 - momentum)', '+ momentum'), ('momentum', '+ (1 - momentum)')
        )
        | '方向反了：`momentum`是谁的权重（5.4节）？'
        | 'The other way round: whose weight is `momentum` (section 5.4)?',
        'the-lectures': Edit(
            ('keepdim=True', '(1 - momentum)', '+ momentum'),
            ('keepdim=True, correction=0', 'momentum', '+ (1 - momentum)'),
        )
        | '这是讲义的写法，有两处不同：方差除以几，`momentum`是谁的权重？'
        | "The lecture's way: what divides, and whose weight is `momentum`?",
        'counts-examples': Edit(
            'keepdim=True)',
            'keepdim=True, correction=0) * len(X) / (len(X) - 1)',
        )
        | 'n/(n-1)里的n数错了：一个通道里有多少个数？'
        | 'This n is miscounted: how many numbers are in a channel?'
        | Edit(
            'keepdim=True)',
            'keepdim=True, correction=0) * X.numel() / (X.numel() - 1)',
        ),
        'examples-only': SLIPS['examples-only'],
        'standard-deviation': SLIPS['standard-deviation'],
        'no-memory': Edit(
            '(1 - momentum) * moving_var + momentum * var', 'var'
        )
        | '这是这一批的方差，旧的移动方差没有用上。'
        | "This is the batch's own: the old moving variance is not used.",
        'no-keepdim': SLIPS['no-keepdim']
        | Edit(
            ('* moving_var', '* var'),
            ('* moving_var.flatten()', '* var.flatten()'),
        ),
    },
    may_change=('moving_var',),
)
