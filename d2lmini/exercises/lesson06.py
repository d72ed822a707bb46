"""Your turn in lesson 06: the modes, and all that training must not touch."""

import copy
import io
import pickle
from collections.abc import Callable
from functools import partial
from inspect import getsource
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.exercises.engine import (
    Case,
    Edit,
    Exercise,
    Results,
    Wrong,
    listed,
)
from d2lmini.show.lang import Words

Answer = Callable[..., Any]
TRAIN = '训练模式', 'training mode'
EVAL = '评估模式', 'evaluation mode'
MIXED = '训练模式，第3层评估模式', 'training mode, layer 3 in evaluation mode'
NET = (
    '卷积、批量归一化、丢弃法、全连接、批量归一化、丢弃法、全连接',
    'convolution, batch norm, dropout, linear, batch norm, dropout, linear',
)
_ONE_MODE = (
    '每一层有自己的模式，`train(mode)`却把下面的层都改了。',
    'Each layer has its own mode, and `train(mode)` changes all below it.',
)
KEPT = '每一层的模式都和进来时一样', 'each layer has the mode it came with'


def deep_net(mode: Words = TRAIN) -> nn.Sequential:
    """Return a net with one norm inside, which has seen a minibatch."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Sequential(
            nn.Conv2d(1, 2, 2),
            nn.BatchNorm2d(2, momentum=0.3),
            nn.ReLU(),
            nn.Dropout(),  # what comes after it must not hear its noise
        ),
        nn.Flatten(),
        nn.Linear(8, 4),
        nn.BatchNorm1d(4, momentum=0.05),
        nn.Dropout(),
        nn.Linear(4, 3),
    )
    for norm in norms_of(net):
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    net(torch.randn(8, 1, 3, 3) - 3)
    net.train(mode != EVAL)
    net[3].train(mode == TRAIN)
    return net


def norms_of(net: nn.Module) -> list[Any]:
    """Return the batch normalization layers of a net."""
    return [m for m in net.modules() if hasattr(m, 'running_mean')]


def in_training(net: nn.Module) -> str:
    """Return the names of the layers in training mode."""
    names = [n or 'net' for n, m in net.named_modules() if m.training]
    return f'train(): {", ".join(names) or "没有 · none"}'


def _in_each_mode(make: Callable[[Words], tuple[Any, ...]]) -> list[Case]:
    return [Case(partial(make, m), *m) for m in (TRAIN, EVAL, MIXED)]


def still_training(net: nn.Module) -> list[str]:
    """Return the names of the batch norm layers in training mode."""
    kinds = nn.BatchNorm1d, nn.BatchNorm2d
    return [
        name
        for name, module in net.named_modules()
        if isinstance(module, kinds) and module.training
    ]


def _names(answer: Answer, net: nn.Module) -> Results:
    names = [str(each) for each in listed(answer(net))]
    return {('名字', 'the names'): names, KEPT: in_training(net)}


check_still_training = Exercise(
    'still_training',
    still_training,
    _in_each_mode(lambda mode: (deep_net(mode),)),
    {
        'every-layer': Edit('isinstance(module, kinds) and ', '')
        | '训练模式的层都列进来了：只要批量归一化层。'
        | 'Every layer is listed: only batch normalization is wanted.'
        | Edit('isinstance(module, kinds)', 'not [*module.children()]'),
        'no-prefix': Edit('        name\n', "        name.split('.')[-1]\n")
        | '里层的名字少了前面的：`named_modules`给的是`0.1`那样的。'
        | 'Inner names lack their beginning: `named_modules` says `0.1`.',
        'every-norm': Edit(' and module.training', '')
        | '批量归一化层都列进来了，不管模式：哪个属性说出模式？'
        | 'All are listed, whatever their mode: which attribute tells it?',
        'children-only': Edit('named_modules', 'named_children')
        | '藏在里层`nn.Sequential`中的漏掉了。'
        | 'The one in the inner `nn.Sequential` is missing.',
        'mode-of-the-net': Edit('module.training', 'net.training')
        | '看的是整个网络的`training`：每一层有自己的模式。'
        | "This looks at the net's own `training`: each layer has its own.",
        'two-axes-only': Edit('nn.BatchNorm1d, ', '')
        | '只找了`nn.BatchNorm2d`：还有一种。'
        | 'Only `nn.BatchNorm2d` is looked for: there is another kind.',
        'other-way-round': Edit('and module', 'and not module')
        | '反了：列出的是评估模式的。'
        | 'The other way round: those in evaluation mode are listed.',
        'layers-not-names': Edit('name\n', 'module\n')
        | '列出的是层，题目要名字：`named_modules`两样都给。'
        | 'These are the layers: `named_modules` gives their names too.',
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


def _batch(mode: Words) -> tuple[nn.Module, Tensor, Tensor]:
    return deep_net(mode), 3 * torch.randn(64, 1, 3, 3), torch.arange(64) % 3


def _measured(answer: Answer, net: nn.Module, X: Tensor, y: Tensor) -> Results:
    return {
        ('精度', 'the accuracy'): answer(net, X, y),
        KEPT: in_training(net),
        ('参数和移动平均不变', 'parameters and averages stay'): [
            *net.state_dict().values()
        ],
    }


check_accuracy_of = Exercise(
    'accuracy_of',
    accuracy_of,
    _in_each_mode(_batch),
    {
        'mode-forgotten': Edit('    net.eval()\n', '')
        | '这是在原来的模式下测的：训练模式下，层用的是谁的统计量？'
        | 'In training mode, whose statistics does a layer normalize by?',
        'mode-left': Edit('module.training = training', 'pass')
        | '网络留在了评估模式：接着训练会怎样？'
        | 'The net is left in evaluation mode: how will training go on?',
        'all-turned-on': Edit('module.training = training', 'module.train()')
        | '最后全都打开了：原来就在评估模式的层呢？'
        | 'In the end all train: what about those in evaluation mode?',
        'mode-of-the-net': Edit('= training', '= modes[net]') | _ONE_MODE,
        'dropout-on': Edit(
            'net.eval()',
            "[m.eval() for m in net.modules() if hasattr(m, 'eps')]",
        )
        | '丢弃法还开着：评估模式是整个网络的。'
        | 'Dropout is still on: evaluation mode is for the whole net.',
        'errors': Edit('==', '!=')
        | '这是错误率：题目要答对的份额。'
        | 'This is the error rate: the share of right answers is asked for.',
        'count': Edit('.mean()', '.sum()')
        | '这是个数，或者百分数：精度在0到1之间。'
        | 'A count, or a percentage: an accuracy is between 0 and 1.'
        | Edit('.item()', '.item() * 100'),
    },
    see=_measured,
)


def refresh(net: nn.Module, batches: list[Tensor]) -> nn.Module:
    """Estimate the moving averages afresh, as plain averages."""
    kinds = nn.BatchNorm1d, nn.BatchNorm2d
    norms: list[Any] = [m for m in net.modules() if isinstance(m, kinds)]
    momenta = [norm.momentum for norm in norms]
    modes = {module: module.training for module in net.modules()}
    net.eval()
    for norm in norms:
        norm.train()  # these layers alone: dropout stays off
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


def _given(
    mode: Words, num_batches: int = 3
) -> tuple[nn.Module, list[Tensor]]:
    net = deep_net(mode)
    return net, [*(2 * torch.randn(num_batches, 4, 1, 3, 3) + 1)]


def _refreshed(
    answer: Answer, net: nn.Module, batches: list[Tensor]
) -> Results:
    net = answer(net, batches)
    norms = norms_of(net)
    return {
        ('移动均值', 'the moving means'): [n.running_mean for n in norms],
        ('移动方差', 'the moving variances'): [n.running_var for n in norms],
        ('`momentum`还原了', '`momentum` is put back'): [
            n.momentum for n in norms
        ],
        KEPT: in_training(net),
        ('权重不变', 'the weights stay'): [*net.parameters()],
    }


check_refresh = Exercise(
    'refresh',
    refresh,
    [
        Case(lambda: _given(TRAIN, 1), '训练模式，1批', 'training, 1 batch'),
        *_in_each_mode(_given),
    ],
    {
        'not-reset': Edit('norm.reset_running_stats()', '')
        | '旧的移动平均还掺在里面：`momentum=None`从第几批数起？'
        | 'The old averages are in it: where does `momentum=None` start?',
        'noise-on': Edit('net.eval()', 'net.train()')
        | '整个网络都进了训练模式，丢弃法的噪声也打开了：只该打开哪些层？'
        | 'All is in training mode, dropout too: which alone should be?',
        'evaluation-mode': Edit('norm.train()', '')
        | '移动平均没有学到这些批：哪种模式下它才更新？'
        | 'They took in no batch: in which mode do averages update?'
        | Edit(('norm.train()', 'norm.reset_running_stats()'), ('', '')),
        'modes-as-given': Edit(('net.eval()', 'norm.train()'), ('', ''))
        | '模式没有设：各层是什么模式，要看网络来的时候。'
        | 'No mode is set: it depends on the mode each layer came with.',
        'own-momentum': Edit('norm.momentum = None', '')
        | '用的还是各层自己的`momentum`：怎样得到普通平均？'
        | 'Each layer used its own `momentum`: what gives a plain average?',
        'neither': Edit(
            ('norm.reset_running_stats()', 'norm.momentum = None'),
            ('', 'pass'),
        )
        | '旧的还在，各批权重也不同：只是接着训练时那样更新。'
        | 'The old averages are still in, and batches weigh differently.',
        'momentum-lost': Edit('.momentum = momentum', '.momentum = None')
        | '`momentum`还是`None`：以后训练会变成什么样的平均？'
        | '`momentum` is still `None`: what will later training average?',
        'default-momentum': Edit('.momentum = momentum', '.momentum = 0.1')
        | '`momentum`写回了默认值：每一层原来的是多少？'
        | '`momentum` is now the default: what was it in each layer?',
        'modes-lost': Edit('module.training = training', 'module.train()')
        | '所有层都留在同一个模式：来的时候各是什么模式？'
        | 'All layers are left in one mode: which did each come with?'
        | Edit('module.training = training', 'module.eval()'),
        'mode-of-the-net': Edit('= training', '= modes[net]') | _ONE_MODE,
        'gamma-reset': Edit('reset_running_stats', 'reset_parameters')
        | '`reset_parameters`连`gamma`和`beta`也还原了。'
        | '`reset_parameters` takes `gamma` and `beta` back, too.',
        'count-kept': Edit(
            'norm.reset_running_stats()',
            'norm.running_mean.zero_(); norm.running_var.fill_(1)',
        )
        | '还有一个没有清零：`momentum=None`从哪个计数起算？'
        | 'One is not reset: which count does `momentum=None` go by?',
        'all-at-once': Edit(
            ('for X in batches:', 'net(X)'),
            ('if True:', 'net(torch.cat(batches))'),
        )
        | '所有批合成了一批：题目要各批统计量的平均。'
        | "All batches are one: the average of each one's statistics is due.",
        'one-over-all': Edit('= None', '= 1 / len(batches)')
        | '`1/len(batches)`不是普通平均：旧的那份每批都在变小。'
        | '`1/len(batches)` is no plain average: older shares shrink on.',
        'last-batch-only': Edit('in batches', 'in batches[-1:]')
        | '只有最后一批算进去了。'
        | 'Only the last batch counts.',
        'biased': Edit(
            'return net',
            'for norm, n in zip(norms, (4 * 4, 4)):\n'
            '        norm.running_var *= (n - 1) / n\n'
            '    return net',
        )
        | '方差除以了n：记住的要用无偏的。'
        | 'The variances are divided by n: what is remembered is unbiased.',
    },
    see=_refreshed,
)


class Frozen1d(nn.BatchNorm1d):
    """A layer for (N, C) that always normalizes by its moving averages."""

    def train(self, mode: bool = True) -> 'Frozen1d':
        """Stay in evaluation mode."""
        return super().train(False)


class Frozen2d(nn.BatchNorm2d):
    """A layer for (N, C, H, W) that does so."""

    def train(self, mode: bool = True) -> 'Frozen2d':
        """Stay in evaluation mode."""
        return super().train(False)


def freeze_norms(net: nn.Module) -> nn.Module:
    """Freeze batch normalization for good, `net.train()` or not."""
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.__class__ = Frozen1d
        elif isinstance(norm, nn.BatchNorm2d):
            norm.__class__ = Frozen2d
        else:
            continue
        norm.eval().requires_grad_(False)
    return net


class _ByName(pickle.Pickler):
    """Pickles as a notebook would: what has a name there is found by it."""

    def persistent_id(self, obj: Any) -> str | None:
        """Return the name of a class or function, but of no lambda."""
        name: str = getattr(obj, '__qualname__', '<')
        named = isinstance(obj, (type, FunctionType)) and '<' not in name
        return name if named else None


def _can_be_saved(net: nn.Module) -> bool:
    try:
        _ByName(io.BytesIO()).dump(net)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _fine_tuned(answer: Answer, net: nn.Module) -> Results:
    """Tell what `train()` and a step do to the net."""
    before = net.state_dict()
    copies = copy.deepcopy(before)
    net = answer(net)
    net.train()
    norm, X = net.get_submodule('0.1'), torch.randn(4, 2, 3, 3)
    alone = torch.allclose(norm(X)[:1], norm(X[:1]), atol=1e-4)
    loss = cross_entropy(net(torch.randn(4, 1, 3, 3)), torch.arange(4) % 3)
    if loss.requires_grad:
        torch.autograd.backward(loss)
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    after = net.state_dict()

    def told(norms: bool, *what: str) -> dict[str, str]:
        return {
            name: '不变 · stays'
            if x.equal(after.get(name, before[name]))
            else '变了 · changes'
            for name, x in copies.items()
            if name.startswith(('0.1.', '3.')) == norms and name.endswith(what)
        }

    still = (
        '`net.train()`之后仍用移动平均',
        'after `net.train()` still the moving averages',
    )
    return {
        still: alone,  # with no other example in the minibatch
        ('移动平均不变', 'the moving averages stay'): told(
            True, 'mean', 'var'
        ),
        ('`gamma`和`beta`不变', '`gamma` and `beta` stay'): told(
            True, 'weight', 'bias'
        ),
        ('别的层照常训练', 'the other layers train'): told(False, 'weight'),
        ('丢弃法照常', 'dropout works as usual'): [
            net.train(mode) and net.get_submodule(name).training
            for name in ('0.3', '4')
            for mode in (True, False)
        ],
        ('整个网络能保存', 'the whole net can be saved'): _can_be_saved(net),
    }


check_freeze_norms = Exercise(
    'freeze_norms',
    freeze_norms,
    [Case(lambda: (deep_net(),), *NET)],
    {
        'turned-on-again': Edit(
            ('.requires_grad_(False)', 'norm.__class__ ='), ('', 'nothing =')
        )
        | '和没冻结一样：`net.train()`对每一层都做了什么？'
        | 'Nothing stays frozen: what does `net.train()` do to a layer?',
        'mode-comes-back': Edit('norm.__class__ =', 'nothing =')
        | '用谁的统计量，`requires_grad`管不着：`net.train()`改了什么？'
        | '`requires_grad` sets no mode: what did `net.train()` change?',
        'momentum-zero': Edit(
            'norm.__class__ =', 'norm.momentum, nothing = 0.0,'
        )
        | '移动平均不动了（`momentum=0`之类），归一化用的还是小批量。'
        | 'The averages stop (`momentum=0` or so); the minibatch normalizes.',
        'gamma-learns': Edit('.requires_grad_(False)', '')
        | '`gamma`和`beta`还在学：模式管不着参数。'
        | '`gamma` and `beta` still learn: a mode stops no parameters.',
        'not-to-be-saved': Edit(
            ('norm.__class__ = Frozen1d', 'norm.__class__ = Frozen2d'),
            ('norm.eval().train = lambda mode=True, norm=norm: norm',) * 2,
        )
        | '冻结了，可是`torch.save(net)`存不了`lambda`：写成子类就可以。'
        | 'Frozen, but `torch.save(net)` stores no `lambda`: use a subclass.',
        'dropout-off': Edit(
            'return net',
            'net.eval().train = lambda mode=True: net\n    return net',
        )
        | '丢弃法换不了模式了：只冻结批量归一化层。'
        | 'Dropout changes its mode no more: freeze batch norm alone.'
        | Edit(
            'return net', 'net.train = lambda mode=True: net\n    return net'
        ),
        'all-frozen': Edit('return net', 'return net.requires_grad_(False)')
        | '所有层都不学了：只有批量归一化层该停。'
        | 'No layer learns any more: only batch normalization should stop.'
        | Wrong(lambda net: net.eval().requires_grad_(False)),
        'one-kind-only': Edit('norm.__class__ = Frozen1d', 'continue')
        | '漏了一个：是另一种，还是在里层的`nn.Sequential`中？'
        | 'One is left out: another kind, or in an inner `nn.Sequential`?'
        | Edit('norm.__class__ = Frozen2d', 'continue'),
    },
    see=_fine_tuned,
    text='\n\n'.join(
        getsource(part) for part in (Frozen1d, Frozen2d, freeze_norms)
    ),
)
