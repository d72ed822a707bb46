"""Your turn in lesson 03: what a layer remembers.

The function and the layer that the lesson asks for are in `batch_norm`.
"""

import torch
from torch import Tensor

from d2lmini.exercises.engine import Edit, Exercise
from d2lmini.exercises.lesson02 import SLIPS, images


def remember_var(moving_var: Tensor, X: Tensor, momentum: float) -> Tensor:
    """Return the moving variance after another minibatch."""
    var = X.var(dim=(0, 2, 3), keepdim=True)  # divided by n - 1
    return (1 - momentum) * moving_var + momentum * var


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
        'biased': Edit('keepdim=True', 'keepdim=True, correction=0').hint(
            '方差偏小：记住的那个除以几（5.3节）？',
            'Too small a variance: what is it divided by (section 5.3)?',
        ),
        'other-direction': Edit(
            ('(1 - momentum)', '+ momentum'), ('momentum', '+ (1 - momentum)')
        ).hint(
            '方向反了：`momentum`是谁的权重（5.4节）？',
            'The other way round: whose weight is `momentum` (section 5.4)?',
        ),
        'the-lectures': Edit(
            ('keepdim=True', '(1 - momentum)', '+ momentum'),
            ('keepdim=True, correction=0', 'momentum', '+ (1 - momentum)'),
        ).hint(
            '这是讲义的写法，有两处不同：方差除以几，`momentum`是谁的权重？',
            "This is the lecture's way, which differs in two places: what "
            'the variance is divided by, and whose weight `momentum` is.',
        ),
        'counts-examples': Edit(
            'keepdim=True)',
            'keepdim=True, correction=0) * len(X) / (len(X) - 1)',
        ).hint(
            'n/(n-1)里的n用了样本数：一个通道里有多少个数？',
            'This n counts examples: how many numbers are in a channel?',
        ),
        'examples-only': SLIPS['examples-only'],
        'standard-deviation': SLIPS['standard-deviation'],
        'no-memory': Edit(
            '(1 - momentum) * moving_var + momentum * var', 'var'
        ).hint(
            '这是这一批的方差，旧的移动方差没有用上。',
            "This is the batch's own: the old moving variance is not used.",
        ),
        'no-keepdim': [
            SLIPS['no-keepdim'],
            Edit(
                ('* moving_var', '* var'),
                ('* moving_var.flatten()', '* var.flatten()'),
            ),
        ],
    },
)
