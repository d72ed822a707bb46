"""Your turn in lesson 06: the modes, and all that training must not touch."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, cross_entropy

from d2lmini.exercises.engine import Case, Edit, Exercise, Results
from d2lmini.exercises.nets import KINDS, deep_net, norms_of, told_modes

Answer = Callable[..., Any]
MODES = {
    'train': ('训练模式', 'training mode'),
    'eval': ('评估模式', 'evaluation mode'),
    'one frozen': (
        '训练模式，只有第3层在评估模式',
        'training mode, layer 3 alone in evaluation mode',
    ),
}


def _in(mode: str) -> tuple[nn.Module]:
    """Return the net as `mode` has it: all, none or some layers train."""
    net = deep_net().train(mode != 'eval')
    if mode == 'one frozen':
        net[3].eval()
    return (net,)


def _in_each_mode(make: Callable[[str], tuple[Any, ...]]) -> list[Case]:
    return [
        Case(lambda mode=mode: make(mode), *told)
        for mode, told in MODES.items()
    ]


def still_training(net: nn.Module) -> list[str]:
    """Return the names of the batch norm layers in training mode."""
    kinds = nn.BatchNorm1d, nn.BatchNorm2d
    return [
        name
        for name, module in net.named_modules()
        if isinstance(module, kinds) and module.training
    ]


def _names(answer: Answer, net: nn.Module) -> Results:
    names = [
        n if isinstance(n, str) else type(n).__name__ for n in answer(net)
    ]
    untouched = '没有动任何一层的模式', "no layer's mode is touched"
    return {('名字', 'the names'): names, untouched: told_modes(net)}


check_still_training = Exercise(
    'still_training',
    still_training,
    _in_each_mode(_in),
    {
        'every-layer': Edit(
            'isinstance(module, kinds) and ',
            '',
            '训练模式的层都列进来了：只要批量归一化层。',
            'Every layer in training mode is listed: only batch '
            'normalization is wanted.',
        ),
        'every-norm': Edit(
            ' and module.training',
            '',
            '批量归一化层都列进来了，不管模式：哪个属性说出模式？',
            'All batch normalization is listed, whatever its mode: which '
            'attribute tells the mode?',
        ),
        'children-only': Edit(
            'named_modules',
            'named_children',
            '藏在里层`nn.Sequential`中的漏掉了。',
            'The one in the inner `nn.Sequential` is missing.',
        ),
        'mode-of-the-net': Edit(
            'module.training',
            'net.training',
            '看的是整个网络的`training`：每一层有自己的模式。',
            "This looks at the net's own `training`: each layer has a mode of "
            'its own.',
        ),
        'two-axes-only': Edit(
            'nn.BatchNorm1d, ',
            '',
            '只找了`nn.BatchNorm2d`：还有一种。',
            'Only `nn.BatchNorm2d` is looked for: there is another kind.',
        ),
        'other-way-round': Edit(
            'and module',
            'and not module',
            '反了：列出的是评估模式的。',
            'The other way round: those in evaluation mode are listed.',
        ),
        'layers-not-names': Edit(
            'name\n',
            'module\n',
            '列出的是层，题目要名字：`named_modules`两样都给。',
            'These are the layers; their names are asked for. `named_modules` '
            'gives both.',
        ),
    },
    see=_names,
)


def accuracy_of(net: nn.Module, X: Tensor, y: Tensor) -> float:
    """Return the accuracy in evaluation mode; each layer keeps its mode."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    with torch.no_grad():
        acc: float = (net(X).argmax(dim=1) == y).float().mean().item()
    for module, training in modes.items():
        module.training = training
    return acc


def _batch(mode: str) -> tuple[nn.Module, Tensor, Tensor]:
    (net,) = _in(mode)
    numbers = torch.Generator().manual_seed(1)
    for norm in norms_of(net):
        norm.running_mean += 0.3
        norm.running_var *= 4
    X = torch.randn(64, 1, 3, 3, generator=numbers) + 1
    return net, X, torch.arange(64) % 3


