"""Your turn in lesson 09: several workers, one net."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from d2lmini.exercises.engine import (
    Case,
    Edit,
    Exercise,
    Results,
    Wrong,
    listed,
    named,
)
from d2lmini.exercises.guard import expect
from d2lmini.norm import BatchNorm
from d2lmini.show.lang import Fault


def pool(
    ns: Tensor, means: Tensor, variances: Tensor
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of all values from those of the workers."""
    share = ns / ns.sum()
    mean = (share * means).sum()
    var = (share * (variances + (means - mean) ** 2)).sum()
    return mean, var


def _workers(*rows: tuple[float, float, float]) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(rows).float().T.contiguous())


check_pool = Exercise(
    'pool',
    pool,
    [
        _workers((2, 1, 4), (2, 5, 4)),
        _workers((4, 3, 1), (4, 3, 5)),
        _workers((6, 0, 1), (2, 8, 3)),
        _workers((200, 1000.5, 2), (56, 1001, 3), (30, 999, 1)),
    ],
    {
        'between-forgotten': Edit(
            '(variances + (means - mean) ** 2)', 'variances'
        )
        | '只平均了方差。各进程的均值不同，也是散开的一部分。'
        | 'Only variances are averaged. That means differ is spread, too.',
        'unweighted': Edit('ns / ns.sum()', '1 / len(ns)')
        | '个数不同的进程，分量一样吗？'
        | 'Should workers with different counts weigh the same?',
        'between-unweighted': Edit(
            'variances + (means - mean) ** 2)).sum()',
            'variances)).sum() + ((means - mean) ** 2).mean()',
        )
        | '片间的那一项也要按个数加权。'
        | 'The term between workers is weighted by counts as well.',
        'weights-not-shares': Edit('ns / ns.sum()', 'ns')
        | '权重加起来应该是1：除以总数。'
        | 'Weights should add up to 1: divide by the total.',
        'deviations': Edit(
            'variances + (means - mean) ** 2)).sum()',
            'variances.sqrt())).sum() ** 2',
        )
        | '平均的是标准差。能相加的是方差。'
        | 'Standard deviations are averaged. It is variances that add up.',
        'unbiased': Edit(
            'var = (share', 'var = ns.sum() / (ns.sum() - 1) * (share'
        )
        | '除以了总数减一：题目的方差都除以个数。'
        | 'Divided by the total less one: here variances divide by counts.',
        'from-squares': Edit(
            '(variances + (means - mean) ** 2)).sum()',
            '(variances + means**2)).sum() - mean**2',
            rough=True,
        )
        | '均值很大时，两个大数相减，剩下的是舍入误差。先减均值，再平方。'
        | 'Large numbers cancel to rounding. Subtract the mean, then square.',
    },
    see=named('mean', 'var'),
)


def shard(N: int, rank: int, world: int) -> list[int]:
    """Return the examples of one worker, as many as every other's."""
    return list(range(rank, N - N % world, world))


def _dealt(answer: Callable[..., list[int]], N: int, world: int) -> Results:
    """Tell what an epoch looks like when each worker takes its shard."""
    hands = [listed(answer(N, k, world)) for k in range(world)]
    hands = [[int(i) for i in hand] for hand in hands]
    dealt = [i for hand in hands for i in hand]
    strange = [i for i in dealt if not 0 <= i < N]
    if strange:
        raise Fault(
            f'没有{strange[0]}号样本：只有0到{N - 1}号',
            f'there is no example {strange[0]}: they go from 0 to {N - 1}',
        )
    return {
        ('各进程的个数', 'how many each has'): [len(hand) for hand in hands],
        ('重复的个数', 'how many are repeated'): len(dealt) - len({*dealt}),
    }


def _deal(N: int, world: int) -> Case:
    told = f'`N = {N}`, `world = {world}`'
    return Case((N, world), told.replace(', ', '，'), told)


