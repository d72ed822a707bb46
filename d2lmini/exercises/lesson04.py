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
from d2lmini.norm import BatchNorm

State = dict[str, Tensor]


def norm_for(X: Tensor) -> nn.Module:
    """Return the batch normalization layer that fits X."""
    Norm = nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d
    return Norm(X.shape[1])


def _output(answer: Callable[..., Any], X: Tensor) -> Results:
    takes = (
        '这一层收得下`X`，也归一化得对',
        'the layer takes `X` and normalizes it rightly',
    )
    return {takes: answer(X)(X)}


def _input(*shape: int) -> Case:
    numbers = torch.Generator().manual_seed(0)
    X = 3 * torch.randn(shape, generator=numbers) + 1
    return Case((X,), f'`X`：`{shape}`', f'`X`: `{shape}`')


check_norm_for = Exercise(
    'norm_for',
    norm_for,
    [_input(4, 3), _input(4, 3, 5), _input(4, 3, 6, 5)],
    {
        'last-axis': Edit(
            'shape[1]',
            'shape[-1]',
            '特征数取的是最后一个轴。通道是第几个轴？',
            'The number of features is taken from the last axis. Which axis '
            'is the channel?',
        ),
        'first-axis': Edit(
            'shape[1]',
            'shape[0]',
            '特征数取的是样本数。通道是第几个轴？',
            'The number of examples is taken as the number of features. Which '
            'axis is the channel?',
        ),
        'always-1d': Edit(
            'nn.BatchNorm2d',
            'nn.BatchNorm1d',
            '`nn.BatchNorm1d`收不下四个轴的`X`。',
            '`nn.BatchNorm1d` does not take an `X` with four axes.',
        ),
        'always-2d': Edit(
            'nn.BatchNorm1d',
            'nn.BatchNorm2d',
            '`nn.BatchNorm2d`只收四个轴的`X`。',
            '`nn.BatchNorm2d` takes an `X` with four axes only.',
        ),
        'three-axes-as-2d': Edit(
            '== 4',
            '> 2',
            '两个轴和四个轴都对。三个轴的`(N, C, L)`归谁（第1节）？',
            'Right for two axes and for four. Who takes `(N, C, L)`, with '
            'three (section 1)?',
        ),
        'no-layer': Edit(
            'Norm(X.shape[1])',
            'Norm',
            '返回的是类，不是层：还要给它特征数。',
            'This returns a class, not a layer: it still needs the number of '
            'features.',
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
        'unchanged': Edit(
            '1 - momentum',
            'momentum',
            '原样返回了：在表里找`new`前面的系数。',
            'It comes back as it is: look in the table for the factor of '
            '`new`.',
        ),
        'torch-too': Edit(
            "momentum if source == 'torch' else ",
            '',
            '从PyTorch来的也反了过来，它不用换。',
            "PyTorch's own value is turned round as well; it needs no change.",
        ),
        'other-way-round': Edit(
            '==',
            '!=',
            '正好反了：哪几种要换？',
            'Exactly the wrong way round: which ones need converting?',
        ),
        'constant': Wrong(
            lambda momentum, source: 0.1,
            '总是0.1：它只是默认值。',
            'Always 0.1, which is only the default.',
        ),
        'keras-unchanged': Edit(
            "== 'torch'",
            "in ('torch', 'keras')",
            '`keras`那一行展开来，`new`前面是什么？',
            'Write out the row of `keras`: what is the factor of `new`?',
        ),
        'lecture-only': Edit(
            "== 'torch'",
            "!= 'lecture'",
            '只换了讲义的：另外两种，`new`前面是什么？',
            "Only the lecture's is turned: what is the factor of `new` in the "
            'other two?',
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
    start = 1
    for name, x in state.items():
        numbers = torch.arange(start, start + x.numel())
        state[name] = numbers.reshape(x.shape).to(x.dtype)
        start += x.numel()
    return ({**state},)


def _names_and_numbers(answer: Callable[..., Any], state: State) -> Results:
    new = answer(state)
    return {('名字', 'the names'): sorted(new), ('数', 'the numbers'): new}


check_to_torch_state = Exercise(
    'to_torch_state',
    to_torch_state,
    [
        Case(
            lambda: _state(BatchNorm(2, 2)),
            '`nn.Sequential(BatchNorm(2, 2))`',
            '`nn.Sequential(BatchNorm(2, 2))`',
        ),
        Case(
            lambda: _state(
                nn.Conv2d(1, 2, 2), BatchNorm(2, 4), nn.Linear(3, 2)
            ),
            '`Conv2d, BatchNorm(2, 4), Linear`',
            '`Conv2d, BatchNorm(2, 4), Linear`',
        ),
    ],
    {
        'unchanged': Edit(
            'what in names',
            'False',
            '名字没有换：第2节的表里，PyTorch叫它们什么？',
            'The names are as before: what does PyTorch call them (the '
            'table of section 2)?',
        ),
        'shapes-kept': Edit(
            'value.flatten()',
            'value',
            '名字对了，形状还是`(1, C)`或`(1, C, 1, 1)`。'
            'PyTorch存成什么形状？',
            'The names are right, the shapes still `(1, C)` or '
            '`(1, C, 1, 1)`. Which shape does PyTorch keep?',
        ),
        'all-flat': Edit(
            '] = value',
            '] = value.flatten()',
            '连卷积层和全连接层的权重也拉平了：只有哪几个要换形状？',
            'The weights of other layers are flattened too: which tensors '
            'alone change their shape?',
        ),
        'gamma-and-beta': Edit(
            ("'gamma': 'weight'", "'beta': 'bias'"),
            ("'gamma': 'bias'", "'beta': 'weight'"),
            '`gamma`和`beta`反了：哪个是缩放，PyTorch叫它什么？',
            '`gamma` and `beta` are exchanged: which one scales, and what '
            'does PyTorch call it?',
        ),
        'mean-and-var': Edit(
            ("'moving_mean': 'running_mean'", "'moving_var': 'running_var'"),
            ("'moving_mean': 'running_var'", "'moving_var': 'running_mean'"),
            '`moving_mean`和`moving_var`反了。',
            '`moving_mean` and `moving_var` are exchanged.',
        ),
        'no-count': Edit(
            'new[',
            "if what != 'num_batches_tracked': new[",
            '`num_batches_tracked`丢了：它两边同名，也要抄。',
            '`num_batches_tracked` is lost: it has the same name in both, and '
            'has to be copied too.',
        ),
        'no-buffers': Edit(
            'new[',
            "if what[:3] not in ('run', 'num'): new[",
            '缓冲区丢了：只抄参数，预测时用的移动平均从哪里来？',
            'The buffers are lost: where would prediction take its moving '
            'averages from?',
        ),
        'other-layers-lost': Edit(
            'new[',
            "if f'{layer}.gamma' in state: new[",
            '批量归一化层对了，别的层丢了：名字不用换的也要放进新字典。',
            'Batch normalization is right, the other layers are lost: what '
            'keeps its name goes into the new dict as well.',
        ),
        'learned-only': Edit(
            "'running_",
            "'moving_",
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
    bias, X = layer.bias, layer(_numbers(layer, 3))
    evaluated = norm.eval()(X)  # first: training moves the averages
    return {
        ('没有偏置了', 'the bias is gone'): (
            '没有 · none' if bias is None else bias.tolist()
        ),
        ('训练模式下输出不变', 'same output in training mode'): (
            norm.train()(X)
        ),
        ('评估模式下输出不变', 'same output in evaluation mode'): evaluated,
    }


check_without_bias = Exercise(
    'without_bias',
    without_bias,
    [
        Case(
            lambda: _trained(nn.Linear(3, 2), nn.BatchNorm1d(2)),
            '`nn.Linear(3, 2)`和`nn.BatchNorm1d(2)`',
            '`nn.Linear(3, 2)` and `nn.BatchNorm1d(2)`',
        ),
        Case(
            lambda: _trained(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2)),
            '`nn.Conv2d(1, 2, 2)`和`nn.BatchNorm2d(2)`',
            '`nn.Conv2d(1, 2, 2)` and `nn.BatchNorm2d(2)`',
        ),
    ],
    {
        'mean-kept': Edit(
            'norm.running_mean -= layer.bias.data',
            '',
            '训练模式对，评估模式不对：`running_mean`是偏置还在的时候记下的。',
            'Right in training mode, not in evaluation: `running_mean` was '
            'recorded with the bias there.',
        ),
        'wrong-sign': Edit(
            '-=',
            '+=',
            '方向反了：来的数少了偏置，减去的均值该多还是该少？',
            'The wrong direction: what comes in is smaller by the bias; '
            'should the mean that is subtracted be larger or smaller?',
        ),
        'into-beta': Edit(
            'running_mean -=',
            'bias.data +=',
            '偏置加到了`beta`上：`beta`在归一化之后，偏置在它之前。'
            '训练模式也变了。',
            'The bias went into `beta`, which acts after normalizing; the '
            'bias acted before it. Now training mode changes too.',
        ),
        'mean-zeroed': Edit(
            ' -= layer.bias.data',
            '.zero_()',
            '`running_mean`清零了：它里面不只有偏置。',
            '`running_mean` is zero now: there was more in it than the bias.',
        ),
        'bias-zeroed': Edit(
            'bias = None',
            'bias.data.zero_()',
            '偏置变成了0，但还在：它仍是要学的参数。怎样让它不存在？',
            'The bias is 0 but still there, a parameter that will learn. How '
            'do you make it not exist?',
        ),
        'nothing-done': Edit(
            ('norm.running_mean -= layer.bias.data', 'layer.bias = None'),
            ('', ''),
            '什么也没有变：偏置还在。',
            'Nothing has changed: the bias is still there.',
        ),
    },
    see=_in_both_modes,
)
