"""The exercises of lesson 03: a learner's `batch_norm` and `BatchNorm`.

Their mistakes are the package's own code with a few words changed; a layer's
may lie in the function too, which is edited with it.
"""

import copy
import dataclasses
import inspect
import io
import re
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
)
from d2lmini.exercises.guard import (
    Changed,
    fill,
    fits,
    gradients_of,
    layer_of,
    output_of,
    run,
    tensor_of,
)
from d2lmini.exercises.report import Report
from d2lmini.norm import TENSORS
from d2lmini.show.lang import Fault

Make = Callable[..., nn.Module]
Scene = Callable[[Make], Results]
Mistakes = dict[str, Mistake]

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
    """Return what a `batch_norm` gives, by name; averages as (C,)."""
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
        return fits(out[0], X), [*out[1:]], learned

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
    seen |= gradients_of(Y, {'X': x, 'gamma': learned[0], 'beta': learned[1]})
    seen['moving_mean.requires_grad'] = new[0].requires_grad
    seen['moving_var.requires_grad'] = new[1].requires_grad
    with torch.no_grad():
        seen['Y (no_grad)'] = call(X.clone(), memory, training)[0]
    return seen


def _flat(values: Tensor) -> Tensor:
    """Return a number a channel as (C,); another size as it is."""
    values = values.detach().clone()
    return values.reshape(-1) if values.numel() == C else values


def _refusal(attempt: Callable[[], Any]) -> Results:
    """Return the name of the error that is raised, as one should be."""
    came = '没有报错 · no error'
    try:
        attempt()
    except NotImplementedError:
        raise
    except Exception as e:
        right = isinstance(e, ValueError)
        came = 'ValueError' if right else type(e).__name__
    return {'raises': came}


def _scene(
    see: Scene,
    zh: str,
    en: str,
    X: Tensor | None = None,
    tolerance: float | None = None,
) -> Case:
    """Return a case that is told by words, and by its input."""
    if X is not None:
        given = f'`gamma = [2, -1]`, `beta = [0.5, 3]`\n`X = {show(X)}`'
        size = f'`num_dims={X.dim()}`'
        zh, en = f'{size}，{zh}；{given}', f'{size}, {en}; {given}'
    return Case((see,), zh, en, tolerance)


def _build(make: Make, num_dims: int, **options: float | None) -> Any:
    """Build a layer that trains, with an uneven gamma and beta."""
    layer = layer_of(make, C, num_dims, **options)
    for what, row in (('gamma', [2.0, -1]), ('beta', [0.5, 3])):
        fill(layer, what, torch.tensor(row))
    return layer


def _held(layer: nn.Module, *whats: str) -> Results:
    """Return tensors of a layer by name; the moving averages by default."""
    return {
        TENSORS[what][0]: _flat(tensor_of(layer, what))
        for what in whats or ('mean', 'var')
    }


def _step(layer: nn.Module, X: Tensor) -> Results:
    return {'Y': output_of(layer, X).detach(), **_held(layer)}


def is_new(num_dims: int) -> Case:
    """Look at a layer just built: its numbers, and what is registered."""
    ours = {name: names[0] for names in TENSORS.values() for name in names}

    def see(make: Make) -> Results:
        layer = layer_of(make, C, num_dims)
        trained = [name.split('.')[-1] for name, _ in layer.named_parameters()]
        saved = [name.split('.')[-1] for name in layer.state_dict()]
        return _held(layer, *TENSORS) | {
            'parameters()': sorted(ours.get(name, name) for name in trained),
            'state_dict()': sorted(ours[n] for n in saved if n in ours),
        }

    built = f'`BatchNorm(2, {num_dims})`'
    return _scene(see, f'刚建好的{built}', f'a new {built}')


def trains(
    X: Tensor, tolerance: float | None = None, **options: float
) -> Case:
    """Look at a step of training: output, moving averages, gradients."""

    def see(make: Make) -> Results:
        seen = _step(_build(make, X.dim(), **options), X)
        layer = _build(make, X.dim(), **options)
        x = X.clone().requires_grad_()
        learned = {what: tensor_of(layer, what) for what in ('gamma', 'beta')}
        seen |= gradients_of(layer(x), {'X': x, **learned})
        for what in ('mean', 'var'):
            alone = tensor_of(layer, what).grad_fn is None
            seen[f'{TENSORS[what][0]}.grad_fn is None'] = alone
        return seen

    zh, en = '`train()`，一步', '`train()`, one step'
    for name, value in options.items():
        zh, en = f'{zh}，`{name}={value}`', f'{en}, `{name}={value}`'
    return _scene(see, zh, en, X, tolerance)


