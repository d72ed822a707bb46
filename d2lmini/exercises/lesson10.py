"""Your turn in lesson 10: batch norm folded into the layer beside it."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from d2lmini.exercises.engine import Case, Edit, Exercise, Results
from d2lmini.exercises.lesson02 import under_the_root

BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d
NORMS = *BATCH_NORMS, nn.GroupNorm, nn.LayerNorm
FOLDABLE = nn.Linear, nn.Conv2d  # what batch norm is folded into
DEEP = (
    '卷积、归一化、ReLU、卷积、ReLU、归一化、全连接、归一化',
    'conv, norm, ReLU, conv, ReLU, norm, linear, norm',
)


def _shaken(*layers: nn.Module, shape: tuple[int, ...]) -> nn.Sequential:
    """Return a net with numbers of its own, whose norms saw batches."""
    net = nn.Sequential(*layers)
    for tensor in net.parameters():
        tensor.data.normal_()
    for _ in range(9):
        net(1 + torch.randn(8, *shape) / 3)
    return net.eval()


def _pair(wide: int, width: int, eps: float = 1e-5, bias: bool = True,
          step: int = 1) -> Case:  # fmt: skip
    """Return a linear layer and its norm, or, step = -1, the norm first."""
    told = f'`nn.Linear({wide}, {width}, bias={bias})`, `eps = {eps}`'
    norm = nn.BatchNorm1d, (width, wide)[step < 0], eps

    def make() -> nn.Sequential:
        pair = nn.Linear(wide, width, bias), norm[0](*norm[1:])
        return _shaken(*pair[::step], shape=(wide,))

    return Case(make, told, told)


def _deep() -> nn.Sequential:
    return _shaken(
        *(nn.Conv2d(1, 2, 2, bias=False), nn.BatchNorm2d(2), nn.ReLU()),
        *(nn.Conv2d(2, 2, 2), nn.ReLU(), nn.BatchNorm2d(2), nn.Flatten()),
        *(nn.Linear(8, 4), nn.BatchNorm1d(4)),
        shape=(1, 4, 4),
    )


def _same(answer: Callable[..., Any], *layers: Any) -> Results:
    """Hold an answer against the layers, which must stay as they are."""
    first, whole = layers[0], nn.Sequential(*layers)
    if first.training:
        try:
            answer(*layers)
        except Exception as e:
            return {'ValueError': isinstance(e, ValueError)}
        return {'ValueError': False}
    shape = (1, 4, 4) if len(layers) == 1 else first.weight.shape[-1:]
    X = torch.randn(5, *shape)
    before, new = whole(X), answer(*layers)
    Y = new(X).detach()
    for tensor in new.parameters():  # none of them is one of the old
        tensor.data.zero_()
    return {
        ('输出', 'the output'): Y,
        ('剩下几个批量归一化层', 'how many batch norm layers are left'): sum(
            isinstance(layer, BATCH_NORMS) for layer in new.modules()
        ),
        ('训练模式', 'training mode'): len(layers) == 1 and new.training,
        ('原来的不变', 'the old layers stay'): whole(X).equal(before),
    }


def fold(layer: Any, norm: Any) -> nn.Linear:
    """Return one layer that does what both do in evaluation mode."""
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (out,)
    bias = 0 if layer.bias is None else layer.bias
    folded = nn.Linear(layer.in_features, layer.out_features)
    folded.weight.data = gain.view(-1, 1) * layer.weight.data
    folded.bias.data = gain * (bias - norm.running_mean) + norm.bias
    return folded


_OLD_CHANGES = (
    '原来的层变了：返回一个新的，两层都不动。',
    'An old layer changes: return a new one, and leave both alone.',
)
USUAL: dict[str, Any] = {  # whichever layer stands first
    **under_the_root('norm.running_var', 'norm.eps'),
    'gamma-forgotten': Edit('norm.weight / ', '1 / ')
    | '`gamma`（`norm.weight`）没有用上。'
    | '`gamma` (`norm.weight`) is not used.',
}

check_fold = Exercise(
    'fold',
    fold,
    [_pair(1, 1), _pair(3, 2, 0.1), _pair(4, 4), _pair(3, 2, bias=False)],
    {
        **USUAL,
        'in-place': Edit(
            'nn.Linear(layer.in_features, layer.out_features)', 'layer'
        )
        | _OLD_CHANGES,
        'columns': Edit('gain.view(-1, 1)', 'gain')
        | '权重的形状是`(out, in)`：每个输出缩放自己的一行。'
        | 'The weight is `(out, in)`: the gain of an output scales its row.',
        'bias-not-scaled': Edit(
            'gain * (bias - norm.running_mean)',
            'bias - gain * norm.running_mean',
        )
        | '原来的偏置也要乘上同样的系数。'
        | 'The old bias is multiplied by the same factor.',
        'mean': Edit(' - norm.running_mean', '')
        | '`running_mean`要先减掉，再乘系数。'
        | 'First subtract `running_mean`, then multiply.'
        | Edit('(bias - norm.running_mean)', 'bias - norm.running_mean'),
        'beta-forgotten': Edit(' + norm.bias', '')
        | '`beta`（`norm.bias`）没有加上。'
        | '`beta` (`norm.bias`) is not added.',
        'old-bias-forgotten': Edit('(bias - norm', '(-norm')
        | '全连接层自己的偏置丢了。'
        | 'The bias of the linear layer is lost.',
        'none-as-bias': Edit('(bias - norm', '(layer.bias - norm')
        | '`bias=False`的层，`layer.bias`是`None`：它当作几？'
        | 'With `bias=False`, `layer.bias` is `None`: which number is it?',
    },
    see=_same,
)


def fold_before(norm: Any, linear: Any) -> nn.Linear:
    """Return one layer that does what norm, then linear, do in evaluation."""
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (in,)
    shift = norm.bias - gain * norm.running_mean
    folded = nn.Linear(linear.in_features, linear.out_features)
    folded.weight.data = linear.weight.data * gain
    folded.bias.data = linear.bias + linear.weight @ shift
    return folded


check_fold_before = Exercise(
    'fold_before',
    fold_before,
    [_pair(1, 1, step=-1), _pair(2, 3, 0.1, step=-1), _pair(4, 4, step=-1)],
    {
        **USUAL,
        'rows': Edit('.data * gain', '.data * gain.view(-1, 1)')
        | '这次缩放的是输入，对着权重`(out, in)`的列。'
        | 'Here inputs are scaled: the columns of the weight, `(out, in)`.',
        'not-through': Edit('linear.weight @ shift', 'shift')
        | '批量归一化加上的数也要经过全连接层：乘上权重，再加进偏置。'
        | 'What batch norm adds goes through the weight, too, and then '
        'into the bias.' | Edit(' + linear.weight @ shift', ''),
        'in-place': Edit(
            'nn.Linear(linear.in_features, linear.out_features)', 'linear'
        )
        | _OLD_CHANGES
        | Edit('return folded', 'linear.bias.data += 1\n    return folded'),
        'wrong-sign': Edit('norm.bias - gain', 'norm.bias + gain')
        | '均值是减去的：折进来的偏移是什么符号？'
        | 'The mean is subtracted: which sign has it in the shift?',
        'scaled-twice': Edit('linear.weight @', 'folded.weight.data @')
        | '偏移乘的是缩放过的权重，缩放了两次：要用原来的。'
        | 'The shift meets the scaled weight, so it is scaled twice.',
        'old-bias-forgotten': Edit('linear.bias + ', '')
        | '全连接层自己的偏置丢了。'
        | 'The bias of the linear layer is lost.',
    },
    see=_same,
)


def fold_net(net: nn.Sequential) -> nn.Sequential:
    """Return a copy with each batch norm folded into the layer before it."""
    if net.training:
        raise ValueError('fold a net in evaluation mode')
    layers: list[Any] = []
    for layer in copy.deepcopy(net).eval():
        last = len(layers) - 1
        before = layers[last] if layers else None
        if isinstance(layer, BATCH_NORMS) and isinstance(before, FOLDABLE):
            linear = isinstance(before, nn.Linear)
            fuse: Any = fuse_linear_bn_eval if linear else fuse_conv_bn_eval
            layers[last] = fuse(before, layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).eval()


check_fold_net = Exercise(
    'fold_net',
    fold_net,
    [
        Case(lambda: [_deep()], *DEEP),
        Case(lambda: [_deep().train()], '训练模式', 'training mode'),
    ],
    {
        'across': Edit(
            'len(layers) - 1', '-1 - isinstance(([0] + layers)[-1], nn.ReLU)'
        )
        | '隔着激活函数合并了：中间有ReLU，两步就不是一次线性运算。'
        | 'This folds across an activation: the two are no linear step then.',
        'not-a-copy': Edit('copy.deepcopy(net).eval()', 'net')
        | '原来的网络变了，或者和它共用层：先`copy.deepcopy(net)`。'
        | 'The old net changes, or shares layers: `copy.deepcopy(net)`.',
        'training': Edit('net.training', 'False')
        | '训练模式下用的不是移动平均，不能合并：该报`ValueError`。'
        | 'Training mode does not use the averages: raise a `ValueError`.',
        'container': Edit('(*layers).eval()', '(*layers)')
        | '新建的`nn.Sequential`在训练模式：返回前先`eval()`。'
        | 'A new `nn.Sequential` is in training mode: call `eval()`.',
        'one-kind-only': Edit('FOLDABLE)', 'nn.Conv2d)')
        | '只并了一种：`nn.Linear`和`nn.Conv2d`后面的都要并。'
        | 'One kind is folded: both `nn.Linear` and `nn.Conv2d` take it in.'
        | Edit('FOLDABLE)', 'nn.Linear)'),
        'bias-lost': Edit(
            'fuse(before, layer)',
            'fuse(before, layer)\n            if before.bias is None:\n'
            '                layers[last].bias = None',
        )
        | '`bias=False`的层，并完以后要有偏置。'
        | 'A layer with `bias=False` needs a bias once it is folded.',
    },
    see=_same,
)


def leftover(net: nn.Module) -> list[str]:
    """Return the names of the norms that can't be folded backwards."""
    names, before = [], None
    for name, layer in net.named_modules():
        folds = isinstance(layer, BATCH_NORMS) and isinstance(before, FOLDABLE)
        if isinstance(layer, NORMS) and not folds:
            names.append(name)
        if not isinstance(layer, nn.Sequential):
            before = layer
    return names


