"""The cases of `check_BatchNorm`: the scenes, in words."""

from torch import Tensor

from d2lmini.exercises.alike import show
from d2lmini.exercises.attempt import Case
from d2lmini.exercises.scenes import FAR, STILL, X2, X4
from d2lmini.exercises.scenes_layer import (
    Scene,
    evaluates,
    evaluates_one,
    gets_one,
    is_copied,
    is_double,
    is_saved,
    new,
    trains,
    trains_twice,
    trains_without_gradients,
)


def _case(
    scene: Scene,
    zh: str,
    en: str,
    X: Tensor | None = None,
    tolerance: float | None = None,
) -> Case:
    """Return a case that is told by words, and by its input."""
    if X is not None:
        given = f'`X = {show(X)}`'
        zh, en = f'{zh}\n{given}', f'{en}\n{given}'
    return Case((scene,), zh, en, tolerance)


_UNEVEN = '`gamma = [2, -1]`, `beta = [0.5, 3]`'
LAYER_CASES = (
    _case(new(2), '刚建好的`BatchNorm(2, 2)`', 'a new `BatchNorm(2, 2)`'),
    _case(new(4), '刚建好的`BatchNorm(2, 4)`', 'a new `BatchNorm(2, 4)`'),
    _case(
        trains(X2),
        f'`train()`，一步；{_UNEVEN}',
        f'`train()`, one step; {_UNEVEN}',
        X2,
    ),
    _case(
        trains_twice,
        f'`train()`，两步，`X`和`X + 1`；{_UNEVEN}',
        f'`train()`, two steps, `X` and `X + 1`; {_UNEVEN}',
        X2,
    ),
    _case(
        trains_without_gradients,
        f'`train()`，在`torch.no_grad()`里；{_UNEVEN}',
        f'`train()`, under `torch.no_grad()`; {_UNEVEN}',
        X2,
    ),
    _case(
        evaluates(X2, False),
        f'`train()`一步，再`eval()`，`torch.no_grad()`，`X + 1`；{_UNEVEN}',
        f'a step of `train()`, then `eval()`, `torch.no_grad()`, `X + 1`; '
        f'{_UNEVEN}',
        X2,
    ),
    _case(
        evaluates(X2, True),
        f'`train()`一步，再`eval()`，梯度开着，`X + 1`；{_UNEVEN}',
        f'a step of `train()`, then `eval()`, gradients on, `X + 1`; '
        f'{_UNEVEN}',
        X2,
    ),
    _case(
        trains(X2, eps=0.5),
        f'`eps=0.5`，`train()`，一步；{_UNEVEN}',
        f'`eps=0.5`, `train()`, one step; {_UNEVEN}',
        X2,
    ),
    _case(
        trains(X2, momentum=0.25),
        f'`momentum=0.25`，`train()`，一步；{_UNEVEN}',
        f'`momentum=0.25`, `train()`, one step; {_UNEVEN}',
        X2,
    ),
    _case(
        trains(X4, eps=0.5),
        f'`num_dims=4`，`eps=0.5`，`train()`，一步；{_UNEVEN}',
        f'`num_dims=4`, `eps=0.5`, `train()`, one step; {_UNEVEN}',
        X4,
    ),
    _case(
        evaluates(X4, True),
        f'`num_dims=4`，`train()`一步，再`eval()`，`X + 1`；{_UNEVEN}',
        f'`num_dims=4`, a step of `train()`, then `eval()`, `X + 1`; '
        f'{_UNEVEN}',
        X4,
    ),
    _case(
        trains(STILL),
        f'几乎不变的通道，`train()`，一步；{_UNEVEN}',
        f'channels that hardly change, `train()`, one step; {_UNEVEN}',
        STILL,
    ),
    _case(
        trains(X2 + 1e4),
        f'均值远离0，`train()`，一步；{_UNEVEN}',
        f'means far from 0, `train()`, one step; {_UNEVEN}',
        X2 + 1e4,
        FAR,
    ),
    _case(
        is_saved,
        '训练一步，存盘，读进一个新的层，`eval()`',
        'trained one step, saved, loaded into a new layer, `eval()`',
    ),
    _case(
        trains(X4[:1]),
        f'`num_dims=4`，`train()`，只有一张图；{_UNEVEN}',
        f'`num_dims=4`, `train()`, a single image; {_UNEVEN}',
        X4[:1],
    ),
    _case(
        evaluates_one,
        f'`eval()`，批量里只有一个样本；{_UNEVEN}',
        f'`eval()`, a batch of one example; {_UNEVEN}',
        X2[:1],
    ),
    _case(is_double, '`.double()`之后', 'after `.double()`'),
    _case(
        is_copied,
        '训练一步，`copy.deepcopy`，再训练副本',
        'trained one step, `copy.deepcopy`, then the copy is trained',
    ),
    _case(
        gets_one,
        '`train()`，批量里只有一个样本',
        '`train()`, a batch of one example',
        X2[:1],
    ),
)
