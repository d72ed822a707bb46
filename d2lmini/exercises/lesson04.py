"""Your turn in lesson 04: the layer, its momentum, and moving to it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.exercises.engine import Case, Edit, Exercise, Results, named
from d2lmini.exercises.lesson02 import images
from d2lmini.norm import BatchNorm

State = dict[str, Tensor]


def norm_for(X: Tensor) -> nn.Module:
    """Return the batch normalization layer that fits X."""
    Norm = nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d
    return Norm(X.shape[1])


def _output(answer: Callable[..., Any], X: Tensor) -> Results:
    return {('`X`归一化得对', '`X` is normalized rightly'): answer(X)(X)}


def _input(*shape: int) -> Case:
    return Case((images(*shape),), f'`X`：`{shape}`', f'`X`: `{shape}`')


check_norm_for = Exercise(
    'norm_for',
    norm_for,
    [_input(4, 3), _input(4, 3, 5), _input(4, 3, 6, 5)],
    {
        'last-axis': Edit('shape[1]', 'shape[-1]')
        | '特征数取的是最后一个轴。通道是第几个轴？'
        | 'The size of the last axis is taken: which one is the channel?'
        | Edit('shape[1]', 'shape[1 if X.dim() == 4 else -1]'),
        'first-axis': Edit('shape[1]', 'shape[0]')
        | '特征数取的是样本数。通道是第几个轴？'
        | 'The number of examples is taken: which axis is the channel?',
        'always-1d': Edit('nn.BatchNorm2d', 'nn.BatchNorm1d')
        | '`nn.BatchNorm1d`收不下四个轴的`X`。'
        | '`nn.BatchNorm1d` does not take an `X` with four axes.',
        'always-2d': Edit('nn.BatchNorm1d', 'nn.BatchNorm2d')
        | '`nn.BatchNorm2d`只收四个轴的`X`。'
        | '`nn.BatchNorm2d` takes an `X` with four axes only.',
        'three-axes-as-2d': Edit('== 4', '> 2')
        | '两个轴和四个轴都对。三个轴的`(N, C, L)`归谁（第1节）？'
        | 'Two and four axes are right. Who takes `(N, C, L)` (section 1)?',
        'axes-counted': Edit(
            'nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d',
            '[nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d][X.dim() - 2]',
        )
        | '名字里的1d、2d、3d，数的是`N`和`C`以外的轴。'
        | 'The 1d, 2d and 3d count the axes besides `N` and `C`.'
        | Edit(
            'nn.BatchNorm1d\n',
            '(0, nn.BatchNorm1d, nn.BatchNorm3d)[X.dim() - 1]\n',
        ),
        'applied': Edit('(X.shape[1])', '(X.shape[1])(X)')
        | '返回的是归一化以后的`X`：题目要层。'
        | 'This is `X`, normalized: the layer is asked for.',
        'no-layer': Edit('Norm(X.shape[1])', 'Norm')
        | '返回的是类，不是层：还要给它特征数。'
        | 'This is a class, not a layer: it needs the number of features.',
    },
    see=_output,
)


def momentum_to_torch(momentum: float, source: str) -> float:
    """Return the factor of the new value."""
    return momentum if source == 'torch' else 1 - momentum


check_momentum_to_torch = Exercise(
    'momentum_to_torch',
    momentum_to_torch,
    [
        (0.1, 'torch'),
        (0.9, 'lecture'),
        (0.99, 'keras'),
        (0.8, 'mindspore'),
        (0.25, 'lecture'),
    ],
    {
        'unchanged': Edit('1 - momentum', 'momentum')
        | '原样返回了：`new`的系数是几？（`source == a or b`总是真。）'
        | 'What is the factor of `new`? (`source == a or b` is always true.)',
        'torch-too': Edit("momentum if source == 'torch' else ", '')
        | '从PyTorch来的不用换，也反了过来。（`source == a or b`总是真。）'
        | "PyTorch's needs no change. (`source == a or b` is always true.)",
        'keras-unchanged': Edit("== 'torch'", "in ('torch', 'keras')")
        | '`keras`那一行展开来，`new`前面是什么？'
        | 'Write out the row of `keras`: what is the factor of `new`?',
        'mindspore-unchanged': Edit("== 'torch'", "in ('torch', 'mindspore')")
        | '`mindspore`那一行，`new`前面是什么？'
        | 'Look at the row of `mindspore`: what is the factor of `new`?',
    },
)


def to_torch_state(state: State) -> State:
    """Return the state under PyTorch's names and in its shapes."""
    names = {
        'gamma': 'weight',
        'beta': 'bias',
        'moving_mean': 'running_mean',
        'moving_var': 'running_var',
    }
    new = {}
    for name, value in state.items():
        layer, what = name.split('.')
        if what in names:
            what, value = names[what], value.flatten()  # (C,)
        new[f'{layer}.{what}'] = value
    return new


def _state(*layers: nn.Module) -> tuple[State]:
    """Return the state of a net, all of whose numbers differ."""
    state = nn.Sequential(*layers).state_dict()
    for k, x in enumerate(state.values(), 1):
        x.copy_(10 * k + torch.arange(x.numel()).view_as(x))
    return ({**state},)


def _names_and_numbers(answer: Callable[..., Any], state: State) -> Results:
    new = answer(state)
    return {('名字', 'the names'): sorted(new), ('数', 'the numbers'): new}