def runs(
    X: Tensor, mode: str, after_a_step: bool = False, gradients_on: bool = True
) -> Case:
    """Look at a call in a mode: on X or, after a step of training, X + 1."""

    def see(make: Make) -> Results:
        layer = _build(make, X.dim())
        if after_a_step:
            output_of(layer, X)
        layer.train(mode == 'train')
        with torch.set_grad_enabled(gradients_on):
            return _step(layer, X + 1 if after_a_step else X)

    now = f'`{mode}()`' if gradients_on else f'`{mode}(), torch.no_grad()`'
    if not after_a_step:
        return _scene(see, now, now, X)
    zh, en = '`train()`一步，再', 'a step of `train()`, then '
    return _scene(see, f'{zh}{now}，`X + 1`', f'{en}{now}, `X + 1`', X)


def is_saved(make: Make) -> Results:
    """Look at the output of a new layer that loads a trained one."""
    layer, fresh = _build(make, 2), make(C, 2)
    output_of(layer, X2)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    with torch.no_grad():
        return {'Y': output_of(fresh.eval(), X2)}


def is_double(make: Make) -> Results:
    """Look at the types after `.double()`."""
    layer = _build(make, 2).double()
    return {
        f'{names[0]}.dtype': str(tensor_of(layer, what).dtype)
        for what, names in TENSORS.items()
    }


def is_copied(make: Make) -> Results:
    """Look at the moving averages while a copy of the layer trains."""
    layer = _build(make, 2)
    layer(X2.clone().requires_grad_())  # as behind another layer
    output_of(copy.deepcopy(layer), X2)
    return _held(layer)


def gets_one(make: Make) -> Results:
    """Look at what one example raises in training mode."""
    layer = _build(make, 2)
    return _refusal(lambda: output_of(layer, X2[:1]))


def averages_all(make: Make) -> Results:
    """Look at what momentum=None remembers, where a layer takes it."""
    try:
        layer = _build(make, 2, momentum=None)
        for k in (1, 2, 4):  # three steps
            output_of(layer, k * X2)
    except Exception:
        return averages_all(norm.BatchNorm)
    return _held(layer)


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
    args = (X, *held, eps, 0.375 if uneven else 0.1, training)
    names = [*inspect.signature(norm.batch_norm).parameters]
    rest = zip(names[1:], args[1:], strict=True)
    told = ', '.join(f'`{name}={show(value)}`' for name, value in rest)
    text = f'`X = {show(X)}`\n{told}'
    return Case(args, text, text, tolerance)


CASES = (
    _case(X2, True, uneven=False),
    _case(X2, False),
    _case(X2, True, eps=0.5),
    _case(X4, True, eps=0.5),
    _case(X4, False),
    _case(STILL, True, uneven=False),
    _case(X2 + 1e4, True, uneven=False, tolerance=FAR),
    _case(X4[:1], True),
    _case(X2[:2], True),
    _case(X2[:1], False),
    _case(X2[:1], True, uneven=False),
)
SCENES = (
    is_new(2),
    is_new(4),
    trains(X2),
    runs(X2, 'train', after_a_step=True),
    runs(X2, 'train', gradients_on=False),
    runs(X2, 'eval', after_a_step=True, gradients_on=False),
    runs(X2, 'eval', after_a_step=True),
    trains(X2, eps=0.5),
    trains(X2, momentum=0.25),
    trains(X4, eps=0.5),
    runs(X4, 'eval', after_a_step=True),
    trains(STILL),
    trains(X2 + 1e4, FAR),
    _scene(
        is_saved,
        '训练一步，保存，读进一个新的层，`eval()`',
        'trained one step, saved, loaded into a new layer, `eval()`',
    ),
    trains(X4[:1]),
    trains(X2[:2]),
    runs(X2[:1], 'eval'),
    _scene(is_double, '`.double()`之后', 'after `.double()`'),
    _scene(
        is_copied,
        '训练一步，`copy.deepcopy`，再训练副本',
        'trained one step, `copy.deepcopy`, then the copy is trained',
    ),
    _scene(gets_one, '`train()`', '`train()`', X2[:1]),
)


# The mistakes in the function. Of two made at once, the upper one is named.