def _measured(answer: Answer, net: nn.Module, X: Tensor, y: Tensor) -> Results:
    accuracy = answer(net, X, y)
    modes = (
        '每一层的模式都和进来时一样',
        'each layer has the mode it came with',
    )
    return {
        ('精度', 'the accuracy'): accuracy,
        modes: told_modes(net),
        ('移动平均没有变', 'the moving averages stay'): [
            norm.running_mean for norm in norms_of(net)
        ],
    }


check_accuracy_of = Exercise(
    'accuracy_of',
    accuracy_of,
    _in_each_mode(_batch),
    {
        'mode-forgotten': Edit(
            'net.eval()',
            '',
            '进来是什么模式就用什么模式测的：训练模式下，层用的是谁的统计量？',
            'This measures in whatever mode the net came in: in training '
            'mode, whose statistics does a layer use?',
        ),
        'mode-left': Edit(
            'module.training = training',
            'pass',
            '精度对，但网络留在了评估模式：接着训练会怎样？',
            'The accuracy is right, but the net is left in evaluation mode: '
            'what happens when training goes on?',
        ),
        'all-turned-on': Edit(
            'module.training = training',
            'module.train()',
            '精度对，但最后全都打开了：原来就在评估模式的层呢？',
            'The accuracy is right, but in the end every layer is in training '
            'mode: what about those that were in evaluation mode before?',
        ),
        'mode-of-the-net': Edit(
            '= training',
            '= modes[net]',
            '记住的只是一个模式：每一层有自己的模式。',
            'One mode is remembered: each layer has its own.',
        ),
        'count': Edit(
            '.mean()',
            '.sum()',
            '这是答对的个数：精度在0到1之间。',
            'This is how many are right: an accuracy is between 0 and 1.',
        ),
        'percent': Edit(
            '.item()',
            '.item() * 100',
            '这是百分数：题目要0到1之间的数。',
            'This is a percentage: the task asks for a number between 0 and '
            '1.',
        ),
    },
    see=_measured,
)