def _blocks() -> list[nn.Module]:
    inner = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.GroupNorm(2, 4))
    return [
        nn.Sequential(
            *(nn.BatchNorm2d(1), nn.Conv2d(1, 4, 3), inner),
            *(nn.Conv2d(4, 4, 3), nn.GroupNorm(1, 4), nn.Flatten()),
            *(nn.Linear(4, 4), nn.LayerNorm(4)),
        )
    ]


check_leftover = Exercise(
    'leftover',
    leftover,
    [Case(lambda: [_deep()], *DEEP), Case(_blocks, '一层套一层', 'nested')],
    {
        'all-norms': Edit(' and not folds', '')
        | '归一化层都列出来了：能并进前一层的不要。'
        | 'All norms are listed: leave out those that can be folded.',
        'across': Edit(
            'not isinstance(layer, nn.Sequential)',
            'isinstance(layer, FOLDABLE)',
        )
        | '只看紧挨着的前一层：隔着激活函数的不能合并。'
        | 'Look at the layer right before: nothing folds across others.',
        'group-norm': Edit('layer, NORMS', 'layer, BATCH_NORMS')
        | '组归一化和层归一化没有移动平均，在哪里都不能合并。'
        | 'Group and layer norm have no moving averages: they never '
        'fold.' | Edit('isinstance(layer, BATCH_NORMS) and ', ''),
        'containers': Edit('not isinstance(layer, nn.Sequential)', 'name')
        | '前一层成了`nn.Sequential`：它只装别的层，自己不算。'
        | 'The layer before is an `nn.Sequential`: that only holds layers.',
        'outermost': Edit('named_modules', 'named_children')
        | '藏在里层`nn.Sequential`中的漏掉了。'
        | 'Those in an inner `nn.Sequential` are missing.',
    },
)