# What edits change: the function, its mean taken once, its variance a mean.
_MEANS = inspect.getsource(norm.batch_norm).replace(
    '.sum(dim=dims, keepdim=True) / n', '.mean(dim=dims, keepdim=True)'
)
_FUNCTION = inspect.getsource(norm.values_per_channel) + re.sub(
    r'.*\b(?:rest|each)\b.*\n|\.detach\(\)', '', _MEANS
)
_N = 'n = values_per_channel(X, gamma, training)'
_ONE = 'training and n < 2'
_DIMS = '[d for d in range(X.dim()) if d != 1]'
_VAR = 'var = (centered**2).mean(dim=dims, keepdim=True)'
_MEMORY = (
    'moving_mean = (1 - momentum) * moving_mean + momentum * mean',
    'moving_var = (1 - momentum) * moving_var + momentum * unbiased',
)
_SUM = 'var = (centered**2).sum(dim=dims, keepdim=True) / len(X)'
_SCALE = 'scale = gamma'
_GRAPHLESS = """with torch.no_grad():  # the memory must not keep the graph
            unbiased"""
_GAMMA, _ROOT, _BETA = 'gamma / torch', 'torch.sqrt(var + eps)', '+ beta)'
_IN_PLACE = (
    (_MEMORY[0], 'moving_mean.mul_(1 - momentum).add_(momentum * mean)'),
    (_MEMORY[1], 'moving_var.mul_(1 - momentum).add_(momentum * unbiased)'),
)
_NO_KEEPDIM = 'x.mean(dim=dims, keepdim=True)', 'x.mean(dim=dims)'
_CENTER = 'centered = x - mean'
_MEAN_FIRST = 'moving_mean += 0 * mean.detach()'  # written before it is used
_ALSO_IN_EVAL = f"""if not training:
        with torch.no_grad():
            mean = x.mean(dim=dims, keepdim=True)
            unbiased = x.var(dim=dims, keepdim=True)
            {_MEMORY[0]}
            {_MEMORY[1]}
    {_SCALE}"""
_WHEN_IT_CAN = (  # remembers whatever has a variance
    (' if training else moving_mean', ''),
    (f'var = moving_var\n    if training:\n        {_VAR}', f'{_VAR}'),
    ('  # biased\n', '  # biased\n    if n > 1:\n'),
    (
        _SCALE,
        'if not training:\n'
        f'        centered, var = x - moving_mean, moving_var\n    {_SCALE}',
    ),
)


def _edit(*changes: tuple[str, str]) -> Edit:
    return Edit(tuple(a for a, _ in changes), tuple(b for _, b in changes))


def _first(line: str) -> Edit:
    """Return the mistake that begins with a line."""
    return Edit(_N, f'{line}\n    {_N}')


def _before_scale(line: str) -> Edit:
    """Return the mistake to do something before `scale` is computed."""
    return Edit(_SCALE, f'{line}\n    {_SCALE}')


def _unused(name: str, edit: Edit) -> Mistake:
    """Return the mistake to leave an argument out, with its hint."""
    zh = f'换一个`{name}`，结果不变。它在哪里用到？'
    return edit | zh | f'Another `{name}` changes nothing. Where is it used?'


def _pools(dims: str) -> Mistake:
    """Return the mistake to average over other axes.

    Averages that are written in place raise other errors.
    """
    return _edit((_DIMS, dims)) | _edit((_DIMS, dims), *_IN_PLACE)


def _both(
    one: tuple[str, str], other: tuple[str, str], *always: tuple[str, str]
) -> Mistake:
    """Return the edits of two tensors: of both, of one, of the other."""
    first, second = _edit(one, *always), _edit(other, *always)
    return _edit(one, other, *always) | first | second


def _columns(way: str) -> Edit:
    """Return the mistake to make columns of channels by `reshape` alone."""
    x = f'(x.reshape({way}) if X.dim() == 4 else x)'
    var = _VAR.replace('(centered**2).mean(', f'{x}.var(correction=0, ')
    return Edit(('x.mean(', _VAR), (f'{x}.mean(', var))