def decay_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return groups in which only weights with several axes decay."""
    decay = [p for p in net.parameters() if p.dim() > 1]
    rest = [p for p in net.parameters() if p.dim() == 1]
    return [
        {'params': decay, 'weight_decay': weight_decay},
        {'params': rest, 'weight_decay': 0.0},
    ]


def _decays(answer: Answer, net: nn.Module, weight_decay: float) -> Results:
    """Return the weight decay of each parameter, by its name.

    A list: a parameter may be in no group, or in two.
    """
    groups = [{'weight_decay': 0.0, **g} for g in answer(net, weight_decay)]
    found = {
        name: [
            group['weight_decay']
            for group in groups
            for each in group['params']
            if each is p
        ]
        for name, p in net.named_parameters()
    }
    once = '每个参数正好在一个组里', 'each parameter is in just one group'
    return {
        once: {name: len(decays) for name, decays in found.items()},
        ('该衰减的衰减', 'those decay that should'): found,
    }


REST = 'all(p is not q for q in decay)'  # all that is in no group yet
check_decay_groups = Exercise(
    'decay_groups',
    decay_groups,
    [
        Case(
            lambda: (
                nn.Sequential(
                    nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2)),
                    nn.Flatten(),
                    nn.Linear(8, 3, bias=False),
                    nn.BatchNorm1d(3),
                ),
                0.1,
            ),
            '`Conv2d`、`BatchNorm2d`、`Linear`（没有偏置）、`BatchNorm1d`，'
            '衰减0.1',
            '`Conv2d`, `BatchNorm2d`, `Linear` without bias, `BatchNorm1d`; '
            'decay 0.1',
        )
    ],
    {
        'everything-decays': Edit(
            ('p.dim() > 1', 'p.dim() == 1'),
            ('True', 'False'),
            '所有参数都在衰减，和不分组一样。',
            'Everything decays, as without groups.',
        ),
        'gamma-decays': Edit(
            ('p in net.parameters()', 'p.dim() > 1', 'p.dim() == 1'),
            ('n, p in net.named_parameters()', "'bias' not in n", REST),
            '按名字排除了`bias`，`beta`也叫这个名字；可`gamma`叫什么？',
            'Everything named `bias` is left out, and `beta` is named so; but '
            'what is `gamma` called?',
        ),
        'biases-decay': Edit(
            ('p in net.parameters() if p.dim() > 1', 'p.dim() == 1'),
            (
                'm in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))'
                ' for p in m.parameters()',
                REST,
            ),
            '`gamma`和`beta`不衰减了，卷积层的偏置还在衰减。',
            "`gamma` and `beta` don't decay, but the convolution's bias does.",
        ),
        'other-way-round': Edit(
            ('> 1', '== 1'),
            ('< 2', '> 1'),
            '两组反了：衰减的正是不该衰减的。',
            'The groups are exchanged: exactly the wrong ones decay.',
        ),
        'nothing-decays': Edit(
            ': weight_decay',
            ': 0.0',
            '没有一个参数在衰减。',
            'Nothing decays.',
        ),
        'left-out': Edit(
            "{'params': rest, 'weight_decay': 0.0},",
            '',
            '不衰减的参数一组也没进，优化器就不会训练它们。',
            'The parameters that do not decay are in no group, so no '
            'optimizer will train them.',
        ),
        'twice': Edit(
            ' if p.dim() == 1',
            '',
            '权重进了两个组：第二组应当只有剩下的。',
            'The weights are in two groups: the second should hold the rest '
            'alone.',
        ),
        'inner-layers-missed': Edit(
            ('net.parameters() if p.dim() > 1', 'p.dim() == 1'),
            ('[m.weight for m in net if isinstance(m, nn.Linear)]', REST),
            '里层`nn.Sequential`中的卷积层没有衰减：`net`里直接放着的'
            '不是全部。',
            'The convolution in the inner `nn.Sequential` does not decay: '
            '`net` itself does not list every layer.',
        ),
    },
    see=_decays,
)


def refresh(net: nn.Module, batches: list[Tensor]) -> nn.Module:
    """Estimate the moving averages afresh, as plain averages."""
    kinds = nn.BatchNorm1d, nn.BatchNorm2d
    norms: list[Any] = [m for m in net.modules() if isinstance(m, kinds)]
    momenta = [norm.momentum for norm in norms]
    modes = {module: module.training for module in net.modules()}
    net.train()
    for norm in norms:
        norm.reset_running_stats()  # the count too
        norm.momentum = None
    with torch.no_grad():
        for X in batches:
            net(X)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, training in modes.items():
        module.training = training
    return net


def _given(num_batches: int, frozen: bool) -> tuple[nn.Module, list[Tensor]]:
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


def _refreshed(
    answer: Answer, net: nn.Module, batches: list[Tensor]
) -> Results:
    net = answer(net, batches)
    norms = norms_of(net)
    return {
        ('移动均值', 'the moving means'): [n.running_mean for n in norms],
        ('移动方差', 'the moving variances'): [n.running_var for n in norms],
        ('`momentum`还原了', '`momentum` is put back'): [
            str(norm.momentum) for norm in norms
        ],
        ('每一层的模式还原了', "each layer's mode is put back"): (
            told_modes(net)
        ),
        ('权重不变', 'the weights stay'): [*net.parameters()],
    }


check_refresh = Exercise(
    'refresh',
    refresh,
    [
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
    ],
    {
        'not-reset': Edit(
            'norm.reset_running_stats()',
            '',
            '旧的移动平均还掺在里面：`momentum=None`从第几批数起？',
            'The old averages are still mixed in: from which batch does '
            '`momentum=None` count?',
        ),
        'evaluation-mode': Edit(
            'net.train()',
            'net.eval()',
            '移动平均没有学到这些批：哪种模式下它才更新？',
            'The moving averages took in nothing from these batches: in which '
            'mode do they update?',
        ),
        'nothing-happens': Edit(
            ('net.train()', 'norm.reset_running_stats()'),
            ('net.eval()', ''),
            '移动平均一点没变：哪种模式下它才更新？',
            'The moving averages have not changed at all: in which mode do '
            'they update?',
        ),
        'own-momentum': Edit(
            'norm.momentum = None',
            '',
            '用的还是各层自己的`momentum`，起点和早晚的批权重不同：'
            '怎样得到普通平均？',
            'Each layer used its own `momentum`, so early and late batches '
            'weigh differently: how do you get the plain average?',
        ),
        'neither': Edit(
            ('norm.reset_running_stats()', 'norm.momentum = None'),
            ('', 'pass'),
            '只是接着训练时那样更新：旧的还在，各批权重也不同。',
            'This goes on as training does: the old averages are still in, '
            'and batches weigh differently.',
        ),
        'momentum-lost': Edit(
            '.momentum = momentum',
            '.momentum = None',
            '移动平均对了，但`momentum`还是`None`：以后训练会变成什么样的'
            '平均？',
            'The averages are right, but `momentum` is still `None`: what '
            'kind of average will later training make?',
        ),
        'default-momentum': Edit(
            '.momentum = momentum',
            '.momentum = 0.1',
            '`momentum`写回了默认值：每一层原来的是多少？',
            '`momentum` is now the default: what was it in each layer?',
        ),
        'left-training': Edit(
            'module.training = training',
            'module.train()',
            '移动平均对了，但所有层都留在训练模式。',
            'The averages are right, but all layers are left in training '
            'mode.',
        ),
        'left-evaluating': Edit(
            'module.training = training',
            'module.eval()',
            '移动平均对了，但所有层都留在评估模式：来的时候各是什么模式？',
            'The averages are right, but all layers are left in evaluation '
            'mode: which modes did they come with?',
        ),
        'last-batch-only': Edit(
            'in batches',
            'in batches[-1:]',
            '只有最后一批算进去了。',
            'Only the last batch counts.',
        ),
        'biased': Edit(
            'return net',
            'for norm, n in zip(norms, (4 * 4, 4)):\n'
            '        norm.running_var *= (n - 1) / n\n'
            '    return net',
            '均值对，方差除以了n：记住的要用无偏的。',
            'The means are right, the variances are divided by n: what is '
            'remembered is unbiased.',
        ),
    },
    see=_refreshed,
)


def freeze_norms(net: nn.Module) -> nn.Module:
    """Freeze batch normalization for good, `net.train()` or not."""
    kinds = nn.BatchNorm1d, nn.BatchNorm2d
    norms: list[Any] = [m for m in net.modules() if isinstance(m, kinds)]
    for norm in norms:
        norm.eval().requires_grad_(False)
        norm.train = lambda mode=True, norm=norm: norm
    return net


def _used() -> tuple[nn.Module]:
    """Return a net with dropout, whose averages have seen some batches."""
    net = deep_net().insert(4, nn.Dropout(0.5))
    for _ in range(3):
        net(torch.randn(8, 1, 3, 3) + 1)
    return (net,)


def _kept(
    old: nn.Module, new: nn.Module, kinds: tuple[type, ...], *what: str
) -> dict[str, str]:
    """Tell which layers of these kinds are what they were."""
    return {
        name: '不变 · stays'
        if all(
            torch.equal(getattr(m, w), getattr(new.get_submodule(name), w))
            for w in what
        )
        else '变了 · changes'
        for name, m in old.named_modules()
        if isinstance(m, kinds)
    }


def _normalizes_by(norm: Any) -> str:
    """Tell what a layer normalizes by; it is used up by this."""
    X = torch.randn(4, 2, 3, 3)
    remembered = batch_norm(
        X, norm.running_mean, norm.running_var, norm.weight, norm.bias
    )
    same = torch.allclose(norm(X), remembered, atol=1e-4)
    return '移动平均 · moving averages' if same else '小批量 · the minibatch'


def _fine_tuned(answer: Answer, net: nn.Module) -> Results:
    """Tell what `train()` and two steps do to the net."""
    before, net = copy.deepcopy(net), answer(net)
    net.train()
    first = copy.deepcopy(net.get_submodule('0.1'))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        loss = cross_entropy(net(torch.randn(4, 1, 3, 3)), torch.arange(4) % 3)
        if loss.requires_grad:
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    still = (
        '`net.train()`之后仍用移动平均',
        'after `net.train()` still the moving averages',
    )
    return {
        still: _normalizes_by(first),
        ('移动平均不变', 'the moving averages stay'): _kept(
            before, net, KINDS, 'running_mean', 'running_var'
        ),
        ('`gamma`和`beta`不变', '`gamma` and `beta` stay'): _kept(
            before, net, KINDS, 'weight', 'bias'
        ),
        ('别的层照常训练', 'the other layers train'): _kept(
            before, net, (nn.Linear, nn.Conv2d), 'weight'
        ),
        ('丢弃法照常', 'dropout works as usual'): (
            '丢 · drops'
            if net.get_submodule('4').training
            else '不丢 · does not drop'
        ),
    }


check_freeze_norms = Exercise(
    'freeze_norms',
    freeze_norms,
    [
        Case(
            _used,
            '卷积、批量归一化、全连接、批量归一化、丢弃法、全连接；走两步',
            'convolution, batch norm, linear, batch norm, dropout, linear; '
            '2 steps',
        )
    ],
    {
        'turned-on-again': Edit(
            ('.requires_grad_(False)', 'norm.train ='),
            ('', 'nothing ='),
            '`net.train()`之后和没冻住一样：它对每一层都做了什么？',
            'After `net.train()` nothing is frozen: what does it do to every '
            'layer?',
        ),
        'mode-comes-back': Edit(
            'norm.train =',
            'nothing =',
            '`gamma`和`beta`冻住了，可`net.train()`之后层还在用小批量的统计量。'
            '决定这件事的是`requires_grad`还是模式？谁又改了模式？',
            '`gamma` and `beta` are frozen, but after `net.train()` the '
            "layers still use the minibatch's statistics. Is it "
            '`requires_grad` that decides, or the mode? And who changed the '
            'mode?',
        ),
        'momentum-zero': Edit(
            'norm.train =',
            'norm.momentum, nothing = 0.0,',
            '`momentum=0`只让移动平均不动，训练模式下归一化用的还是小批量。',
            '`momentum=0` only keeps the moving averages still; in training '
            "mode the minibatch's statistics are still what normalizes.",
        ),
        'gamma-learns': Edit(
            '.requires_grad_(False)',
            '',
            '统计量冻住了，`gamma`和`beta`还在学：模式管不着参数。',
            'The statistics are frozen, but `gamma` and `beta` still learn: '
            'the mode has no say over parameters.',
        ),
        'dropout-off': Edit(
            'return net',
            'net.eval().train = lambda mode=True: net\n    return net',
            '整个网络都停在评估模式，丢弃法也停了：只冻批量归一化层。',
            'The whole net stays in evaluation mode, dropout too: freeze '
            'batch normalization alone.',
        ),
        'all-frozen': Edit(
            'return net',
            'return net.requires_grad_(False)',
            '所有层都不学了：只有批量归一化层该停。',
            'No layer learns any more: only batch normalization should stop.',
        ),
        'one-kind-only': [
            Edit(
                'nn.BatchNorm1d, ',
                '',
                '冻住了一种，另一种还没有：网络里有哪两种批量归一化层？',
                'One kind is frozen, another is not: which two kinds of batch '
                'normalization are in the net?',
            ),
            Edit(', nn.BatchNorm2d', ''),
        ],
    },
    see=_fine_tuned,
)
