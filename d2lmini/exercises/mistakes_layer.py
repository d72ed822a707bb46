"""The mistakes that people make in `BatchNorm`, with a hint for each."""

import inspect
from typing import Any

import torch

from d2lmini.exercises.attempt import Mistake
from d2lmini.exercises.faults import AXES
from d2lmini.exercises.faulty_layer import faulty_layer
from d2lmini.exercises.hints import HINTS, Hint
from d2lmini.exercises.hints_numbers import NUMBER_HINTS, ROUGH_HINTS
from d2lmini.exercises.mistakes import WAYS, Ways, table
from d2lmini.exercises.scenes_layer import find

# As in mistakes.py; these concern what a layer holds.
LAYER_HINTS: tuple[Hint, ...] = (
    (
        'plain_gamma',
        '`gamma`和`beta`没有都进`parameters()`，优化器看不全。什么样的张量'
        '会自己进去？',
        '`gamma` or `beta`, or both, are missing from `parameters()`, where '
        'an optimizer looks. What kind of tensor gets in by itself?',
    ),
    (
        'gamma_buffer',
        '`gamma`和`beta`跟着层存盘，却不在`parameters()`里。它们是记下来的，'
        '还是学出来的？',
        '`gamma` and `beta` are saved with the layer but are not among '
        '`parameters()`. Are they remembered, or learned?',
    ),
    (
        'trained_averages',
        '移动平均进了`parameters()`，优化器会去改它。它是学出来的，还是记下'
        '来的？',
        'A moving average is among `parameters()`, where an optimizer '
        'changes it. Is it learned, or remembered?',
    ),
    (
        'plain_tensors',
        '`state_dict()`里缺移动平均：存盘会丢，`.to()`和`.double()`也不管。'
        '层怎么知道哪些张量归它管？',
        'A moving average is missing from `state_dict()`: saving loses it, '
        'and `.to()` and `.double()` pass it by. How does a layer know '
        'which tensors are its own?',
    ),
    (
        'not_saved',
        '移动平均登记过了，`state_dict()`里却没有。登记时有没有说不要存？',
        'The moving averages are registered, and yet missing in '
        '`state_dict()`. Did you say there that they are not to be saved?',
    ),
    (
        'one_gamma',
        '`gamma`和`beta`只有一个数。两个通道会想要同样的大小和偏移吗？',
        '`gamma` and `beta` hold a single number. Would two channels want '
        'the same scale and shift?',
    ),
    (
        'flat_shape',
        '`(N, C, H, W)`上出了形状的问题。形状是`(C,)`的`gamma`，广播时从最后'
        '一轴对齐，碰上的是哪个轴？',
        'Shapes go wrong on `(N, C, H, W)`. Broadcasting lines up from the '
        'last axis: which one does a `gamma` of shape `(C,)` meet there?',
    ),
    (
        'var_zeros',
        '`moving_var`从0开始。还没训练几步就评估，会除以什么？除以几才等于'
        '没有除？',
        '`moving_var` starts at 0. What would an evaluation after few '
        'steps divide by? What can one divide by so that nothing changes?',
    ),
    (
        'mean_ones',
        '`moving_mean`的起点不对。还没有见过数据时，减去几等于没有减？',
        '`moving_mean` starts at the wrong number. Before any data is seen, '
        'what can be subtracted so that nothing changes?',
    ),
    (
        'gamma_zeros',
        '`gamma`从0开始：乘上去以后还剩下什么？一开始该只做标准化。',
        '`gamma` starts at 0: what is left after multiplying? At first the '
        'layer should only standardize.',
    ),
    (
        'beta_ones',
        '`beta`的起点不对。一开始该只做标准化，加上几等于没有加？',
        '`beta` starts at the wrong number. At first the layer should only '
        'standardize: what can be added so that nothing changes?',
    ),
    (
        'keeps_output',
        '层里留着一个带计算图的张量，所以复制不了，它占的内存也放不掉。留着的'
        '东西需要梯度吗？',
        "The layer keeps a tensor with its computation graph, so it can't be "
        'copied, and the memory is not set free. Does what you keep need '
        'gradients?',
    ),
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
        not torch.equal(find(layers[0], what), find(layers[1], what))
        for what in ('gamma', 'beta')
    )


SEEN = (
    Mistake(
        'no_super',
        '`nn.Module`自己还没有准备好，就往上挂参数了。`__init__`里，谁该先来？',
        'Parameters are hung on an `nn.Module` that is not set up yet. What '
        'has to come first in `__init__`?',
        seen=_lacks_super,
    ),
    Mistake(
        'no_options',
        '建层时要能给`eps`和`momentum`，也可以不给。看看`__init__`的参数表。',
        'One should be able to pass `eps` and `momentum`, and to leave them '
        'out. Look at the arguments of `__init__`.',
        seen=_lacks_options,
    ),
    Mistake(
        'gamma_drawn',
        '新建的层里，`gamma`和`beta`该让它只做标准化。乘几、加几等于什么也没'
        '做？',
        'In a new layer `gamma` and `beta` should let it only standardize. '
        'Which numbers to multiply by and to add change nothing?',
        seen=_draws,
    ),
)
_AVERAGES = 'moving_mean', 'moving_var'


def _ways(fault: str, names: tuple[str, str]) -> tuple[tuple[str, ...], ...]:
    """Return the faults of both tensors, or of one."""
    one, other = (f'{fault} {name}' for name in names)
    return (one, other), (one,), (other,)


LAYER_WAYS: Ways = {
    **WAYS,
    'gradients_mode': (
        *WAYS['gradients_mode'],
        ('remembers_with_gradients',),
    ),
    'plain_gamma': _ways('plain', ('gamma', 'beta')),
    'plain_tensors': _ways('plain', _AVERAGES),
    'trained_averages': _ways('trained', _AVERAGES),
    'not_saved': _ways('not_saved', _AVERAGES),
    'flat_shape': tuple(
        ('flat_shape', *way)
        for way in ((), ('flat_always',), ('in_place',), ('copies',))
    ),
    **{
        key: (*WAYS[key], (key, 'copies'))
        for key in (*AXES, 'no_keepdim')
        if key != 'axes_rows'
    },
}
HERE = [hint for hint in HINTS if hint[0] != 'returns_swapped']
LAYER_MISTAKES: tuple[Mistake, ...] = (
    *table((*LAYER_HINTS, *HERE, *NUMBER_HINTS), faulty_layer, LAYER_WAYS),
    *table(ROUGH_HINTS, faulty_layer, LAYER_WAYS, rough=True),
    *SEEN,
)