MISTAKES: Mistakes = {
    'returns_swapped': Edit(
        ', moving_mean, moving_var\n', ', moving_var, moving_mean\n'
    )
    | '数都有，位置不对：返回的三样，次序是什么？'
    | 'The numbers are there, but not in place: what is their order?',
    'no_keepdim': Edit(*_NO_KEEPDIM)
    | '打印均值的形状。减法从最后一轴开始对齐：对上的是通道吗？'
    | "Print the mean's shape. Does its last axis meet the channel?"
    | _edit(_NO_KEEPDIM, (_CENTER, f'{_MEAN_FIRST}\n    {_CENTER}')),
    'axes_batch_only': _pools('[0]')
    | '每个位置各有一个均值。它们都出自同一个卷积核，该分开算吗？'
    | 'Each position has its own mean. Are they not all of one kernel?',
    'axes_one_example': _pools('[0] if X.dim() == 2 else [2, 3]')
    | '数一数你的均值：该有`C`个，你有`N*C`个。“批量”在哪里？'
    | 'Count your means: `N*C`, where `C` are due. Where is the batch?',
    'axes_example': _pools('[1, 2, 3][: X.dim() - 1]')
    | '均值跨着通道求，像层归一化。这里该是哪些数共用一个均值？'
    | 'A mean across channels, as in layer norm: which numbers share one?',
    'axes_channels': _pools('[1]')
    | '第1轴平均掉了。`X`的第1轴是什么？该留下的是哪个轴？'
    | 'Axis 1 is averaged away. What is it in `X`? Which one should stay?',
    'axes_all': _pools('[*range(X.dim())]')
    | '整个`X`只有一个均值。两个特征的单位差一千倍，也能共用吗？'
    | 'All of `X` has one mean. Can features of other units share it?',
    'axes_last': _pools('[*range(X.dim() - 1)]')
    | '最后一轴留了下来。`(N, C, H, W)`里，通道是哪个轴？'
    | 'The last axis is left. Which one of `(N, C, H, W)` is the channel?',
    'axes_one_direction': _pools('[0, 3][: X.dim() - 1]')
    | '只平均了图像的一个方向。`(N, C, H, W)`里，通道以外还有几个轴？'
    | 'Only one direction of an image: how many axes has `(N, C, H, W)`?'
    | Edit(_DIMS, '[0, 2][: X.dim() - 1]'),
    'reshaped': _columns('-1, x.shape[1], 1, 1')
    | '`reshape`不改次序，这样各通道的数混到了一起：先把通道轴移好。'
    | '`reshape` keeps the order and mixes channels: move their axis.'
    | _columns('x.shape[1], -1).T.reshape(-1, x.shape[1], 1, 1')
    | _edit(
        ('n = values', 'size = X.shape; n = values'),
        ('dims = ', 'x = x.reshape(-1, *gamma.shape[1:]); dims = '),
        ('.to(X.dtype)', '.reshape(size).to(X.dtype)'),
    ),
    'always_trains': _first('training = True')
    | '两个模式做得一模一样。代码看过现在是哪个模式吗？'
    | 'Both modes do the same. Does your code look at which one it is?',
    'gradients_mode': _first('training = torch.is_grad_enabled()')
    | '梯度一关，结果就变了。预测时也可能要梯度：是哪个模式，该看什么？'
    | 'Gradients may be on in prediction, too. What says which mode it is?'
    | _first('training = training and torch.is_grad_enabled()')
    | _first('training = training or torch.is_grad_enabled()'),
    'mode_reversed': _first('training = not training')
    | '两个模式好像对调了：哪一支该用这一批的统计量？'
    | 'The modes seem exchanged: which one should use the batch statistics?',
    'moving_in_training': Edit(
        (_N, _SCALE),
        (
            f'old = moving_mean, moving_var\n    {_N}',
            f'centered, var = x - old[0], old[1]\n    {_SCALE}',
        ),
    )
    | '训练也用了移动平均：`Y`每个通道的均值还是`beta`吗？'
    | 'Training uses the moving averages: is the mean of `Y` still `beta`?',
    'updated_in_training': _before_scale(
        'centered, var = x - moving_mean, moving_var'
    )
    | '训练用了刚更新的移动平均。更新是为了以后：这一批该减去谁的均值？'
    | "Training uses the averages just updated: whose mean is this batch's?",
    'batch_in_eval': Edit(
        (' if training else moving_mean', f'if training:\n        {_VAR}'),
        ('', f'{_VAR}\n    if training:'),
    )
    | '评估用了这一批的统计量。只来一个样本，统计量从哪里来？'
    | 'Evaluation uses the batch statistics. What if one example comes?',
    'remembers_in_eval': _edit(*_WHEN_IT_CAN)
    | '评估也改了移动平均。测试数据该影响以后的预测吗？'
    | 'Evaluation changes the moving averages. Should test data do '
    'that?' | Edit(_SCALE, _ALSO_IN_EVAL),
    'not_remembered': Edit(
        ('moving_mean = (1', 'moving_var = (1'), ('_ = (1', '_ = (1')
    )
    | '训练了一步，移动平均没有变。算出来的新值去哪里了？'
    | 'A step leaves the moving averages alone. Where do new values go?',
    'replaced': Edit(
        ('(1 - momentum) * moving', '+ momentum *'), ('0 * moving', '+')
    )
    | '移动平均只剩下这一批，以前的全忘了。`momentum`在哪里起作用？'
    | 'Only this batch is left in the averages. Where is `momentum` used?',
    'forgets_nothing': Edit('(1 - momentum) * moving', 'moving')
    | '新值加上了，旧值没有变轻。两个权重加起来该是几？'
    | 'The old value keeps all its weight. What should both sum to?'
    | Edit('(1 - momentum) * moving_mean', 'moving_mean'),
    'momentum_reversed': Edit(
        ('(1 - momentum) * moving', '+ momentum *'),
        ('momentum * moving', '+ (1 - momentum) *'),
    )
    | 'PyTorch的`momentum=0.1`是旧值的权重，还是新值的？'
    | "Is PyTorch's `momentum=0.1` the weight of the old value or the new?",
    'momentum_fixed': _unused('momentum', _first('momentum = 0.1')),
    'mean_left': Edit('scale * centered', 'scale * x')
    | '`Y`的中心不对。`X_hat`的公式里，分子是什么？'
    | '`Y` has the wrong centre. What is the numerator of `X_hat`?',
    'var_not_centred': Edit('(centered**2)', '(x**2)')
    | '方差说的是离均值有多远：你平方的是什么？'
    | 'Variance is about distances from the mean: what do you square?',
    'var_summed': Edit('(centered**2).mean(', '(centered**2).sum(')
    | '方差随着批量变大。把同样的样本再抄一份，方差该变吗？'
    | 'The variance grows with the batch. Should it, if examples repeat?',
    'brackets': Edit(
        'scale * centered',
        'gamma * (x - (x - centered) / torch.sqrt(var + eps))',
    )
    | '除法先算：`X_hat`的分子要加括号。'
    | 'Division goes first: the numerator of `X_hat` wants brackets.',
    'std_for_var': Edit(_VAR, f'{_VAR}\n        var = torch.sqrt(var)')
    | '标准差已经开过方了，又当作方差开了一次。'
    | 'A standard deviation is a root already: it is taken for the variance.',
    'divided_by_examples': Edit(_VAR, _SUM)
    | '方差的和除以了样本数。图像的一个通道里有多少个数？'
    | "Divided by the examples. How many values has an image's channel?"
    | Edit(
        ('x.mean(dim=dims, keepdim=True)', _VAR),
        ('x.sum(dim=dims, keepdim=True) / len(X)', _SUM),
    ),
    'not_rooted': Edit(_ROOT, '(var + eps)')
    | '`X`乘以10，`Y`该不变，你的会变。分子和分母同单位吗？'
    | 'With `X` times 10 your `Y` changes. Does what divides have its unit?',
    'unbiased_normalizes': _before_scale(
        'var = var * n / (n - 1) if training else var'
    )
    | '训练时`X_hat`小了一点，批量越小差得越多：方差除以了几？'
    | 'In training `X_hat` is too small. By what is the variance divided?',
    'std_remembered': Edit('* unbiased', '* unbiased.sqrt()')
    | '`X`乘以10，`moving_var`该变成多少倍？你的变成多少倍？'
    | 'With `X` times 10, by how much should `moving_var` grow?'
    | Edit(
        ('* unbiased', 'var = moving_var\n'),
        ('* unbiased.sqrt()', 'var = moving_var**2\n'),
    ),
    'biased_remembered': Edit('unbiased = var * n / (n - 1)', 'unbiased = var')
    | '`moving_var`偏小。从一小批估计全部数据，怎样才不总是偏小？'
    | "`moving_var` is too small. What makes a few values' estimate fair?",
    'eps_momentum': _first('eps, momentum = momentum, eps')
    | '`eps`和`momentum`好像换了位置：看看参数的次序。'
    | '`eps` and `momentum` seem to have changed places: look at the order.',
    'eps_missing': Edit(_ROOT, 'torch.sqrt(var)')
    | '换一个`eps`，`Y`不变。方差正好是0时，什么拦着分母变成0？'
    | '`eps` does not change `Y`. What then if the variance is 0?',
    'eps_outside': Edit(_ROOT, '(torch.sqrt(var) + eps)')
    | '`eps`的位置不对。它和方差同单位，还是和标准差同单位？'
    | "`eps` is misplaced. Is its unit the variance's, or the deviation's?",
    'eps_twice': Edit(_ROOT, '(torch.sqrt(var + eps) + eps)')
    | '分母太大了。数一数，`eps`加了几次？'
    | 'You divide by too much. Count how many times `eps` is added.',
    'eps_least': Edit(_ROOT, 'torch.sqrt(var.clamp(min=eps))')
    | '`eps`比方差小，就不起作用了。它是下限，还是加数？'
    | 'An `eps` below the variance does nothing. Is it a limit, or added?',
    'eps_fixed': _unused('eps', _first('eps = 1e-5')),
    'eps_remembered': Edit(
        'momentum * unbiased', 'momentum * (unbiased + eps)'
    )
    | '`moving_var`里混进了`eps`。它是为了做除法，要一起记下来吗？'
    | '`moving_var` has `eps` in it. Is that to be remembered, or to divide?',
    'swapped': Edit((_GAMMA, _BETA), ('beta / torch', '+ gamma)'))
    | '`gamma`和`beta`做了对方的事。哪个缩放，哪个偏移？'
    | "`gamma` and `beta` do each other's work. Which one scales?",
    'no_gamma_beta': Edit((_GAMMA, _BETA), ('1 / torch', ')'))
    | '换了`gamma`和`beta`，`Y`不变。`X_hat`后面还有哪一步？'
    | '`gamma` and `beta` do not change `Y`. What comes after `X_hat`?',
    'no_gamma_beta_in_eval': _before_scale(
        'gamma, beta = (gamma, beta) if training else (gamma**0, 0 * beta)'
    )
    | '评估时没有用上`gamma`和`beta`。'
    | 'Evaluation leaves `gamma` and `beta` out.',
    'no_gamma': _unused('gamma', Edit(_GAMMA, '1 / torch')),
    'no_beta': _unused('beta', Edit(_BETA, ')')),
    'beta_inside': Edit(_BETA, '+ gamma * beta)')
    | '`beta`也被`gamma`乘了。先缩放还是先偏移？'
    | '`gamma` multiplies `beta` too. Does the scale or the shift go first?',
    'cut_gradient': Edit(
        ('x.mean(', _VAR), ('x.detach().mean(', f'{_VAR}.detach()')
    )
    | '`X`的梯度不对。动一动`X`，均值和方差也动：梯度知道吗？'
    | 'Wrong gradient to `X`. Do mean and variance not move with it?',
    'cut_mean': _before_scale('centered = x - mean.detach()')
    | '`X`的梯度不对。它经过方差了，也经过均值了吗？'
    | 'The gradient to `X` passes the variance. Does it pass the mean too?',
    'cut_var': _before_scale('var = var.detach()')
    | '`X`的梯度不对。它经过均值了，也经过方差了吗？'
    | 'The gradient to `X` passes the mean. Does it pass the variance too?',
    'keeps_graph': Edit(
        (_GRAPHLESS, *(f'    {line}' for line in _MEMORY)),
        ('unbiased', *_MEMORY),
    )
    | '移动平均带着计算图，一步比一步长。更新它们，要不要记梯度？'
    | 'The averages carry a graph that grows. Do updates need gradients?',
    'cut_all': Edit('.to(X.dtype)', '.to(X.dtype).detach()')
    | '`Y`上没有梯度可传。它是不是在不记梯度的地方算的？'
    | '`Y` passes no gradient on. Is it computed where none is recorded?',
    'cut_gamma': _both(
        (_GAMMA, 'gamma.detach() / torch'), (_BETA, '+ beta.detach())')
    )
    | '`gamma`或`beta`没有梯度，学不动。到`Y`的路在哪里断了？'
    | '`gamma` or `beta` gets no gradient. Where is the way to `Y` cut?',
    'counts_examples': Edit('n / (n - 1)', 'len(X) / max(1, len(X) - 1)')
    | '无偏方差里的n是几？数一数，多少个数共用一个均值。'
    | 'What is n in the unbiased variance? Count the values of a mean.'
    | Edit('n / (n - 1)', 'X.numel() / max(1, X.numel() - 1)'),
    'cancels': Edit(
        _VAR, _VAR.replace('centered', 'x') + ' - mean**2', rough=True
    )
    | '均值离0很远时，方差错了。是不是两个很大、差不多相等的数相减？'
    '32位浮点数只有约7位有效数字。'
    | 'Far from 0 the variance is wrong: large numbers are subtracted, and '
    'a float has about 7 digits.',
    'one_value': Edit(
        (_ONE, '(n - 1)'), ('False', 'max(1, n - 1)'), rough=True
    )
    | '训练时一个通道只有一个数，谈不上方差。PyTorch在这里怎么做？'
    | 'One value a channel has no variance. What does PyTorch do here?',
    'two_values': Edit(_ONE, 'training and n < 3', rough=True)
    | '一个通道有两个数就够了：界限在哪里？'
    | 'Two values a channel are enough: where is the limit?',
    'not_flat': _first(
        'return nn.functional.batch_norm(X, moving_mean, moving_var, gamma, '
        'beta, training, momentum, eps), moving_mean, moving_var'
    )
    | '`F.batch_norm`要的是`(C,)`：先拉平，再变回来。'
    | '`F.batch_norm` wants `(C,)`: flatten them, and go back after.',
    'one_image': Edit(_ONE, 'training and len(X) < 2', rough=True)
    | '只有一张图就不肯训练。一个通道有`H*W`个数，还不够吗？'
    | 'It refuses to train on one image. Are `H*W` values not enough?',
    'one_value_in_eval': Edit(_ONE, 'n < 2', rough=True)
    | '评估时来一个样本，就不肯算。评估用到这一批的统计量吗？'
    | 'Evaluation refuses one example. Does it use the batch statistics?',
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
_FLAT = (
    (_SHAPE, f'{_SHAPE} if num_dims == 2 else (num_features,)'),
    ('gamma.shape != want', 'False'),
)


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
        not torch.equal(tensor_of(layers[0], what), tensor_of(layers[1], what))
        for what in ('gamma', 'beta')
    )


