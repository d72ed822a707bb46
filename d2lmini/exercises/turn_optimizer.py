"""Your turn in lessons 01 and 06: what the optimizer gets."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part
from d2lmini.exercises.turn_nets import linear_layers, small_batch
from d2lmini.models import torch_norm

Chosen = Callable[[nn.Module], list[nn.Parameter]]
Answer = Callable[..., Any]


def _but(net: nn.Module, *stay: nn.Module | Tensor) -> list[Any]:
    """Return the parameters of a net but for those that stay."""
    left_out: set[int] = set()
    for each in stay:
        own = each.parameters() if isinstance(each, nn.Module) else [each]
        left_out |= {*map(id, own)}
    return [p for p in net.parameters() if id(p) not in left_out]


def _trains(choose: Chosen) -> Answer:
    """Return an answer that trains the parameters that `choose` gives."""
    return lambda net, lr: torch.optim.SGD(choose(net), lr)


def _moves(answer: Answer, net: nn.Module, lr: float) -> dict[str, Tensor]:
    """Return by how much each parameter moves in two steps."""
    _, X, y = small_batch()
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    optimizer = answer(net, lr)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(net(X), y))
        optimizer.step()
    return {n: p.detach() - before[n] for n, p in net.named_parameters()}


def _which_move(answer: Answer, net: nn.Module, lr: float) -> dict[str, str]:
    moves = _moves(answer, net, lr)
    return {
        n: '动 · moves' if x.any() else '不动 · stays'
        for n, x in moves.items()
    }


def _sgd_case(norm: Any, zh: str, en: str) -> Case:
    return Case(lambda: (small_batch(norm)[0], 0.1), zh, en)


check_frozen_sgd = Exercise(
    right=_trains(lambda net: _but(net, linear_layers(net)[0])),
    parts=(
        Part(
            '只有最底层的nn.Linear不动',
            'only the lowest nn.Linear stays',
            _which_move,
        ),
        Part('别的按lr走', 'the others move by lr', _moves),
    ),
    cases=(
        _sgd_case(None, 'mlp(6, 5, 4, 3)，走两步', 'mlp(6, 5, 4, 3), 2 steps'),
        _sgd_case(
            torch_norm,
            'mlp(6, 5, 4, 3)，有批量归一化，走两步',
            'mlp(6, 5, 4, 3) with batch normalization, 2 steps',
        ),
    ),
    mistakes=(
        Mistake(
            'nothing-frozen',
            _trains(lambda net: [*net.parameters()]),
            '一层也没冻住。net[0]是哪一层，它有参数吗？',
            'nothing is frozen. Which layer is net[0], and does it have '
            'parameters?',
        ),
        Mistake(
            'bias-moves',
            _trains(lambda net: _but(net, linear_layers(net)[0].weight)),
            '权重冻住了，可这一层还有别的参数在动。',
            'the weight stays, but this layer has another parameter that '
            'moves.',
        ),
        Mistake(
            'top-frozen',
            _trains(lambda net: _but(net, linear_layers(net)[-1])),
            '冻住的是顶部。底部是靠数据的一头。',
            'the top is frozen. The bottom is the end where the data is.',
        ),
        Mistake(
            'other-way-round',
            _trains(lambda net: [*linear_layers(net)[0].parameters()]),
            '反了：只有最底层在动。',
            'the other way round: only the lowest layer moves.',
        ),
        Mistake(
            'norms-forgotten',
            _trains(
                lambda net: [
                    p for m in linear_layers(net)[1:] for p in m.parameters()
                ]
            ),
            '全连接层都对，但网络里还有别的层有参数要学。',
            'right for fully connected layers, but other layers in the net '
            'have parameters to learn too.',
        ),
        Mistake(
            'own-rate',
            lambda net, lr: torch.optim.SGD(
                _but(net, linear_layers(net)[0]), 0.01
            ),
            '该动的都在动，走的步子不是lr。',
            'the right ones move, but their step is not set by lr.',
        ),
    ),
)


def _net() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2)),
        nn.Flatten(),
        nn.Linear(8, 3, bias=False),
        nn.BatchNorm1d(3),
    )


def _decays(
    answer: Answer, net: nn.Module, weight_decay: float
) -> dict[str, list[float]]:
    """Return the weight decay of each parameter, by its name.

    A list: a parameter may be in no group, or in two.
    """
    groups = [{'weight_decay': 0.0, **g} for g in answer(net, weight_decay)]
    found: dict[str, list[float]] = {}
    for name, p in net.named_parameters():
        found[name] = [
            group['weight_decay']
            for group in groups
            for each in group['params']
            if each is p
        ]
    return found


def _groups(decays: Callable[[str, nn.Parameter], bool]) -> Answer:
    """Return an answer in which the parameters decay that `decays` tells."""

    def answer(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        named = [*net.named_parameters()]
        return [
            {
                'params': [p for n, p in named if decays(n, p) is yes],
                'weight_decay': weight_decay * yes,
            }
            for yes in (True, False)
        ]

    return answer


check_decay_groups = Exercise(
    right=_groups(lambda _, p: p.dim() > 1),
    parts=(
        Part(
            '每个参数正好在一个组里',
            'each parameter is in just one group',
            lambda *given: {n: len(x) for n, x in _decays(*given).items()},
        ),
        Part(
            '该衰减的衰减',
            'those decay that should',
            _decays,
        ),
    ),
    cases=(
        Case(
            lambda: (_net(), 0.1),
            'Conv2d、BatchNorm2d、Linear（没有偏置）、BatchNorm1d，衰减0.1',
            'Conv2d, BatchNorm2d, Linear without bias, BatchNorm1d; decay 0.1',
        ),
    ),
    mistakes=(
        Mistake(
            'everything-decays',
            _groups(lambda *_: True),
            '所有参数都在衰减，和不分组一样。',
            'everything decays, as without groups.',
        ),
        Mistake(
            'gamma-decays',
            _groups(lambda n, _: 'bias' not in n),
            '按名字排除了bias，beta也叫这个名字；可gamma叫什么？',
            'everything named bias is left out, and beta is named so; but '
            'what is gamma called?',
        ),
        Mistake(
            'biases-decay',
            _groups(lambda n, p: p.dim() > 1 or n == '0.0.bias'),
            'gamma和beta不衰减了，卷积层的偏置还在衰减。',
            "gamma and beta don't decay, but the convolution's bias does.",
        ),
        Mistake(
            'other-way-round',
            _groups(lambda _, p: p.dim() == 1),
            '两组反了：衰减的正是不该衰减的。',
            'the groups are exchanged: exactly the wrong ones decay.',
        ),
        Mistake(
            'nothing-decays',
            _groups(lambda *_: False),
            '没有一个参数在衰减。',
            'nothing decays.',
        ),
        Mistake(
            'left-out',
            lambda net, weight_decay: _groups(lambda _, p: p.dim() > 1)(
                net, weight_decay
            )[:1],
            '不衰减的参数一组也没进，优化器就不会训练它们。',
            'the parameters that do not decay are in no group, so no '
            'optimizer will train them.',
        ),
        Mistake(
            'twice',
            lambda net, weight_decay: [
                *_groups(lambda _, p: p.dim() > 1)(net, weight_decay)[:1],
                {'params': [*net.parameters()], 'weight_decay': 0.0},
            ],
            '权重进了两个组：第二组应当只有剩下的。',
            'the weights are in two groups: the second should hold the rest '
            'alone.',
        ),
        Mistake(
            'inner-layers-missed',
            _groups(lambda n, _: n == '2.weight'),
            '里层nn.Sequential中的卷积层没有衰减：net里直接放着的不是全部。',
            'the convolution in the inner nn.Sequential does not decay: net '
            'itself does not list every layer.',
        ),
    ),
)