check_to_torch_state = Exercise(
    'to_torch_state',
    to_torch_state,
    [
        lambda: _state(BatchNorm(2, 2)),
        lambda: _state(BatchNorm(1, 2)),
        lambda: _state(nn.Conv2d(1, 2, 2), BatchNorm(2, 4), nn.Linear(3, 2)),
    ],
    {
        'unchanged': Edit('what in names', 'False')
        | '名字没有换：第2节的表里，PyTorch叫它们什么？'
        | 'The old names: what does PyTorch call them (table, section 2)?',
        'shapes-kept': Edit('value.flatten()', 'value')
        | '形状不对：PyTorch存的是`(C,)`，一个通道、四个轴时也是。'
        | 'Wrong shapes: PyTorch keeps `(C,)`, however many channels or axes.'
        | Edit('value.flatten()', 'value[0]')
        | Edit('value.flatten()', 'value.squeeze()')
        | Edit('] = value', '] = value.squeeze()'),
        'all-flat': Edit('] = value', '] = value.flatten()')
        | '连卷积层和全连接层的权重也拉平了：只有哪几个要换形状？'
        | 'Other weights are flattened too: which alone change shape?',
        'gamma-and-beta': Edit(
            ("'gamma': 'weight'", "'beta': 'bias'"),
            ("'gamma': 'bias'", "'beta': 'weight'"),
        )
        | '`gamma`和`beta`反了：哪个是缩放？'
        | '`gamma` and `beta` are exchanged: which of them scales?',
        'mean-and-var': Edit(
            ("'moving_mean': 'running_mean'", "'moving_var': 'running_var'"),
            ("'moving_mean': 'running_var'", "'moving_var': 'running_mean'"),
        )
        | '`moving_mean`和`moving_var`反了。'
        | '`moving_mean` and `moving_var` are exchanged.',
        'no-count': Edit('new[', "if what != 'num_batches_tracked': new[")
        | '`num_batches_tracked`丢了：它两边同名，也要抄。'
        | '`num_batches_tracked` is lost: copy it too, under its own name.',
        'other-layers-lost': Edit('new[', "if f'{layer}.gamma' in state: new[")
        | '有的丢了：名字不用换的也要放进新字典。'
        | 'Some are lost: what keeps its name goes in as well.'
        | Edit('        new[', '            new['),
        'layers-lost': Edit("f'{layer}.{what}'", 'what')
        | '名字前面的层号丢了。'
        | 'The number of the layer is missing in the names.',
        'learned-only': Edit("'running_", "'moving_")
        | '`moving_mean`和`moving_var`没有换名字。'
        | '`moving_mean` and `moving_var` still have their old names.',
    },
    see=_names_and_numbers,
)


def without_bias(layer: Any, norm: Any) -> tuple[Any, Any]:
    """Take the bias away, and leave the output as it is."""
    norm.running_mean -= layer.bias.data
    layer.bias = None
    return layer, norm


def _numbers(layer: nn.Module, seed: int) -> Tensor:
    """Return inputs that fit a layer."""
    shape = (6, 3) if isinstance(layer, nn.Linear) else (4, 1, 3, 3)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _trained(layer: Any, norm: Any) -> tuple[Any, Any]:
    """Return a layer and its batch normalization that has seen batches."""
    layer.bias.data = torch.tensor([2.0, -3])
    norm.weight.data = torch.tensor([0.5, 2])
    for seed in range(3):
        norm(layer(_numbers(layer, seed)))
    return layer, norm


def _in_both_modes(
    answer: Callable[..., Any], layer: Any, norm: Any
) -> Results:
    layer, norm = named('layer', 'norm')(answer, layer, norm).values()
    X = layer(_numbers(layer, 3))
    evaluated = norm.eval()(X)  # first: training moves the averages
    trained = norm.train()(X)
    bias = '没有 · none' if layer.bias is None else str(layer.bias.tolist())
    return {
        ('没有偏置了', 'the bias is gone'): bias,
        ('训练模式下输出不变', 'same output in training mode'): trained,
        ('评估模式下输出不变', 'same output in evaluation mode'): evaluated,
    }


check_without_bias = Exercise(
    'without_bias',
    without_bias,
    [
        lambda: _trained(nn.Linear(3, 2), nn.BatchNorm1d(2)),
        lambda: _trained(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2)),
    ],
    {
        'mean-kept': Edit('norm.running_mean -= layer.bias.data', '')
        | '评估模式不对：`running_mean`是偏置还在的时候记下的。'
        | 'Evaluation uses a `running_mean` recorded with the bias there.',
        'wrong-sign': Edit('-=', '+=')
        | '方向反了：来的数少了偏置，减去的均值该多还是该少？'
        | 'Inputs lost the bias: should the mean be larger, or smaller?',
        'into-beta': Edit('running_mean -=', 'bias.data +=')
        | '偏置加到了`beta`上：它在归一化之后，偏置在之前。'
        | '`beta` is added after normalizing; the bias came before it.'
        | Edit(
            'running_mean -=',
            'bias.data += norm.weight.data'
            ' / torch.sqrt(norm.running_var + norm.eps) *',
        ),
        'mean-zeroed': Edit(' -= layer.bias.data', '.zero_()')
        | '`running_mean`清零了：它里面不只有偏置。'
        | '`running_mean` is zero now: there was more in it than the bias.'
        | Edit('running_mean -= layer.bias.data', 'reset_running_stats()'),
        'keeps-graph': Edit('bias.data', 'bias')
        | '`running_mean`带上了计算图：偏置的数可以不要梯度。'
        | '`running_mean` now has a graph: take numbers without gradients.'
        | Edit('-= layer.bias.data', '= norm.running_mean - layer.bias'),
        'bias-zeroed': Edit('bias = None', 'bias.data.zero_()')
        | '偏置是0，但还在，仍是要学的参数：怎样去掉它？'
        | 'The bias is 0 but still there to learn: how do you remove it?',
    },
    see=_in_both_modes,
)