_IN_LAYER: Mistakes = {
    'plain_gamma': _both(
        (_NEW_GAMMA, 'torch.ones(shape).requires_grad_()'),
        (_NEW_BETA, 'torch.zeros(shape).requires_grad_()'),
    )
    | '`gamma`或`beta`不在`parameters()`里。什么样的张量会自己进去？'
    | '`parameters()` lacks `gamma` or `beta`. Which tensors get in?'
    | _both(
        (_NEW_GAMMA, 'torch.ones(shape)'), (_NEW_BETA, 'torch.zeros(shape)')
    ),
    'defaults': Edit('eps: float = 1e-5', 'eps: float = 1e-3')
    | '默认值不是题目里的：`eps=1e-5`，`momentum=0.1`。'
    | 'Other defaults than in the task: `eps=1e-5`, `momentum=0.1`.'
    | Edit('momentum: float | None = 0.1', 'momentum: float | None = 0.9'),
    'gamma_buffer': Edit(
        (f'self.gamma = {_NEW_GAMMA}', f'self.beta = {_NEW_BETA}'),
        (
            "self.register_buffer('gamma', torch.ones(shape))",
            "self.register_buffer('beta', torch.zeros(shape))",
        ),
    )
    | '`parameters()`里没有`gamma`和`beta`。它们是记下来的，还是学出来的？'
    | '`parameters()` lacks `gamma` and `beta`. Are they learned?',
    'trained_averages': _both(
        (_MEAN, f'self.moving_mean = {_NEW_BETA}'),
        (_VARIANCE, f'self.moving_var = {_NEW_GAMMA}'),
        (_STORE, 'self.moving_mean.data, self.moving_var.data = mean, var'),
    )
    | '移动平均进了`parameters()`。它是学出来的，还是记下来的？'
    | '`parameters()` has a moving average. Is it learned, or remembered?',
    'plain_tensors': _both(
        (_MEAN, 'self.moving_mean = torch.zeros(shape)'),
        (_VARIANCE, 'self.moving_var = torch.ones(shape)'),
    )
    | '`state_dict()`里缺移动平均，保存时会丢。层怎么知道哪些张量归它管？'
    | '`state_dict()` lacks a moving average. Which tensors get in?',
    'not_saved': _both(
        (_MEAN, f'{_MEAN[:-1]}, persistent=False)'),
        (_VARIANCE, f'{_VARIANCE[:-1]}, persistent=False)'),
    )
    | '移动平均登记过了，`state_dict()`里却没有。登记时说了不要存吗？'
    | '`state_dict()` lacks a buffer. Did you say not to save it?',
    'one_gamma': Edit(
        (_NEW_GAMMA, _NEW_BETA),
        ('nn.Parameter(torch.ones(1))', 'nn.Parameter(torch.zeros(1))'),
    )
    | '`gamma`和`beta`只有一个数。两个通道要的大小和偏移一样吗？'
    | '`gamma` and `beta` hold one number. Do two channels want the same?',
    'flat_shape': _edit(*_FLAT) | '广播从最后一轴对齐：形状`(C,)`的`gamma`，'
    '碰上的是`(N, C, H, W)`的哪个轴？'
    | 'Which axis of `(N, C, H, W)` does a `gamma` of `(C,)` meet?'
    | _edit(*_FLAT, ('if num_dims == 2 else', 'if False else'))
    | _edit(*_FLAT, *_IN_PLACE)
    | _edit(*_FLAT, (_STORE, _COPIES)),
    'var_zeros': Edit("'moving_var', torch.ones", "'moving_var', torch.zeros")
    | '`moving_var`从0开始：马上评估会除以什么？除以几等于没有除？'
    | '`moving_var` starts at 0. What can be divided by for no change?',
    'mean_ones': Edit(
        "'moving_mean', torch.zeros", "'moving_mean', torch.ones"
    )
    | '`moving_mean`的起点不对：减去几等于没有减？'
    | '`moving_mean` starts wrong: what can be subtracted for no change?',
    'gamma_zeros': Edit(_NEW_GAMMA, _NEW_BETA)
    | '`gamma`从0开始：乘上去以后还剩下什么？'
    | '`gamma` starts at 0: what is left after multiplying?',
    'beta_ones': Edit(_NEW_BETA, _NEW_GAMMA)
    | '`beta`的起点不对：加上几等于没有加？'
    | '`beta` starts wrong: what can be added for no change?',
    'keeps_output': Edit(
        '        return Y\n', '        self.Y = Y\n        return Y\n'
    )
    | '层里留着带计算图的张量，它的内存放不掉。留着的东西需要梯度吗？'
    | 'The layer keeps a tensor with its graph. Does it need gradients?',
    'no_super': Seen(_lacks_super)
    | '`nn.Module`还没有准备好，就往上挂参数了。`__init__`里谁该先来？'
    | '`nn.Module` is not set up yet: what comes first in `__init__`?',
    'no_options': Seen(_lacks_options)
    | '`eps`和`momentum`要能给，也能不给。看看`__init__`的参数表。'
    | 'One may pass `eps` and `momentum`, or not. Look at `__init__`.',
    'gamma_drawn': Seen(_draws)
    | '新建的层该只做标准化：`gamma`和`beta`是几，就什么也没做？'
    | 'Which `gamma` and `beta` change nothing? A new layer has those.',
}
# The layer that is edited keeps what the function returns, as most do.
_SOURCE = _FUNCTION + inspect.getsource(norm.BatchNorm)
_SOURCE = _SOURCE.replace(_COPIES, f'{_STORE}\n')