check_shard = Exercise(
    'shard',
    shard,
    [_deal(4, 2), _deal(11, 2), _deal(10, 4), _deal(5, 1)],
    {
        'uneven': Edit('N - N % world', 'N')
        | '有的进程多一个：它会在最后一步等不到别人。'
        | 'Some have one more, and wait for the others in the last step.'
        | Wrong(
            lambda N, rank, world: range(N)[rank * (N // world) :][
                : N if rank == world - 1 else N // world
            ]
        )
        | Wrong(
            lambda N, rank, world: range(N)[rank * -(-N // world) :][
                : -(-N // world)
            ]
        ),
        'repeated': Wrong(
            lambda N, rank, world: [
                i % N for i in range(rank, N + -N % world, world)
            ]
        )
        | '补齐时把样本重复了：一个样本算了两次。'
        | 'Some are handed out twice to make all equally long.',
        'same-shard': Wrong(lambda N, rank, world: list(range(N // world)))
        | '每个进程拿到的都一样。`rank`在哪里用到？'
        | 'All workers get the same. Where is `rank` used?',
    },
    see=_dealt,
)


def to_sync(net: nn.Module, Norm: type[BatchNorm]) -> nn.Module:
    """Replace every BatchNorm of a net by a Norm, in place."""
    for name, layer in net.named_children():
        if type(layer) is BatchNorm:
            C, num_dims = layer.gamma.numel(), layer.gamma.dim()
            new = Norm(C, num_dims, layer.eps, layer.momentum)
            new.gamma, new.beta = layer.gamma, layer.beta
            for key, buffer in layer.named_buffers():
                setattr(new, key, buffer)
            setattr(net, name, new.train(layer.training))
        else:
            to_sync(layer, Norm)
    return net


class Sync(BatchNorm):
    """A layer to be put in, which computes what `BatchNorm` does."""


def _nested() -> tuple[nn.Module, type[BatchNorm]]:
    inner = nn.Sequential(nn.Linear(2, 3), BatchNorm(3, 2, 0.5, 0.2))
    net = nn.Sequential(nn.Linear(2, 2), BatchNorm(2, 2), nn.ReLU(), inner)
    numbers = torch.Generator().manual_seed(0)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 2, generator=numbers)
    inner.eval()
    return net, Sync


def _converted(
    answer: Callable[..., nn.Module], net: nn.Module, Norm: type[BatchNorm]
) -> Results:
    old = dict(net.named_parameters()) | dict(net.named_buffers())
    X = torch.tensor([[1.0, 3], [4, -2]])
    came = expect(answer(net, Norm), nn.Module, '网络', 'the net')
    now = dict(came.named_parameters()) | dict(came.named_buffers())
    norms = [m for m in came.modules() if isinstance(m, BatchNorm)]
    modes = [m.training for m in norms]
    with torch.no_grad():
        Y = came.eval()(X)
    return {
        ('换上的层数', 'layers replaced'): sum(type(m) is Norm for m in norms),
        ('评估模式下的输出', 'the output in evaluation mode'): Y,
        ('不是原来的张量', 'tensors that are not the old ones'): sorted(
            name for name in old if now.get(name) is not old[name]
        ),
        'eps': [m.eps for m in norms],
        'momentum': [m.momentum for m in norms],
        'training': modes,
        ('返回的就是`net`', 'what is returned is `net`'): came is net,
    }


_KEEP = 'new.gamma, new.beta = layer.gamma, layer.beta'
_COPY = 'new.load_state_dict(layer.state_dict())'

check_to_sync = Exercise(
    'to_sync',
    to_sync,
    [
        Case(
            _nested,
            '两个`BatchNorm`，一个在里面的`nn.Sequential`里',
            'two `BatchNorm`, one in an inner `nn.Sequential`',
        )
    ],
    {
        'top-only': Edit('to_sync(layer, Norm)', 'pass')
        | '只换了最外面一层。里面的`nn.Sequential`也有孩子。'
        | 'Only the top is converted: an inner `nn.Sequential` has some too.',
        'new-parameters': Edit(_KEEP, _COPY)
        | '数抄过来了，可参数是新的对象：先造好的优化器还在改旧的。'
        | 'The parameters are new objects: an older optimizer keeps the old.'
        | Edit((_KEEP, 'setattr(new, key, buffer)'), (_COPY, 'pass')),
        'parameters-forgotten': Edit(_KEEP, 'pass')
        | '学到的`gamma`和`beta`丢了。'
        | 'The `gamma` and `beta` that were learned are lost.',
        'averages-forgotten': Edit('setattr(new, key, buffer)', 'pass')
        | '移动平均丢了，又从0和1开始。'
        | 'The moving averages are lost and start again at 0 and 1.',
        'count-forgotten': Edit(
            'setattr(new, key, buffer)',
            "if key[0] == 'm': setattr(new, key, buffer)",
        )
        | '`num_batches_tracked`没有换成原来的：它也是缓冲区。'
        | '`num_batches_tracked` is a new one: it is a buffer, too.',
        'options-forgotten': Edit(', layer.eps, layer.momentum', '')
        | '`eps`和`momentum`没有抄过来。'
        | '`eps` and `momentum` are not taken over.',
        'mode-forgotten': Edit('.train(layer.training)', '')
        | '模式没有抄过来：新建的层在训练模式。'
        | 'The mode is not taken over: a new layer is in training mode.',
    },
    see=_converted,
)
