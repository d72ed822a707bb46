"""The exercises of lesson 03: a learner's `batch_norm` and `BatchNorm`.

Their mistakes are the package's own code with a few words changed; a layer's
may lie in the function too, which is edited with it.
"""

import copy
import dataclasses
import inspect
import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini import norm
from d2lmini.exercises.compare import show
from d2lmini.exercises.engine import (
    Case,
    Edit,
    Exercise,
    Mistake,
    Results,
    Seen,
    judge,
)
from d2lmini.exercises.guard import Changed
from d2lmini.exercises.report import Report
from d2lmini.norm import TENSORS
from d2lmini.show.lang import Fault

Make = Callable[..., nn.Module]
Scene = Callable[[Make], Results]
Mistakes = dict[str, Mistake | list[Mistake]]

C = 2  # channels
# Four numbers a channel whose sums are whole: no order of adding them rounds.
X2 = torch.tensor([[1.0, 10], [3, 14], [8, 12], [4, 16]])
X4 = torch.tensor(
    [
        [[[1.0, 3, 8], [4, 0, 2]], [[10, 14, 12], [20, 16, 18]]],
        [[[7, 5, 1], [9, 2, 6]], [[30, 10, 24], [8, 12, 6]]],
    ]
)  # (2, 2, 2, 3): no two axes that could pass for each other are alike
FAR = 1e-2  # 1e4 has a thousandth as its last digit; a right answer loses it
STILL = torch.tensor([[5.0, 1], [5, 1.001], [5, 1.002], [5, 1.001]])


# What is looked at. Everything has a name, for the report to call it by.


