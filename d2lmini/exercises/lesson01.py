"""Your turn in lesson 01: what the slopes leave, what moves and how far."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.exercises.engine import Case, Edit, Exercise, Results, Wrong
from d2lmini.models import mlp, torch_norm

check_share = Exercise(
    'share',
    (1 / 4) ** 6,
    mistakes={
        'added': Wrong(6 / 4).hint(
            '把斜率加起来了。梯度一路上是加上它们，还是乘上它们？',
            'The slopes are added. Does a gradient add them, or multiply?',
        ),
        'sum-of-shares': Wrong(6 * 0.25**2).hint(
            '层数不该是因数：每穿过一个sigmoid做一次什么？',
            'The number of layers is no factor: what happens at each sigmoid?',
        ),
        'value-not-slope': Wrong(2.0**-6).hint(
            '1/2是sigmoid在0处的值，这里要的是斜率：它最大是多少？',
            'This is the value at 0: how large is the slope at most?',
        ),
        'upside-down': Wrong(4.0**6).hint(
            '倒过来了：问的是剩下多少，应当小于1。',
            'Upside down: what is left must be less than 1.',
        ),
        'miscounted': [
            Wrong(4.0**-5).hint(
                '少乘或多乘了一次：一共穿过几个sigmoid？',
                'One factor off: how many sigmoids does a gradient pass?',
            ),
            Wrong(4.0**-7),
        ],
    },
    tolerance=1e-6,
)


def relative_update(before: Tensor, after: Tensor) -> Any:
    """Return the change of a weight, relative to the weight."""
    return (after - before).norm() / before.norm()


check_relative_update = Exercise(
    'relative_update',
    relative_update,
    [
        (torch.tensor([3.0, 4]), torch.tensor([6.0, 8])),  # longer
        (torch.tensor([6.0, 8]), torch.tensor([3.0, 4])),  # shorter
        (torch.tensor([3.0, 4]), torch.tensor([4.0, 3])),  # turned
        (torch.eye(3), torch.ones(3, 3)),
    ],
    {
        'not-relative': Edit(' / before.norm()', '').hint(
            '这是改动的范数。相对的，是相对什么？',
            "This is the change's norm. Relative to what?",
        ),
        'difference-of-norms': [
            Edit(
                '(after - before).norm()', '(after.norm() - before.norm())'
            ).hint(
                '范数相减，只看得到长度变了。转了方向、长度没变的呢？',
                'This sees only lengths: what about a weight that just turns?',
            ),
            Edit(
                '(after - before).norm()',
                '(after.norm() - before.norm()).abs()',
            ),
        ],
        'divided-by-after': Edit('/ before', '/ after').hint(
            '除以的是走完之后的范数。走了自己的百分之几，“自己”是什么时候的？',
            'Divided by the norm after the step. From when should it be?',
        ),
        'ratio-of-norms': Edit('(after - before)', 'after').hint(
            '两个范数之比，一步没走也是1。没走的时候应当是多少？',
            'This ratio is 1 when nothing moved. What should it be then?',
        ),
        'squared': Edit('.norm()', '.square().sum()').hint(
            '平方和之比是范数之比的平方：还差一步。',
            'This is the ratio of the norms, squared: one step is missing.',
        ),
    },
)


MLP = '`mlp(6, 5, 4, 3)`'
WITH_NORM = f'{MLP}，有批量归一化', f'{MLP} with batch normalization'


def small_batch(norm: Any = None, stale: bool = False) -> tuple[Any, ...]:
    """Return a net, with old gradients if `stale`, X (8, 6) and y (8,)."""
    torch.manual_seed(0)
    net = mlp(6, 5, 4, 3, norm=norm, activation=nn.ReLU)
    X, y = torch.randn(8, 6), torch.arange(8) % 3
    if stale:
        torch.autograd.backward(cross_entropy(net(X.flip(1)), y))
    return net, X, y


def gradient_norms(net: nn.Sequential, X: Tensor, y: Tensor) -> list[float]:
    """Return the size of the gradient in each layer, bottom to top."""
    net.zero_grad()
    loss: Any = cross_entropy(net(X), y)
    loss.backward()
    layers: list[Any] = [m for m in net if isinstance(m, nn.Linear)]
    return [layer.weight.grad.norm().item() for layer in layers]


check_gradient_norms = Exercise(
    'gradient_norms',
    gradient_norms,
    [
        Case(small_batch, MLP, MLP),
        Case(
            lambda: small_batch(stale=True),
            f'{MLP}，已经反向传播过一次',
            f'{MLP}, after another backward pass',
        ),
        Case(lambda: small_batch(torch_norm), *WITH_NORM),
    ],
    {
        'accumulated': Edit('net.zero_grad()', '').hint(
            '旧的梯度还在：`backward`是写入新的，还是加到旧的上面？',
            'Does `backward` write a new gradient, or add to the one there?',
        ),
        'every-parameter': Edit(
            ('layer.weight.grad', 'in layers'),
            ('layer.grad', 'in net.parameters()'),
        ).hint(
            '所有参数都算进来了，包括偏置。题目只要哪一些？',
            'Every parameter is in it, biases too. Which are asked for?',
        ),
        'norm-layers-too': Edit(
            'isinstance(m, nn.Linear)', "hasattr(m, 'weight')"
        ).hint(
            '批量归一化层也有叫`weight`的参数。怎样只挑`nn.Linear`？',
            'Norm layers have a `weight` too. How do you pick `nn.Linear`?',
        ),
        'top-first': Edit('in layers', 'in layers[::-1]').hint(
            '次序反了：列表从底部开始。',
            'The order is reversed: the list begins at the bottom.',
        ),
        'weights-not-gradients': Edit('.grad', '').hint(
            '这是权重自己的范数。它的梯度在哪里？',
            "These are the weights' own norms. Where are their gradients?",
        ),
        'squared': Edit('.norm()', '.square().sum()').hint(
            '这是平方和，离范数还差一步。',
            'These are sums of squares: one step from the norm.',
        ),
        'mean-size': Edit('.norm()', '.abs().mean()').hint(
            '这是绝对值的均值。范数是向量的长度。',
            'These are mean absolute values. A norm is a length.',
        ),
        'plain-sum': Edit('.norm()', '.sum()').hint(
            '直接相加，正负会抵消。长度怎样算？',
            'Plus and minus cancel in a sum. How is a length computed?',
        ),
    },
)


def frozen_sgd(net: nn.Sequential, lr: float) -> torch.optim.SGD:
    """Return an optimizer that trains all but the lowest nn.Linear."""
    bottom = next(layer for layer in net if isinstance(layer, nn.Linear))
    bottom.requires_grad_(False)
    return torch.optim.SGD(net.parameters(), lr)


def _moves(answer: Callable[..., Any], net: nn.Module, lr: float) -> Results:
    """Return which parameters move in two steps, and by how much."""
    _, X, y = small_batch()
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    optimizer = answer(net, lr)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(net(X), y))
        optimizer.step()
    moves = {n: p.detach() - before[n] for n, p in net.named_parameters()}
    which = {
        n: '动 · moves' if x.any() else '不动 · stays'
        for n, x in moves.items()
    }
    lowest = '只有最底层的`nn.Linear`不动', 'only the lowest `nn.Linear` stays'
    rest = '两步里别的按`lr`走', 'in two steps the others move by `lr`'
    return {lowest: which, rest: moves}


check_frozen_sgd = Exercise(
    'frozen_sgd',
    frozen_sgd,
    [
        Case(lambda: (small_batch()[0], 0.1), MLP, MLP),
        Case(lambda: (small_batch(torch_norm)[0], 0.1), *WITH_NORM),
    ],
    {
        'nothing-frozen': Edit('bottom.requires_grad_(False)', '').hint(
            '一层也没冻住。`net[0]`是哪一层，它有参数吗？',
            'Nothing is frozen. What is `net[0]`? Does it have parameters?',
        ),
        'bias-moves': Edit('bottom.requires', 'bottom.weight.requires').hint(
            '权重冻住了，可这一层还有别的参数在动。',
            'The weight stays, but another parameter of this layer moves.',
        ),
        'top-frozen': Edit('in net if', 'in reversed(net) if').hint(
            '冻住的是顶部。底部是靠数据的一头。',
            'The top is frozen. The bottom is the end where the data is.',
        ),
        'other-way-round': Edit(
            ('bottom.requires_grad_(False)', 'net.parameters'),
            ('', 'bottom.parameters'),
        ).hint(
            '反了：只有最底层在动。',
            'The other way round: only the lowest layer moves.',
        ),
        'norms-forgotten': Edit(
            'net.parameters()',
            '[p for m in net if isinstance(m, nn.Linear)'
            ' for p in m.parameters()]',
        ).hint(
            '全连接层都对，但网络里别的层也有参数要学。',
            'Fully connected layers move, but others have parameters too.',
        ),
        'own-rate': Edit(', lr)', ', 0.01)').hint(
            '该动的都在动，走的步子不是`lr`。',
            'The right ones move, but their step is not set by `lr`.',
        ),
    },
    see=_moves,
)