def _in_layer(key: str, mistake: Mistake) -> Mistake:
    """Return a mistake in the function, with ways that only layers have."""
    if key == 'gradients_mode':
        only_then = f'if torch.is_grad_enabled():\n            {_STORE}'
        return mistake | Edit(_STORE, only_then)
    if isinstance(mistake, Edit) and mistake.ways and key.startswith('axes'):
        return mistake | _edit(*mistake.changes, (_STORE, _COPIES))
    return mistake


LAYER_MISTAKES: Mistakes = _IN_LAYER | {
    key: _in_layer(key, mistake)
    for key, mistake in MISTAKES.items()
    if key != 'returns_swapped'  # a layer returns Y alone
}


check_batch_norm = BATCH_NORM = Exercise(
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
    see=lambda make, scene: scene(make),
    source=_SOURCE,
)
RARE_MOMENTUM = dataclasses.replace(
    BATCH_NORM_LAYER,
    cases=[
        trains(X2, momentum=0.0),
        _scene(averages_all, *('`momentum=None`, `X`, `2 * X`, `4 * X`',) * 2),
    ],
    mistakes={
        'zero_is_none': Edit('if momentum is None', 'if not momentum')
        | '`momentum=0`被当成了`None`：0也是假。'
        | '`momentum=0` is taken for `None`: 0 is false, too.',
        'miscounted': Edit('tracked))', 'tracked) - 1)')
        | '`momentum=None`时，第k个小批量的权重该是1/k。先数还是先算？'
        | 'With `momentum=None` number k weighs 1/k. Is it counted before?'
        | Edit('_tracked += 1', '_tracked += 0'),
    },
)


def check_BatchNorm(cls: Any) -> Report:  # noqa: N802 - the class's name
    """Check a layer that does what `d2lmini.BatchNorm` does.

    Its tensors are called gamma, beta, moving_mean and moving_var, or as in
    torch, and may be those of a layer inside it. A layer that does not count
    batches is told so; half precision is not checked.
    """
    report = BATCH_NORM_LAYER(cls)
    if report.ok and not (rare := RARE_MOMENTUM(cls)).ok:
        return rare
    names = run(lambda: ' '.join(cls(C, 2).state_dict())).value
    if not report.ok or 'num_batches_tracked' in names:
        return report
    line = (
        '它没有`num_batches_tracked`，`momentum=None`要用它；这一项不检查。',
        'It has no `num_batches_tracked`, which `momentum=None` needs; that '
        'is not checked.',
    )
    return dataclasses.replace(report, lines=(*report.lines, line))