def see_function(fn: Callable[..., Any], *args: Any) -> Results:
    """Run a `batch_norm` and return what came out, by name.

    Parameters
    ----------
    fn : callable, `fn(X, gamma, beta, moving_mean, moving_var, eps,
        momentum, training)`
    *args : the same

    Returns
    -------
    dict
        The moving averages are flattened: (C,), (1, C) and (1, C, 1, 1) are
        the same here, as long as the function takes back what it gave.
    """
    X, gamma, beta, *memory, eps, momentum, training = args

    def call(
        x: Tensor, old: list[Tensor], training: bool
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return Y, the moving averages, and the parameters of this call."""
        learned = [each.clone().requires_grad_() for each in (gamma, beta)]
        kept = [each.clone() for each in old]
        out = fn(x, *learned, *kept, eps, momentum, training)
        if not (
            isinstance(out, (tuple, list))
            and len(out) == 3
            and all(isinstance(each, Tensor) for each in out)
        ):
            raise Fault(
                '要返回三个张量：`Y`、`moving_mean`、`moving_var`',
                'it should return three tensors, `Y`, `moving_mean` and '
                '`moving_var`',
            )
        _fits(out[0], X)
        return out[0], [*out[1:]], learned

    if training and X.numel() == X.shape[1]:
        return _refusal(lambda: call(X.clone(), memory, True))
    # The input without a gradient: else writing into it would raise.
    x = X.clone()
    Y, new, _ = call(x, memory, training)
    if not torch.equal(x, X):
        raise Changed('X')
    seen: Results = {'Y': Y.detach()}
    seen |= {'moving_mean': _flat(new[0]), 'moving_var': _flat(new[1])}
    if training:
        kept = [each.detach() for each in new]
        seen['Y (training=False)'] = call(X.clone(), kept, False)[0].detach()
    x = X.clone().requires_grad_()
    Y, new, learned = call(x, memory, training)
    seen |= _gradients(Y, {'X': x, 'gamma': learned[0], 'beta': learned[1]})
    seen['moving_mean.requires_grad'] = new[0].requires_grad
    seen['moving_var.requires_grad'] = new[1].requires_grad
    with torch.no_grad():
        seen['Y (no_grad)'] = call(X.clone(), memory, training)[0]
    return seen


def _fits(Y: Tensor, X: Tensor) -> None:
    if Y.shape != X.shape:
        shapes = tuple(Y.shape), tuple(X.shape)
        raise Fault(
            '`Y`的形状是`{}`，`X`是`{}`'.format(*shapes),
            '`Y` has the shape `{}` and `X` `{}`'.format(*shapes),
        )


def _flat(values: Tensor) -> Tensor:
    """Return a number a channel as (C,); another size as it is."""
    values = values.detach().clone()
    return values.reshape(-1) if values.numel() == C else values


def _refusal(attempt: Callable[[], Any]) -> Results:
    """Return the name of the error that is raised, as one should be."""
    try:
        attempt()
    except NotImplementedError:
        raise
    except Exception as e:
        return {'raises': type(e).__name__}
    return {'raises': 'nothing'}


def _gradients(Y: Tensor, sources: dict[str, Tensor]) -> Results:
    """Return the gradients of an uneven sum of Y; of a plain one, X's is 0."""
    seen: Results = dict.fromkeys(f'{name}.grad' for name in sources)
    asked = {name: x for name, x in sources.items() if x.requires_grad}
    if not Y.requires_grad:
        return seen
    total = (Y * torch.arange(Y.numel()).cos().reshape(Y.shape)).sum()
    found = torch.autograd.grad(total, [*asked.values()], allow_unused=True)
    for name, each in zip(asked, found, strict=True):
        seen[f'{name}.grad'] = None if each is None else each.flatten()
    return seen


def see_layer(make: Make, scene: Scene) -> Results:
    """Return what is seen of a layer in a scene.

    Parameters
    ----------
    make : callable, `make(num_features, num_dims, eps=..., momentum=...)`
    scene : callable

    Raises
    ------
    NotImplementedError : a class that does nothing yet
    """
    if getattr(make, 'forward', None) is nn.Module.forward:
        raise NotImplementedError
    layer = make(C, 2)
    does_nothing = isinstance(layer, nn.Module) and not _holds(layer)
    if does_nothing and layer(X2.clone()) in (None, ...):
        raise NotImplementedError  # a stub that calls super().__init__()
    return scene(make)


def _holds(layer: nn.Module) -> bool:
    """Tell whether a layer has any tensor."""
    values = [*layer.state_dict().values(), *vars(layer).values()]
    return any(isinstance(value, Tensor) for value in values)


def _find(layer: nn.Module, what: str) -> Tensor:
    """Return a tensor of a layer, or of one inside it, by its norm.TENSORS."""
    for module in layer.modules():
        for name in TENSORS[what]:
            tensor = getattr(module, name, None)
            if isinstance(tensor, Tensor):
                return tensor
    known = [f'`{name}`' for name in TENSORS[what]]
    zh, en = '或'.join(known), ' or '.join(known)
    raise Fault(f'层里没有{zh}', f'the layer has no {en}')


def _build(make: Make, num_dims: int, **options: float) -> nn.Module:
    """Build a layer that trains, with the same gamma and beta as every other.

    They are uneven.
    """
    layer = make(C, num_dims, **options)
    if not isinstance(layer, nn.Module):
        kind = type(layer).__name__
        raise Fault(
            f'要的是`nn.Module`，来的是`{kind}`',
            f'it should make an `nn.Module` and makes `{kind}`',
        )
    for what, row in (('gamma', [2.0, -1]), ('beta', [0.5, 3])):
        tensor = _find(layer, what)
        if tensor.numel() != C:
            shape = tuple(tensor.shape)
            raise Fault(
                f'`{what}`应该每个通道一个数，共{C}个，形状却是`{shape}`',
                f'`{what}` should hold a number a channel, {C} in all, but '
                f'has the shape `{shape}`',
            )
        tensor.data.copy_(torch.tensor(row).reshape(tensor.shape))
    return layer.train()


def _held(layer: nn.Module, *whats: str) -> Results:
    """Return tensors of a layer by name; the moving averages by default."""
    return {
        TENSORS[what][0]: _flat(_find(layer, what))
        for what in whats or ('mean', 'var')
    }


def _call(layer: nn.Module, X: Tensor) -> Tensor:
    """Return the output for a copy of X, which must not be written into."""
    given = X.clone()
    Y: object = layer(given)
    if Y is None or Y is ...:
        raise NotImplementedError
    if not isinstance(Y, Tensor):
        kind = type(Y).__name__
        raise Fault(
            f'`forward`要返回一个张量，返回的是`{kind}`',
            f'`forward` should return a tensor and returns `{kind}`',
        )
    _fits(Y, X)
    if not torch.equal(given, X):
        raise Changed('X')
    return Y.detach()


def new(num_dims: int) -> Scene:
    """Look at a layer just built: its numbers, and what is registered."""
    ours = {name: names[0] for names in TENSORS.values() for name in names}

    def see(make: Make) -> Results:
        layer = make(C, num_dims)
        trained = [name.split('.')[-1] for name, _ in layer.named_parameters()]
        saved = [name.split('.')[-1] for name in layer.state_dict()]
        return _held(layer, *TENSORS) | {
            'parameters()': sorted(ours.get(name, name) for name in trained),
            'state_dict()': sorted(ours[n] for n in saved if n in ours),
        }

    return see


def trains(X: Tensor, **options: float) -> Scene:
    """Look at a step of training: output, moving averages, gradients."""

    def see(make: Make) -> Results:
        layer = _build(make, X.dim(), **options)
        seen: Results = {'Y': _call(layer, X), **_held(layer)}
        layer = _build(make, X.dim(), **options)
        x = X.clone().requires_grad_()
        learned = {what: _find(layer, what) for what in ('gamma', 'beta')}
        seen |= _gradients(layer(x), {'X': x} | learned)
        for what in ('mean', 'var'):
            alone = _find(layer, what).grad_fn is None
            seen[f'{TENSORS[what][0]}.grad_fn is None'] = alone
        return seen

    return see


def trains_twice(make: Make) -> Results:
    """Look at the moving averages after two steps."""
    layer = _build(make, 2)
    _call(layer, X2)
    _call(layer, X2 + 1)
    return _held(layer)


def evaluates(X: Tensor, gradients_on: bool) -> Scene:
    """Look at an evaluation after a step, and what it leaves behind."""

    def see(make: Make) -> Results:
        layer = _build(make, X.dim())
        _call(layer, X)
        layer.eval()
        with torch.set_grad_enabled(gradients_on):
            return {'Y': _call(layer, X + 1)} | _held(layer)

    return see


def trains_without_gradients(make: Make) -> Results:
    """Look at a step in training mode while gradients are off."""
    layer = _build(make, 2)
    with torch.no_grad():
        return {'Y': _call(layer, X2)} | _held(layer)


def is_saved(make: Make) -> Results:
    """Look at the output of a new layer that loads a trained one."""
    layer, fresh = _build(make, 2), make(C, 2)
    _call(layer, X2)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    with torch.no_grad():
        return {'Y': _call(fresh.eval(), X2)}


def is_double(make: Make) -> Results:
    """Look at the types after `.double()`."""
    layer = _build(make, 2).double()
    return {
        f'{names[0]}.dtype': str(_find(layer, what).dtype)
        for what, names in TENSORS.items()
    }


def is_copied(make: Make) -> Results:
    """Look at the moving averages while a copy of the layer trains."""
    layer = _build(make, 2)
    layer(X2.clone().requires_grad_())  # as behind another layer
    _call(copy.deepcopy(layer), X2)
    return _held(layer)


def evaluates_one(make: Make) -> Results:
    """Look at the evaluation of one example."""
    return {'Y': _call(_build(make, 2).eval(), X2[:1])}


def gets_one(make: Make) -> Results:
    """Look at what one example raises in training mode."""
    layer = _build(make, 2)
    return _refusal(lambda: _call(layer, X2[:1]))


def _counts(make: Make) -> bool:
    """Tell whether a layer saves how many batches it has seen."""
    names = make(C, 2).state_dict()
    return any(name.endswith('num_batches_tracked') for name in names)


# The cases, the smallest first.


def _case(
    X: Tensor,
    training: bool,
    eps: float = 1e-5,
    uneven: bool = True,
    tolerance: float | None = None,
) -> Case:
    """Return a case; `uneven` gives each channel other parameters."""
    rows = [[1.0, 1], [0.0, 0], [0.0, 0], [1.0, 1]]
    if uneven:
        rows = [[2.0, -1], [0.5, 3], [2.0, 11], [4.0, 9]]
    shape = (1, C) + (1,) * (X.dim() - 2)
    held = [torch.tensor(row).reshape(shape) for row in rows]
    args = (X, *held, eps, 0.25 if uneven else 0.1, training)
    names = [*inspect.signature(norm.batch_norm).parameters]
    rest = zip(names[1:], args[1:], strict=True)
    told = ', '.join(f'`{name}={show(value)}`' for name, value in rest)
    text = f'`X = {show(X)}`\n{told}'
    return Case(args, text, text, tolerance)


def _scene(
    scene: Scene,
    zh: str,
    en: str,
    X: Tensor | None = None,
    tolerance: float | None = None,
) -> Case:
    """Return a case that is told by words, and by its input."""
    if X is not None:
        given = f'`gamma = [2, -1]`, `beta = [0.5, 3]`\n`X = {show(X)}`'
        zh, en = f'{zh}；{given}', f'{en}; {given}'
    if X is not None and X.dim() == 4:
        zh, en = f'`num_dims=4`，{zh}', f'`num_dims=4`, {en}'
    return Case((scene,), zh, en, tolerance)


CASES = (
    _case(X2, True, uneven=False),
    _case(X2, False),
    _case(X2, True, eps=0.5),
    _case(X4, True, eps=0.5),
    _case(X4, False),
    _case(STILL, True, uneven=False),
    _case(X2 + 1e4, True, uneven=False, tolerance=FAR),
    _case(X4[:1], True),
    _case(X2[:1], False),
    _case(X2[:1], True, uneven=False),
)
SCENES = (
    _scene(new(2), '刚建好的`BatchNorm(2, 2)`', 'a new `BatchNorm(2, 2)`'),
    _scene(new(4), '刚建好的`BatchNorm(2, 4)`', 'a new `BatchNorm(2, 4)`'),
    _scene(trains(X2), '`train()`，一步', '`train()`, one step', X2),
    _scene(
        trains_twice,
        '`train()`，两步，`X`和`X + 1`',
        '`train()`, two steps, `X` and `X + 1`',
        X2,
    ),
    _scene(
        trains_without_gradients,
        '`train()`，在`torch.no_grad()`里',
        '`train()`, under `torch.no_grad()`',
        X2,
    ),
    _scene(
        evaluates(X2, False),
        '`train()`一步，再`eval()`，`torch.no_grad()`，`X + 1`',
        'a step of `train()`, then `eval()`, `torch.no_grad()`, `X + 1`',
        X2,
    ),
    _scene(
        evaluates(X2, True),
        '`train()`一步，再`eval()`，梯度开着，`X + 1`',
        'a step of `train()`, then `eval()`, gradients on, `X + 1`',
        X2,
    ),
    _scene(
        trains(X2, eps=0.5),
        '`eps=0.5`，`train()`，一步',
        '`eps=0.5`, `train()`, one step',
        X2,
    ),
    _scene(
        trains(X2, momentum=0.25),
        '`momentum=0.25`，`train()`，一步',
        '`momentum=0.25`, `train()`, one step',
        X2,
    ),
    _scene(
        trains(X4, eps=0.5),
        '`eps=0.5`，`train()`，一步',
        '`eps=0.5`, `train()`, one step',
        X4,
    ),
    _scene(
        evaluates(X4, True),
        '`train()`一步，再`eval()`，`X + 1`',
        'a step of `train()`, then `eval()`, `X + 1`',
        X4,
    ),
    _scene(
        trains(STILL),
        '几乎不变的通道，`train()`，一步',
        'channels that hardly change, `train()`, one step',
        STILL,
    ),
    _scene(
        trains(X2 + 1e4),
        '均值远离0，`train()`，一步',
        'means far from 0, `train()`, one step',
        X2 + 1e4,
        FAR,
    ),
    _scene(
        is_saved,
        '训练一步，存盘，读进一个新的层，`eval()`',
        'trained one step, saved, loaded into a new layer, `eval()`',
    ),
    _scene(
        trains(X4[:1]),
        '`train()`，只有一张图',
        '`train()`, a single image',
        X4[:1],
    ),
    _scene(
        evaluates_one,
        '`eval()`，批量里只有一个样本',
        '`eval()`, a batch of one example',
        X2[:1],
    ),
    _scene(is_double, '`.double()`之后', 'after `.double()`'),
    _scene(
        is_copied,
        '训练一步，`copy.deepcopy`，再训练副本',
        'trained one step, `copy.deepcopy`, then the copy is trained',
    ),
    _scene(
        gets_one,
        '`train()`，批量里只有一个样本',
        '`train()`, a batch of one example',
        X2[:1],
    ),
)


# The mistakes in the function. Of two made at once, the upper one is named.

# What edits change.
_FUNCTION = inspect.getsource(norm.values_per_channel) + inspect.getsource(
    norm.batch_norm
)
_N = 'n = values_per_channel(X, gamma, training)'
_ONE = 'training and n < 2'
_DIMS = '[d for d in range(X.dim()) if d != 1]'
_VAR = 'var = (centered**2).mean(dim=dims, keepdim=True)'
_UPDATES = (
    'moving_mean = (1 - momentum) * moving_mean + momentum * mean',
    'moving_var = (1 - momentum) * moving_var + momentum * unbiased',
)
_WRITES = (
    'moving_mean.mul_(1 - momentum).add_(momentum * mean)',
    'moving_var.mul_(1 - momentum).add_(momentum * unbiased)',
)
_SCALE = 'scale = gamma'
_GAMMA, _ROOT, _BETA = 'gamma / torch', 'torch.sqrt(var + eps)', '+ beta)'
_REMEMBERS_IN_EVAL = """if not training:
        with torch.no_grad():
            now = x.mean(dim=dims, keepdim=True)
            unbiased = ((x - now) ** 2).sum(dim=dims, keepdim=True)
            unbiased = unbiased / max(1, n - 1)
            moving_mean = (1 - momentum) * moving_mean + momentum * now
            moving_var = (1 - momentum) * moving_var + momentum * unbiased
    """


def _first(line: str, zh: str = '', en: str = '') -> Edit:
    """Return the mistake that begins with a line."""
    return Edit(_N, f'{line}\n    {_N}', zh, en)


def _before_scale(line: str, zh: str, en: str) -> Edit:
    """Return the mistake to do something before `scale` is computed."""
    return Edit(_SCALE, f'{line}\n    {_SCALE}', zh, en)


def _ways(ways: list[Edit], zh: str, en: str) -> list[Mistake]:
    """Give several ways to make a mistake the same hint."""
    ways[0].zh, ways[0].en = zh, en
    return [*ways]


def _in_place(old: str, new: str) -> list[Edit]:
    """Return an edit, and the same where averages are written in place.

    Other errors come of those.
    """
    return [Edit(old, new), Edit((old, *_UPDATES), (new, *_WRITES))]


_REMEMBERED_FIRST = Edit(  # before X meets the mean, so another line raises
    (', keepdim=True)', 'centered = x - mean', _VAR[:-15], *_UPDATES, _SCALE),
    (
        ')',
        'pass',
        'var = x.var(dim=dims, correction=0',
        *_WRITES,
        f'centered = x - mean\n    {_SCALE}',
    ),
)
_ONE_DIRECTION = (
    '一张图有两个方向，你只沿一个求了均值。`(N, C, H, W)`里，除了通道还有'
    '几个轴？',
    'An image has two directions, and the mean is over one of them. How '
    'many axes does `(N, C, H, W)` have besides the channel?',
)
MISTAKES: Mistakes = {
    'returns_swapped': Edit(
        'Y, moving_mean, moving_var\n',
        'Y, moving_var, moving_mean\n',
        '数都出现了，只是不在该在的位置。返回的三样，次序是什么？',
        'The numbers are all there, but not in their places. In which order '
        'are the three returned?',
    ),
    'no_keepdim': _ways(
        [
            *_in_place('x.mean(dim=dims, keepdim=True)', 'x.mean(dim=dims)'),
            _REMEMBERED_FIRST,
        ],
        '打印均值的形状：求均值时去掉的轴还在不在？和`X`相减时，它从最后一轴'
        '开始对齐，对上的是通道吗？',
        'Print the shape of the mean: are the axes that were averaged still '
        'there? Subtracted from `X`, it is lined up from the last axis on: '
        'is that the channel?',
    ),
    'axes_batch_only': _ways(
        _in_place(_DIMS, '[0]'),
        '对`(N, C, H, W)`只沿样本求了均值，每个位置各有一个。一个通道里的各个'
        '位置是同一个卷积核算出来的，该分开算吗？',
        'For `(N, C, H, W)` the mean is over examples only, one for each '
        'position. All positions of a channel come from one kernel: should '
        'they be kept apart?',
    ),
    'axes_one_example': _ways(
        _in_place(_DIMS, '[0] if X.dim() == 2 else [2, 3]'),
        '每个样本用了自己的均值。数一数你的均值：该有`C`个，你有`N*C`个。'
        '“批量”在哪里？',
        'Each example has a mean of its own. Count your means: there should '
        'be `C`, and there are `N*C`. Where is the batch?',
    ),
    'axes_example': _ways(
        _in_place(_DIMS, '[1, 2, 3][: X.dim() - 1]'),
        '均值是在一个样本里面、跨着通道求的，像层归一化。批量归一化里，哪些数'
        '共用一个均值？',
        'The mean is taken inside an example, across channels, as in layer '
        'normalization. Which numbers share a mean in batch normalization?',
    ),
    'axes_channels': _ways(
        _in_place(_DIMS, '[1]'),
        '你把第1轴平均掉了。`X`的第1轴是什么？求完均值，该留下的是哪个轴？',
        'Axis 1 is averaged away. What is axis 1 of `X`? Which axis should '
        'be left when the mean is taken?',
    ),
    'axes_all': _ways(
        _in_place(_DIMS, '[*range(X.dim())]'),
        '整个`X`只有一个均值。两个特征的单位可以差一千倍，它们能共用一个均值'
        '吗？',
        'There is a single mean for all of `X`. Two features may differ in '
        'unit by a factor of a thousand: can they share a mean?',
    ),
    'axes_last': _ways(
        _in_place(_DIMS, '[*range(X.dim() - 1)]'),
        '最后一轴留了下来。PyTorch的图像是`(N, C, H, W)`，通道在哪个轴？',
        'The last axis is the one that is left. In PyTorch images have the '
        'shape `(N, C, H, W)`: which axis is the channel?',
    ),
    'axes_rows': Edit(
        _DIMS,
        '[0, 2][: X.dim() - 1]',
        *_ONE_DIRECTION,
    ),
    'axes_columns': _ways(
        _in_place(_DIMS, '[0, 3][: X.dim() - 1]'),
        *_ONE_DIRECTION,
    ),
    'always_trains': _first(
        'training = True',
        '训练模式和评估模式，你的代码做得一模一样。它看过现在是哪个模式吗？',
        'Your code does the same in training mode and in evaluation mode. '
        'Does it ever look at which one it is?',
    ),
    'gradients_mode': _ways(
        [
            _first('training = torch.is_grad_enabled()'),
            _first('training = training and torch.is_grad_enabled()'),
            _first('training = training or torch.is_grad_enabled()'),
        ],
        '梯度开着和关着，你的代码做的事不一样。可是梯度和模式是两件事：预测'
        '时也可能要对输入求梯度。现在是哪个模式，该看什么？',
        'Your code does one thing with gradients on and another with '
        'gradients off. But gradients and the mode are two things: '
        'prediction may need the gradient to the input too. What says '
        'which mode it is?',
    ),
    'mode_reversed': _first(
        'training = not training',
        '两个模式好像对调了。看看`if`的两支，哪一支该算这一批的统计量？',
        'The two modes seem to have changed places. Look at the two branches '
        'of your `if`: which one should use the statistics of the batch?',
    ),
    'moving_in_training': Edit(
        (_N, _SCALE),
        (
            f'old = moving_mean, moving_var\n    {_N}',
            f'centered, var = x - old[0], old[1]\n    {_SCALE}',
        ),
        '训练模式也用移动平均去归一化了。把`gamma`设成1、`beta`设成0，训练时'
        '`Y`在每个通道的均值该是几？你的是几？',
        'Training mode normalizes by the moving averages too. With `gamma` 1 '
        'and `beta` 0, what should the mean of a channel of `Y` be in '
        'training, and what is yours?',
    ),
    'updated_in_training': _before_scale(
        'centered, var = x - moving_mean, moving_var',
        '训练时，归一化用的是刚更新过的移动平均。更新是为了以后；眼下这一批，'
        '该减去谁的均值？',
        'Training normalizes by the moving averages just updated. The update '
        'is for later: whose mean should this batch have subtracted?',
    ),
    'batch_in_eval': Edit(
        (' if training else moving_mean', f'if training:\n        {_VAR}'),
        ('', f'{_VAR}\n    if training:'),
        '评估模式用了这一批自己的统计量。要是只来一个样本，它的统计量从哪里'
        '来？',
        'Evaluation mode uses the statistics of the batch itself. If a '
        'single example comes, where would its statistics come from?',
    ),
    'remembers_in_eval': Edit(
        _SCALE,
        _REMEMBERS_IN_EVAL + _SCALE,
        '评估模式下，移动平均也变了。测试数据该不该影响以后的预测？',
        'The moving averages change in evaluation mode too. Should test data '
        'have an influence on later predictions?',
    ),
    'not_remembered': Edit(
        ('moving_mean = (1', 'moving_var = (1'),
        ('_ = (1', '_ = (1'),
        '训练了一步，移动平均还和原来一样。算出来的新值去哪里了？',
        'After a step of training the moving averages are what they were. '
        'Where does the new value go?',
    ),
    'replaced': Edit(
        ('(1 - momentum) * moving', '+ momentum *'),
        ('0 * moving', '+'),
        '移动平均成了这一批的统计量，以前的全忘了。`momentum`在哪里起作用？',
        'The moving averages are the statistics of this batch, and the past '
        'is gone. Where does `momentum` come in?',
    ),
    'forgets_nothing': _ways(
        [
            Edit('(1 - momentum) * moving', 'moving'),
            Edit('(1 - momentum) * moving_mean', 'moving_mean'),
        ],
        '新值加上去了，旧值却没有变轻。新旧两个权重加起来该是几？',
        'The new value is added, but the old one keeps its full weight. What '
        'should the two weights sum to?',
    ),
    'momentum_reversed': _first(
        'momentum = 1 - momentum',
        '移动平均一步就走了太远，或者太近。`momentum=0.1`时，PyTorch的0.1是'
        '旧值的权重，还是新值的？',
        'The moving averages go too far in one step, or not far enough. With '
        "`momentum=0.1`, is PyTorch's 0.1 the weight of the old value or of "
        'the new one?',
    ),
    'momentum_fixed': _first(
        'momentum = 0.1',
        '换一个`momentum`，移动平均还是走同样远。这个参数用到了吗？',
        'With another `momentum` the moving averages go just as far. Is the '
        'argument used?',
    ),
    'mean_left': Edit(
        'scale * centered',
        'scale * x',
        '`Y`的中心不对。写下`X`变成`X_hat`的公式，分子是什么？',
        '`Y` is not centred where it should be. Write down the fraction that '
        'turns `X` into `X_hat`: what is its numerator?',
    ),
    'var_not_centred': Edit(
        '(centered**2)',
        '(x**2)',
        '方差太大了。方差是离均值有多远，再平方、求平均；你平方的是什么？',
        'The variance is too large. It is the mean of squared distances from '
        'the mean: what is it that you square?',
    ),
    'var_summed': Edit(
        '(centered**2).mean(',
        '(centered**2).sum(',
        '方差会随着批量变大。把同样的样本抄一份接在后面，方差该不该变？',
        'Your variance grows with the batch. If the same examples are '
        'appended once more, should the variance change?',
    ),
    'not_rooted': Edit(
        _ROOT,
        '(var + eps)',
        '把`X`乘以10，`Y`该不变，你的会变。分母和分子的单位一样吗？',
        'Multiply `X` by 10: `Y` should stay, and yours changes. Do the '
        'two sides of your division have the same unit?',
    ),
    'unbiased_normalizes': _before_scale(
        'var = var * n / (n - 1) if training else var',
        '训练时的`X_hat`整体小了一点，批量越小差得越多。归一化时，方差除以'
        '了几？量一量`X_hat`的方差是不是1。',
        'In training `X_hat` is a little too small, the more so the '
        'smaller the batch. By what is the variance divided where it '
        'normalizes? Measure whether the variance of `X_hat` is 1.',
    ),
    'std_remembered': _ways(
        [
            Edit('* unbiased', '* unbiased.sqrt()'),
            Edit(
                ('* unbiased', 'var = moving_var\n'),
                ('* unbiased.sqrt()', 'var = moving_var**2\n'),
            ),
        ],
        '`moving_var`的单位不对。`X`乘以10，它该变成多少倍？你的变成多少倍？',
        '`moving_var` has the wrong unit. If `X` is multiplied by 10, by how '
        'much should it grow, and by how much does yours?',
    ),
    'biased_remembered': Edit(
        'unbiased = var * n / (n - 1)',
        'unbiased = var',
        '`Y`对，`moving_var`偏小。记下来的方差是替全部数据估计的：从一小批数'
        '估计，怎样才不会总是偏小？',
        '`Y` is right and `moving_var` is too small. What is remembered '
        'stands for all the data. How do you keep an estimate from a few '
        'values from coming out too small on average?',
    ),
    'eps_missing': Edit(
        _ROOT,
        'torch.sqrt(var)',
        '换一个`eps`，你的`Y`不变。要是一个通道的方差正好是0，你的分母里，什么'
        '拦着它变成0？',
        'With another `eps` your `Y` is the same. If the variance of a '
        'channel is exactly 0, what keeps the number you divide by away '
        'from 0?',
    ),
    'eps_outside': Edit(
        _ROOT,
        '(torch.sqrt(var) + eps)',
        '`eps`有了，位置不对，`eps`大的时候看得出来。它和方差同单位，还是和'
        '标准差同单位？',
        '`eps` is there but in another place, which shows when it is large. '
        'Does it have the unit of the variance or of the standard '
        'deviation?',
    ),
    'eps_twice': Edit(
        _ROOT,
        '(torch.sqrt(var + eps) + eps)',
        '分母太大了。数一数，`eps`加了几次？',
        'You divide by too much. Count how many times `eps` is added.',
    ),
    'eps_least': Edit(
        _ROOT,
        'torch.sqrt(var.clamp(min=eps))',
        '方差比`eps`大的时候，`eps`对你不起作用。它是下限，还是加数？',
        'Where the variance is larger, your `eps` has no effect. Is it a '
        'lower limit, or something added?',
    ),
    'eps_fixed': _first(
        'eps = 1e-5',
        '换一个`eps`，结果不变。这个参数用到了吗？',
        'With another `eps` the result is the same. Is the argument used?',
    ),
    'eps_remembered': Edit(
        'momentum * unbiased',
        'momentum * (unbiased + eps)',
        '`moving_var`多出一点，多的正好和`eps`成比例。`eps`是为了做除法，要不要'
        '一起记下来？',
        '`moving_var` is a little too large, in proportion to `eps`. `eps` '
        'is there for the division: should it be remembered too?',
    ),
    'swapped': Edit(
        (_GAMMA, _BETA),
        ('beta / torch', '+ gamma)'),
        '`gamma`和`beta`做了对方的事。哪个用来缩放，哪个用来偏移？',
        "`gamma` and `beta` do each other's work. Which one scales, and "
        'which one shifts?',
    ),
    'no_gamma_beta': Edit(
        (_GAMMA, _BETA),
        ('1 / torch', ')'),
        '换了`gamma`和`beta`，`Y`不变。`X_hat`后面还有一步。',
        '`Y` is the same whatever `gamma` and `beta` are. There is a step '
        'after `X_hat`.',
    ),
    'no_gamma': Edit(
        _GAMMA,
        '1 / torch',
        '换一个`gamma`，`Y`不变。它在哪里用到？',
        '`Y` is the same whatever `gamma` is. Where is it used?',
    ),
    'no_beta': Edit(
        _BETA,
        ')',
        '换一个`beta`，`Y`不变。它在哪里用到？',
        '`Y` is the same whatever `beta` is. Where is it used?',
    ),
    'beta_inside': Edit(
        _BETA,
        '+ gamma * beta)',
        '`beta`也被`gamma`乘了。先缩放还是先偏移？',
        '`beta` is multiplied by `gamma` too. Which comes first, the scale '
        'or the shift?',
    ),
    'cut_gradient': _before_scale(
        'centered, var = x - mean.detach(), var.detach()',
        '`Y`对，`X`的梯度不对。均值和方差也是从`X`算出来的：动一动`X`，它们动'
        '不动？你的梯度知道吗？',
        '`Y` is right, the gradient to `X` is not. The mean and the variance '
        'are computed from `X` too: move `X`, and they move. Does your '
        'gradient know?',
    ),
    'cut_mean': _before_scale(
        'centered = x - mean.detach()',
        '`Y`对，`X`的梯度不对。梯度经过方差了，也经过均值了吗？',
        '`Y` is right, the gradient to `X` is not. It goes through the '
        'variance; does it go through the mean?',
    ),
    'cut_var': _before_scale(
        'var = var.detach()',
        '`Y`对，`X`的梯度不对。梯度经过均值了，也经过方差了吗？',
        '`Y` is right, the gradient to `X` is not. It goes through the mean; '
        'does it go through the variance?',
    ),
    'keeps_graph': Edit(
        'with torch.no_grad():',
        'if True:',
        '数都对，可是移动平均带着计算图。一步接一步，图越来越长，内存越来越满。'
        '更新移动平均的几行，要不要记梯度？',
        'The numbers are right, but the moving averages carry a computation '
        'graph. It grows with each step and memory fills up. Do the lines '
        'that update them need gradients?',
    ),
    'cut_all': Edit(
        '.to(X.dtype)',
        '.to(X.dtype).detach()',
        '`Y`上没有梯度可传。整个前向是不是在不记梯度的地方算的？',
        '`Y` passes no gradient on at all. Is all of it computed where '
        'gradients are not recorded?',
    ),
    'cut_gamma': _ways(
        [
            Edit(_GAMMA, 'gamma.detach() / torch'),
            Edit(_BETA, '+ beta.detach())'),
            Edit(
                (_GAMMA, _BETA), ('gamma.detach() / torch', '+ beta.detach())')
            ),
        ],
        '`gamma`或者`beta`没有梯度，就学不动。从它们到`Y`的路，在哪里断了？',
        "`gamma` or `beta` gets no gradient and can't be learned. Where is "
        'the way from them to `Y` cut?',
    ),
    'counts_examples': Edit(
        'n / (n - 1)',
        'len(X) / max(1, len(X) - 1)',
        '`(N, C, H, W)`上，`moving_var`偏大。换成无偏方差时，n是几？数一数有'
        '多少个数共用一个均值。',
        'On `(N, C, H, W)` `moving_var` is too large. What is n where the '
        'variance is made unbiased? Count the values that share a mean.',
    ),
    'cancels': Edit(
        _VAR,
        _VAR.replace('centered', 'x') + ' - mean**2',
        '均值离0很远时，方差错了。看看你的方差：是不是两个很大、差不多相等的'
        '数相减？32位浮点数大约只有7位有效数字。',
        'With a mean far from 0 the variance goes wrong. Is yours the '
        'difference of two numbers that are large and almost equal? A 32-bit '
        'float has about 7 digits.',
        rough=True,
    ),
    'one_value': Edit(
        (_ONE, '(n - 1)'),
        ('False', 'max(1, n - 1)'),
        '训练时一个通道只有一个数：均值是它自己，方差是0，没有统计量可言。'
        'PyTorch在这里怎么做？你的代码呢？',
        'In training a channel with a single value has no statistics: the '
        'value is its own mean, and the variance is 0. What does PyTorch do '
        'here, and what does your code do?',
        rough=True,
    ),
    'one_image': Edit(
        _ONE,
        'training and len(X) < 2',
        '只有一张图，你的代码就不肯训练。一个通道里有`H*W`个数，够不够求均值和'
        '方差？',
        'Your code refuses to train on a single image. A channel has `H*W` '
        'values: are they enough for a mean and a variance?',
        rough=True,
    ),
    'one_value_in_eval': Edit(
        _ONE,
        'n < 2',
        '评估时来一个样本，你的代码不肯算。评估用到这一批的统计量吗？',
        'In evaluation your code refuses a single example. Does evaluation '
        'use the statistics of the batch?',
        rough=True,
    ),
}

# The mistakes in the layer.

_MEAN = "self.register_buffer('moving_mean', torch.zeros(shape))"
_VARIANCE = "self.register_buffer('moving_var', torch.ones(shape))"
_NEW_GAMMA = 'nn.Parameter(torch.ones(shape))'
_NEW_BETA = 'nn.Parameter(torch.zeros(shape))'
_COPIES = """if self.training:
            self.moving_mean.copy_(mean)
            self.moving_var.copy_(var)
"""
_STORE = 'self.moving_mean, self.moving_var = mean, var'


_SHAPE = 'shape = (1, num_features) + (1,) * (num_dims - 2)'


def _and(way: Mistake, *changes: tuple[str, str]) -> Edit:
    """Return a way to make a mistake with more words changed."""
    assert isinstance(way, Edit)
    olds, news = zip(*way.changes, *changes, strict=True)
    return Edit(olds, news)


def _both(one: Edit, other: Edit, *always: tuple[str, str]) -> list[Edit]:
    """Return the edits of two tensors: of both, of one, of the other."""
    both = _and(one, *other.changes)
    return [_and(each, *always) for each in (both, one, other)]


_FLAT = Edit(
    (_SHAPE, 'gamma.shape != want'),
    (f'{_SHAPE} if num_dims == 2 else (num_features,)', 'False'),
)
_IN_LAYER: Mistakes = {
    'plain_gamma': _ways(
        _both(
            Edit(_NEW_GAMMA, 'torch.ones(shape).requires_grad_()'),
            Edit(_NEW_BETA, 'torch.zeros(shape).requires_grad_()'),
        ),
        '`gamma`和`beta`没有都进`parameters()`，优化器看不全。什么样的张量'
        '会自己进去？',
        '`gamma` or `beta`, or both, are missing from `parameters()`, where '
        'an optimizer looks. What kind of tensor gets in by itself?',
    ),
    'gamma_buffer': Edit(
        (f'self.gamma = {_NEW_GAMMA}', f'self.beta = {_NEW_BETA}'),
        (
            "self.register_buffer('gamma', torch.ones(shape))",
            "self.register_buffer('beta', torch.zeros(shape))",
        ),
        '`gamma`和`beta`跟着层存盘，却不在`parameters()`里。它们是记下来的，'
        '还是学出来的？',
        '`gamma` and `beta` are saved with the layer but are not among '
        '`parameters()`. Are they remembered, or learned?',
    ),
    'trained_averages': _ways(
        _both(
            Edit(_MEAN, 'self.moving_mean = nn.Parameter(torch.zeros(shape))'),
            Edit(
                _VARIANCE, 'self.moving_var = nn.Parameter(torch.ones(shape))'
            ),
            (
                _STORE,
                'self.moving_mean.data, self.moving_var.data = mean, var',
            ),
        ),
        '移动平均进了`parameters()`，优化器会去改它。它是学出来的，还是记下'
        '来的？',
        'A moving average is among `parameters()`, where an optimizer '
        'changes it. Is it learned, or remembered?',
    ),
    'plain_tensors': _ways(
        _both(
            Edit(_MEAN, 'self.moving_mean = torch.zeros(shape)'),
            Edit(_VARIANCE, 'self.moving_var = torch.ones(shape)'),
        ),
        '`state_dict()`里缺移动平均：存盘会丢，`.to()`和`.double()`也不管。'
        '层怎么知道哪些张量归它管？',
        'A moving average is missing from `state_dict()`: saving loses it, '
        'and `.to()` and `.double()` pass it by. How does a layer know '
        'which tensors are its own?',
    ),
    'not_saved': _ways(
        _both(
            Edit(_MEAN, f'{_MEAN[:-1]}, persistent=False)'),
            Edit(_VARIANCE, f'{_VARIANCE[:-1]}, persistent=False)'),
        ),
        '移动平均登记过了，`state_dict()`里却没有。登记时有没有说不要存？',
        'The moving averages are registered, and yet missing in '
        '`state_dict()`. Did you say there that they are not to be saved?',
    ),
    'one_gamma': Edit(
        (_NEW_GAMMA, _NEW_BETA),
        ('nn.Parameter(torch.ones(1))', 'nn.Parameter(torch.zeros(1))'),
        '`gamma`和`beta`只有一个数。两个通道会想要同样的大小和偏移吗？',
        '`gamma` and `beta` hold a single number. Would two channels want '
        'the same scale and shift?',
    ),
    'flat_shape': _ways(
        [
            _FLAT,
            _and(_FLAT, ('if num_dims == 2 else', 'if False else')),
            _and(_FLAT, *zip(_UPDATES, _WRITES, strict=True)),
            _and(_FLAT, (_STORE, _COPIES)),
        ],
        '`(N, C, H, W)`上出了形状的问题。形状是`(C,)`的`gamma`，广播时从最后'
        '一轴对齐，碰上的是哪个轴？',
        'Shapes go wrong on `(N, C, H, W)`. Broadcasting lines up from the '
        'last axis: which one does a `gamma` of shape `(C,)` meet there?',
    ),
    'var_zeros': Edit(
        "'moving_var', torch.ones",
        "'moving_var', torch.zeros",
        '`moving_var`从0开始。还没训练几步就评估，会除以什么？除以几才等于'
        '没有除？',
        '`moving_var` starts at 0. What would an evaluation after few '
        'steps divide by? What can one divide by so that nothing changes?',
    ),
    'mean_ones': Edit(
        "'moving_mean', torch.zeros",
        "'moving_mean', torch.ones",
        '`moving_mean`的起点不对。还没有见过数据时，减去几等于没有减？',
        '`moving_mean` starts at the wrong number. Before any data is seen, '
        'what can be subtracted so that nothing changes?',
    ),
    'gamma_zeros': Edit(
        _NEW_GAMMA,
        _NEW_BETA,
        '`gamma`从0开始：乘上去以后还剩下什么？一开始该只做标准化。',
        '`gamma` starts at 0: what is left after multiplying? At first the '
        'layer should only standardize.',
    ),
    'beta_ones': Edit(
        _NEW_BETA,
        _NEW_GAMMA,
        '`beta`的起点不对。一开始该只做标准化，加上几等于没有加？',
        '`beta` starts at the wrong number. At first the layer should only '
        'standardize: what can be added so that nothing changes?',
    ),
    'keeps_output': Edit(
        '        return Y\n',
        '        self.Y = Y\n        return Y\n',
        '层里留着一个带计算图的张量，所以复制不了，它占的内存也放不掉。留着的'
        '东西需要梯度吗？',
        "The layer keeps a tensor with its computation graph, so it can't be "
        'copied, and the memory is not set free. Does what you keep need '
        'gradients?',
    ),
}


def _lacks_super(cls: Any) -> bool:
    try:
        cls(2, 2)
    except AttributeError as e:
        return 'Module.__init__' in str(e)
    return False


def _lacks_options(cls: Any) -> bool:
    arguments = inspect.signature(cls).parameters
    kinds = [each.kind for each in arguments.values()]
    return inspect.Parameter.VAR_KEYWORD not in kinds and not (
        {'eps', 'momentum'} <= arguments.keys()
    )


def _draws(cls: Any) -> bool:
    layers = cls(2, 2), cls(2, 2)
    return any(
        not torch.equal(_find(layers[0], what), _find(layers[1], what))
        for what in ('gamma', 'beta')
    )


_SEEN: Mistakes = {
    'no_super': Seen(
        _lacks_super,
        '`nn.Module`自己还没有准备好，就往上挂参数了。`__init__`里，谁该先来？',
        'Parameters are hung on an `nn.Module` that is not set up yet. What '
        'has to come first in `__init__`?',
    ),
    'no_options': Seen(
        _lacks_options,
        '建层时要能给`eps`和`momentum`，也可以不给。看看`__init__`的参数表。',
        'One should be able to pass `eps` and `momentum`, and to leave them '
        'out. Look at the arguments of `__init__`.',
    ),
    'gamma_drawn': Seen(
        _draws,
        '新建的层里，`gamma`和`beta`该让它只做标准化。乘几、加几等于什么也没'
        '做？',
        'In a new layer `gamma` and `beta` should let it only standardize. '
        'Which numbers to multiply by and to add change nothing?',
    ),
}
# The layer that is edited keeps what the function returns, as most do.
_SOURCE = _FUNCTION + inspect.getsource(norm.BatchNorm)
_SOURCE = _SOURCE.replace(_COPIES, f'{_STORE}\n')


def _in_layer(key: str, ways: Mistake | list[Mistake]) -> Any:
    """Return the ways to make one of the function's mistakes in a layer."""
    if not isinstance(ways, list):
        return ways
    if key == 'gradients_mode':
        only_then = f'if torch.is_grad_enabled():\n            {_STORE}'
        return [*ways, Edit(_STORE, only_then)]
    if key.startswith(('axes', 'no_keepdim')):
        return [*ways, _and(ways[0], (_STORE, _COPIES))]
    return ways


LAYER_MISTAKES: Mistakes = (
    _IN_LAYER
    | {
        key: _in_layer(key, ways)
        for key, ways in MISTAKES.items()
        if key != 'returns_swapped'  # a layer returns Y alone
    }
    | _SEEN
)


BATCH_NORM = Exercise(
    'batch_norm',
    norm.batch_norm,
    CASES,
    MISTAKES,
    see=see_function,
    may_change=('moving_mean', 'moving_var'),
    source=_FUNCTION,
)
BATCH_NORM_LAYER = Exercise(
    'BatchNorm',
    norm.BatchNorm,
    SCENES,
    LAYER_MISTAKES,
    see=see_layer,
    source=_SOURCE,
)


def check_batch_norm(fn: Any) -> Report:
    """Check a function that does what `d2lmini.batch_norm` does.

    Parameters
    ----------
    fn : callable
        `fn(X, gamma, beta, moving_mean, moving_var, eps, momentum,
        training)` returns `Y, moving_mean, moving_var`. X is (N, C) or
        (N, C, H, W), the next four (1, C) or (1, C, 1, 1). In training
        one value a channel raises ValueError, as in torch.

    Returns
    -------
    Report
        What is right, the smallest case that is not, and which of the known
        mistakes it is.

    Notes
    -----
    Any way of writing it is right. The moving averages may be written into,
    if they are returned too, and may come back as (C,) if `fn` takes them
    so. X must not be written into.
    """
    return judge(BATCH_NORM, fn)


def check_BatchNorm(cls: Any) -> Report:  # noqa: N802 - the class's name
    """Check a layer that does what `d2lmini.BatchNorm` does.

    Parameters
    ----------
    cls : callable
        `cls(num_features, num_dims, eps=1e-5, momentum=0.1)` makes an
        `nn.Module`. Its tensors are called gamma, beta, moving_mean and
        moving_var, or as in torch, and may be those of a layer inside it.

    Returns
    -------
    Report
        As `check_batch_norm`. `num_batches_tracked`, `momentum=None` and
        half precision are not asked for.
    """
    report = judge(BATCH_NORM_LAYER, cls)
    if not report.ok or _counts(cls):
        return report
    line = (
        '它没有`num_batches_tracked`：这里不要求；PyTorch的层有，'
        '`momentum=None`时用得着。',
        'It has no `num_batches_tracked`. That is not asked for here; '
        "PyTorch's layer has it, for `momentum=None`.",
    )
    return dataclasses.replace(report, lines=(*report.lines, line))
