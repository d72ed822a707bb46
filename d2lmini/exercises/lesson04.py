"""Your turn in lesson 04: the layer, its momentum, and moving to it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.exercises.engine import (
    Case,
    Edit,
    Exercise,
    Results,
    Wrong,
    named,
)
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
        'last-axis': Edit('shape[1]', 'shape[-1]').hint(
            '特征数取的是最后一个轴。通道是第几个轴？',
            'The size of the last axis is taken: which one is the channel?',
        ),
        'first-axis': Edit('shape[1]', 'shape[0]').hint(
            '特征数取的是样本数。通道是第几个轴？',
            'The number of examples is taken: which axis is the channel?',
        ),
        'always-1d': Edit('nn.BatchNorm2d', 'nn.BatchNorm1d').hint(
            '`nn.BatchNorm1d`收不下四个轴的`X`。',
            '`nn.BatchNorm1d` does not take an `X` with four axes.',
        ),
        'always-2d': Edit('nn.BatchNorm1d', 'nn.BatchNorm2d').hint(
            '`nn.BatchNorm2d`只收四个轴的`X`。',
            '`nn.BatchNorm2d` takes an `X` with four axes only.',
        ),
        'three-axes-as-2d': Edit('== 4', '> 2').hint(
            '两个轴和四个轴都对。三个轴的`(N, C, L)`归谁（第1节）？',
            'Two and four axes are right. Who takes `(N, C, L)` (section 1)?',
        ),
        'no-layer': Edit('Norm(X.shape[1])', 'Norm').hint(
            '返回的是类，不是层：还要给它特征数。',
            'This is a class, not a layer: it needs the number of features.',
        ),
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
        'unchanged': Edit('1 - momentum', 'momentum').hint(
            '原样返回了：在表里找`new`前面的系数。',
            'Unchanged: look in the table for the factor of `new`.',
        ),
        'torch-too': Edit("momentum if source == 'torch' else ", '').hint(
            '从PyTorch来的也反了过来，它不用换。',
            "PyTorch's own value is turned round as well; it needs no change.",
        ),
        'other-way-round': Edit('==', '!=').hint(
            '正好反了：哪几种要换？',
            'Exactly the wrong way round: which ones need converting?',
        ),
        'constant': Wrong(lambda momentum, source: 0.1).hint(
            '总是0.1：它只是默认值。',
            'Always 0.1, which is only the default.',
        ),
        'keras-unchanged': Edit("== 'torch'", "in ('torch', 'keras')").hint(
            '`keras`那一行展开来，`new`前面是什么？',
            'Write out the row of `keras`: what is the factor of `new`?',
        ),
        'lecture-only': Edit("== 'torch'", "!= 'lecture'").hint(
            '只换了讲义的：另外两种，`new`前面是什么？',
            "Only the lecture's: what stands before `new` in the other two?",
        ),
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
        lambda: _state(nn.Conv2d(1, 2, 2), BatchNorm(2, 4), nn.Linear(3, 2)),
    ],
    {
        'unchanged': Edit('what in names', 'False').hint(
            '名字没有换：第2节的表里，PyTorch叫它们什么？',
            'The old names: what does PyTorch call them (table, section 2)?',
        ),
        'shapes-kept': Edit('value.flatten()', 'value').hint(
            '形状还是`(1, C)`或`(1, C, 1, 1)`：PyTorch存成什么形状？',
            'Still `(1, C)` or `(1, C, 1, 1)`: which shape does PyTorch keep?',
        ),
        'all-flat': Edit('] = value', '] = value.flatten()').hint(
            '连卷积层和全连接层的权重也拉平了：只有哪几个要换形状？',
            'Other weights are flattened too: which alone change shape?',
        ),
        'gamma-and-beta': Edit(
            ("'gamma': 'weight'", "'beta': 'bias'"),
            ("'gamma': 'bias'", "'beta': 'weight'"),
        ).hint(
            '`gamma`和`beta`反了：哪个是缩放？',
            '`gamma` and `beta` are exchanged: which of them scales?',
        ),
        'mean-and-var': Edit(
            ("'moving_mean': 'running_mean'", "'moving_var': 'running_var'"),
            ("'moving_mean': 'running_var'", "'moving_var': 'running_mean'"),
        ).hint(
            '`moving_mean`和`moving_var`反了。',
            '`moving_mean` and `moving_var` are exchanged.',
        ),
        'no-count': Edit(
            'new[', "if what != 'num_batches_tracked': new["
        ).hint(
            '`num_batches_tracked`丢了：它两边同名，也要抄。',
            '`num_batches_tracked` is lost: copy it too, under its own name.',
        ),
        'no-buffers': Edit(
            'new[', "if what[:3] not in ('run', 'num'): new["
        ).hint(
            '缓冲区丢了：只抄参数，预测时用的移动平均从哪里来？',
            'Buffers are lost: where would prediction get its averages?',
        ),
        'other-layers-lost': Edit(
            'new[', "if f'{layer}.gamma' in state: new["
        ).hint(
            '别的层丢了：名字不用换的也要放进新字典。',
            'Other layers are lost: what keeps its name goes in as well.',
        ),
        'learned-only': Edit("'running_", "'moving_").hint(
            '`moving_mean`和`moving_var`没有换名字。',
            '`moving_mean` and `moving_var` still have their old names.',
        ),
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
        'mean-kept': Edit('norm.running_mean -= layer.bias.data', '').hint(
            '评估模式不对：`running_mean`是偏置还在的时候记下的。',
            'Evaluation uses a `running_mean` recorded with the bias there.',
        ),
        'wrong-sign': Edit('-=', '+=').hint(
            '方向反了：来的数少了偏置，减去的均值该多还是该少？',
            'Inputs lost the bias: should the mean be larger, or smaller?',
        ),
        'into-beta': Edit('running_mean -=', 'bias.data +=').hint(
            '偏置加到了`beta`上：它在归一化之后，偏置在之前。',
            '`beta` is added after normalizing; the bias came before it.',
        ),
        'mean-zeroed': Edit(' -= layer.bias.data', '.zero_()').hint(
            '`running_mean`清零了：它里面不只有偏置。',
            '`running_mean` is zero now: there was more in it than the bias.',
        ),
        'bias-zeroed': Edit('bias = None', 'bias.data.zero_()').hint(
            '偏置是0，但还在，仍是要学的参数：怎样去掉它？',
            'The bias is 0 but still there to learn: how do you remove it?',
        ),
        'nothing-done': Edit(
            ('norm.running_mean -= layer.bias.data', 'layer.bias = None'),
            ('', ''),
        ).hint(
            '什么也没有变：偏置还在。',
            'Nothing has changed: the bias is still there.',
        ),
    },
    see=_in_both_modes,
)
