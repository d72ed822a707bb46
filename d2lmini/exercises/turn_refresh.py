"""Your turn in lesson 06: the moving averages estimated afresh."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part
from d2lmini.exercises.turn_nets import deep_net, norms_of, told_modes

Given = tuple[nn.Module, list[Tensor]]
Answer = Callable[..., Any]


def _given(num_batches: int, frozen: bool) -> Given:
    """Return a net that has seen other batches, and new ones."""
    net = deep_net()
    numbers = torch.Generator().manual_seed(1)
    net(torch.randn(8, 1, 3, 3, generator=numbers) - 3)
    for norm, momentum in zip(norms_of(net), (0.3, 0.05), strict=True):
        norm.momentum = momentum
    if frozen:
        net.eval()[0].train()
    shape = num_batches, 4, 1, 3, 3
    return net, [*(2 * torch.randn(shape, generator=numbers) + 1)]


def _refresh(
    net: nn.Module,
    batches: list[Tensor],
    *,
    reset: bool = True,
    plain: bool = True,
    train: bool = True,
    momentum: str = 'put back',
    modes: str = 'put back',
) -> nn.Module:
    """Estimate afresh; the options are what can go wrong."""
    norms = norms_of(net)
    before = [norm.momentum for norm in norms]
    were = {m: m.training for m in net.modules()}
    net.train(train)
    for norm in norms:
        if reset:
            norm.reset_running_stats()
        if plain:
            norm.momentum = None
    with torch.no_grad():
        for X in batches:
            net(X)
    for norm, own in zip(norms, before, strict=True):
        norm.momentum = {'put back': own, '0.1': 0.1}.get(momentum)
    if modes == 'eval':
        net.eval()
    for m, training in were.items() if modes == 'put back' else ():
        m.training = training
    return net


def _refreshes(**options: Any) -> Answer:
    return lambda net, batches: _refresh(net, batches, **options)


def _held(name: str) -> Answer:
    """Look at something that each batch normalization holds."""
    return lambda answer, *given: [
        getattr(norm, name) for norm in norms_of(answer(*given))
    ]


def _biased(net: nn.Module, batches: list[Tensor]) -> nn.Module:
    """Take the plain mean of biased variances."""
    _refresh(net, batches)
    for norm, n in zip(norms_of(net), (4 * 4, 4), strict=True):
        norm.running_var *= (n - 1) / n
    return net


check_refresh = Exercise(
    right=lambda net, batches: _refresh(net, batches),
    parts=(
        Part('移动均值', 'the moving means', _held('running_mean')),
        Part('移动方差', 'the moving variances', _held('running_var')),
        Part(
            'momentum还原了',
            'momentum is put back',
            lambda answer, *given: [
                str(norm.momentum) for norm in norms_of(answer(*given))
            ],
        ),
        Part(
            '每一层的模式还原了',
            "each layer's mode is put back",
            lambda answer, *given: told_modes(answer(*given)),
        ),
        Part(
            '权重不变',
            'the weights stay',
            lambda answer, *given: [*answer(*given).parameters()],
        ),
    ),
    cases=(
        Case(
            lambda: _given(1, False),
            '训练模式的网络，1批，4个样本',
            'a net in training mode, 1 batch of 4',
        ),
        Case(
            lambda: _given(3, False),
            '训练模式的网络，3批',
            'a net in training mode, 3 batches',
        ),
        Case(
            lambda: _given(3, True),
            '只有第0层在训练模式，3批',
            'layer 0 alone in training mode, 3 batches',
        ),
    ),
    mistakes=(
        Mistake(
            'not-reset',
            _refreshes(reset=False),
            '旧的移动平均还掺在里面：momentum=None从第几批数起？',
            'the old averages are still mixed in: from which batch does '
            'momentum=None count?',
        ),
        Mistake(
            'evaluation-mode',
            _refreshes(train=False),
            '移动平均没有学到这些批：哪种模式下它才更新？',
            'the moving averages took in nothing from these batches: in which'
            ' mode do they update?',
        ),
        Mistake(
            'nothing-happens',
            _refreshes(train=False, reset=False),
            '移动平均一点没变：哪种模式下它才更新？',
            'the moving averages have not changed at all: in which mode do '
            'they update?',
        ),
        Mistake(
            'own-momentum',
            _refreshes(plain=False),
            '用的还是各层自己的momentum，起点和早晚的批权重不同：怎样得到普通平均？',
            'each layer used its own momentum, so early and late batches '
            'weigh differently: how do you get the plain average?',
        ),
        Mistake(
            'neither',
            _refreshes(plain=False, reset=False),
            '只是接着训练时那样更新：旧的还在，各批权重也不同。',
            'this goes on as training does: the old averages are still in, '
            'and batches weigh differently.',
        ),
        Mistake(
            'momentum-lost',
            _refreshes(momentum='None'),
            '移动平均对了，但momentum还是None：以后训练会变成什么样的平均？',
            'the averages are right, but momentum is still None: what kind '
            'of average will later training make?',
        ),
        Mistake(
            'default-momentum',
            _refreshes(momentum='0.1'),
            'momentum写回了默认值：每一层原来的是多少？',
            'momentum is now the default: what was it in each layer?',
        ),
        Mistake(
            'left-training',
            _refreshes(modes='train'),
            '移动平均对了，但所有层都留在训练模式。',
            'the averages are right, but all layers are left in training '
            'mode.',
        ),
        Mistake(
            'left-evaluating',
            _refreshes(modes='eval'),
            '移动平均对了，但所有层都留在评估模式：来的时候各是什么模式？',
            'the averages are right, but all layers are left in evaluation '
            'mode: which modes did they come with?',
        ),
        Mistake(
            'last-batch-only',
            lambda net, batches: _refresh(net, batches[-1:]),
            '只有最后一批算进去了。',
            'only the last batch counts.',
        ),
        Mistake(
            'biased',
            _biased,
            '均值对，方差除以了n：记住的要用无偏的。',
            'the means are right, the variances are divided by n: what is '
            'remembered is unbiased.',
        ),
    ),
)
