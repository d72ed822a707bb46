"""Your turn in lesson 06: who is in training mode, and who put it back."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part, value
from d2lmini.exercises.turn_nets import KINDS, deep_net, norms_of, told_modes

Batch = tuple[nn.Module, Tensor, Tensor]


def _in(mode: str) -> nn.Module:
    """Return the net as `mode` has it: all, none or some layers train."""
    net = deep_net().train(mode != 'eval')
    if mode == 'one frozen':
        net[3].eval()
    return net


MODES = {
    'train': ('训练模式', 'training mode'),
    'eval': ('评估模式', 'evaluation mode'),
    'one frozen': (
        '训练模式，只有第3层在评估模式',
        'training mode, layer 3 alone in evaluation mode',
    ),
}


def _listing(
    choose: Callable[[nn.Module], bool], direct: bool = False
) -> Callable[[nn.Module], list[str]]:
    def answer(net: nn.Module) -> list[str]:
        named = net.named_children() if direct else net.named_modules()
        return [name for name, module in named if choose(module)]

    return answer


def _names(answer: Any, net: nn.Module) -> list[str]:
    found = answer(net)
    return [n if isinstance(n, str) else type(n).__name__ for n in found]


check_still_training = Exercise(
    right=_listing(lambda m: isinstance(m, KINDS) and m.training),
    parts=(
        Part('名字', 'the names', _names),
        Part(
            '没有动任何一层的模式',
            "no layer's mode is touched",
            lambda answer, net: (
                answer(net) and None,
                told_modes(net),
            )[1],
        ),
    ),
    cases=tuple(
        Case(lambda mode=mode: (_in(mode),), *told)  # type: ignore[misc]
        for mode, told in MODES.items()
    ),
    mistakes=(
        Mistake(
            'every-layer',
            _listing(lambda m: m.training),
            '训练模式的层都列进来了：只要批量归一化层。',
            'every layer in training mode is listed: only batch '
            'normalization is wanted.',
        ),
        Mistake(
            'every-norm',
            _listing(lambda m: isinstance(m, KINDS)),
            '批量归一化层都列进来了，不管模式：哪个属性说出模式？',
            'all batch normalization is listed, whatever its mode: which '
            'attribute tells the mode?',
        ),
        Mistake(
            'children-only',
            _listing(
                lambda m: isinstance(m, KINDS) and m.training, direct=True
            ),
            '藏在里层nn.Sequential中的漏掉了。',
            'the one in the inner nn.Sequential is missing.',
        ),
        Mistake(
            'mode-of-the-net',
            lambda net: (
                _listing(lambda m: isinstance(m, KINDS))(net)
                if net.training
                else []
            ),
            '看的是整个网络的training：每一层有自己的模式。',
            "this looks at the net's own training: each layer has a mode of "
            'its own.',
        ),
        Mistake(
            'two-axes-only',
            _listing(lambda m: isinstance(m, nn.BatchNorm2d) and m.training),
            '只找了nn.BatchNorm2d：还有一种。',
            'only nn.BatchNorm2d is looked for: there is another kind.',
        ),
        Mistake(
            'other-way-round',
            _listing(lambda m: isinstance(m, KINDS) and not m.training),
            '反了：列出的是评估模式的。',
            'the other way round: those in evaluation mode are listed.',
        ),
        Mistake(
            'layers-not-names',
            lambda net: [m for m in norms_of(net) if m.training],
            '列出的是层，题目要名字：named_modules两样都给。',
            'these are the layers; their names are asked for. named_modules '
            'gives both.',
        ),
    ),
)


def _batch(mode: str) -> Batch:
    net = _in(mode)
    numbers = torch.Generator().manual_seed(1)
    for norm in norms_of(net):
        norm.running_mean += 0.3
        norm.running_var *= 4
    X = torch.randn(64, 1, 3, 3, generator=numbers) + 1
    return net, X, torch.arange(64) % 3


def _measure(
    net: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    evaluate: bool = True,
    after: str = 'as before',
    what: Callable[[Tensor], Any] = lambda right: right.mean(),
) -> Any:
    """Measure; the options are what can go wrong."""
    modes = {m: m.training for m in net.modules()}
    if evaluate:
        net.eval()
    with torch.no_grad():
        right = (net(X).argmax(dim=1) == y).float()
    if after == 'train':
        net.train()
    for m, training in modes.items() if after == 'as before' else ():
        m.training = training
    return what(right)


def _one_mode(net: nn.Module, X: Tensor, y: Tensor) -> Any:
    was, acc = net.training, _measure(net, X, y)
    net.train(was)
    return acc


def _measures(**options: Any) -> Callable[..., Any]:
    return lambda net, X, y: _measure(net, X, y, **options)


def _modes_after(answer: Any, *batch: Any) -> str:
    answer(*batch)
    return told_modes(batch[0])


def _averages_after(answer: Any, *batch: Any) -> list[Tensor]:
    answer(*batch)
    return [m.running_mean for m in norms_of(batch[0])]


check_accuracy_of = Exercise(
    right=lambda net, X, y: _measure(net, X, y),
    parts=(
        Part('精度', 'the accuracy', value),
        Part(
            '每一层的模式都和进来时一样',
            'each layer has the mode that it came with',
            _modes_after,
        ),
        Part('移动平均没有变', 'the moving averages stay', _averages_after),
    ),
    cases=tuple(
        Case(lambda mode=mode: _batch(mode), *told)  # type: ignore[misc]
        for mode, told in MODES.items()
    ),
    mistakes=(
        Mistake(
            'mode-forgotten',
            _measures(evaluate=False),
            '进来是什么模式就用什么模式测的：训练模式下，层用的是谁的统计量？',
            'this measures in whatever mode the net came in: in training '
            'mode, whose statistics does a layer use?',
        ),
        Mistake(
            'mode-left',
            _measures(after='eval'),
            '精度对，但网络留在了评估模式：接着训练会怎样？',
            'the accuracy is right, but the net is left in evaluation mode: '
            'what happens when training goes on?',
        ),
        Mistake(
            'all-turned-on',
            _measures(after='train'),
            '精度对，但最后全都打开了：原来就在评估模式的层呢？',
            'the accuracy is right, but in the end every layer is in training'
            ' mode: what about those that were in evaluation mode before?',
        ),
        Mistake(
            'mode-of-the-net',
            _one_mode,
            '记住的只是一个模式：每一层有自己的模式。',
            'one mode is remembered: each layer has its own.',
        ),
        Mistake(
            'count',
            _measures(what=lambda right: right.sum()),
            '这是答对的个数：精度在0到1之间。',
            'this is how many are right: an accuracy is between 0 and 1.',
        ),
        Mistake(
            'percent',
            _measures(what=lambda right: 100 * right.mean()),
            '这是百分数：题目要0到1之间的数。',
            'this is a percentage: the task asks for a number between 0 and '
            '1.',
        ),
    ),
)
