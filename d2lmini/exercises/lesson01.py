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
        'added': Wrong(6 / 4)
        | '把斜率加起来了。梯度一路上是加上它们，还是乘上它们？'
        | 'The slopes are added. Does a gradient add them, or multiply?',
        'value-not-slope': Wrong(2.0**-6)
        | '1/2是sigmoid在0处的值，这里要的是斜率：它最大是多少？'
        | 'This is the value at 0: how large is the slope at most?',
        'upside-down': Wrong(4.0**6)
        | '倒过来了：问的是剩下多少，应当小于1。'
        | 'Upside down: what is left must be less than 1.',
        'miscounted': Wrong(4.0**-5)
        | '少乘或多乘了一次：一共穿过几个sigmoid？'
        | 'One factor off: how many sigmoids does a gradient pass?'
        | Wrong(4.0**-7),
        'rounded': Wrong(2e-4)
        | '舍入得太粗：写式子就行。'
        | 'Rounded: an expression will do.'
        | Wrong(0.0)
        | Wrong(2.4e-4)
        | Wrong(3e-4),
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
        'not-relative': Edit(' / before.norm()', '')
        | '这是改动的范数。相对的，是相对什么？'
        | "This is the change's norm. Relative to what?",
        'difference-of-norms': Edit(
            '(after - before).norm()', '(after.norm() - before.norm())'
        )
        | '范数相减，只看得到长度变了。转了方向、长度没变的呢？'
        | 'This sees only lengths: what about a weight that just turns?'
        | Edit(
            '(after - before).norm()', '(after.norm() - before.norm()).abs()'
        ),
        'brackets': Edit(
            '(after - before).norm()', 'after.norm() - before.norm()'
        )
        | '除法先算：哪里要加括号？'
        | 'Division goes first: where are brackets due?'
        | Wrong(lambda before, after: (after - before / before.norm()).norm())
        | Wrong(lambda before, after: (after - before / before).norm()),
        'number-by-number': Edit(
            '(after - before).norm() / before.norm()',
            '((after - before) / before).norm()',
        )
        | '每个数各除了各的：先求两个范数，再除。'
        | 'Each number is divided by its own: take both norms first.'
        | Edit('.norm()', ''),
        'another-size': Edit('.norm()', '.abs().sum()')
        | '范数是平方和的根，这里的大小是另一种。'
        | 'A norm is the root of a sum of squares: this is another size.'
        | Edit('.norm()', '.sum()')
        | Edit('.norm()', '.square().sum()')
        | Edit('.norm()', '.abs().max()')
        | Wrong(
            lambda before, after: (
                torch.linalg.norm(after - before, 2)
                / torch.linalg.norm(before, 2)
            )
        ),
        'upside-down': Wrong(
            lambda before, after: 1 / relative_update(before, after)
        )
        | '倒过来了：该除以谁的范数？'
        | 'Upside down: whose norm should divide?',
        'divided-by-after': Edit('/ before', '/ after')
        | '除以的是走完之后的范数。走了自己的百分之几，“自己”是什么时候的？'
        | 'Divided by the norm after the step. From when should it be?',
        'ratio-of-norms': Edit('(after - before)', 'after')
        | '两个范数之比，一步没走也是1。没走的时候应当是多少？'
        | 'This ratio is 1 when nothing moved. What should it be then?',
    },
)


MLP = '`mlp(6, 5, 4, 3)`'
DEEP = ('`mlp(6, 4, 4, 4, 4, 4, 4, 3)`',) * 2
WITH_NORM = f'{MLP}，有批量归一化', f'{MLP} with batch normalization'


def small_batch(norm: Any = None, stale: bool = False) -> tuple[Any, ...]:
    """Return a net, with old gradients if `stale`, X (8, 6) and y (8,)."""
    torch.manual_seed(0)
    net = mlp(6, 5, 4, 3, norm=norm, activation=nn.ReLU)
    X, y = torch.randn(8, 6), torch.arange(8) % 3
    if stale:
        torch.autograd.backward(cross_entropy(net(X.flip(1)), y))
    return net, X, y


def _norms(
    answer: Callable[..., Any], net: nn.Module, X: Tensor, y: Tensor
) -> Results:
    before = [p.detach().clone() for p in net.parameters()]
    found = answer(net, X, y)
    stay = all(map(torch.equal, before, net.parameters()))
    return {
        ('范数', 'the norms'): found,
        ('权重不变', 'the weights stay'): stay,
    }


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
        'accumulated': Edit('net.zero_grad()', '')
        | '旧的梯度还在：`backward`是写入新的，还是加到旧的上面？'
        | 'Does `backward` write a new gradient, or add to the one there?',
        'every-parameter': Edit(
            ('layer.weight.grad', 'in layers'),
            ('layer.grad', 'in net.parameters()'),
        )
        | '所有参数都算进来了，包括偏置。题目只要哪一些？'
        | 'Every parameter is in it, biases too. Which are asked for?'
        | Edit(
            'layer.weight.grad',
            'torch.cat([p.grad.flatten() for p in layer.parameters()])',
        ),
        'cleared': Edit('.backward()', '.backward(); net.zero_grad()')
        | '没有梯度：`backward`调用了吗，后面有没有清零？'
        | 'No gradients: was `backward` called, and what came after it?'
        | Edit('.backward()', '.backward(); net.zero_grad(False)'),
        'gradients': Edit('.norm().item()', '')
        | '这是梯度本身：范数还没有求。'
        | 'These are the gradients: their norms are still to be taken.',
        'softmax-twice': Edit('net(X), y', 'net(X).softmax(1), y')
        | '`cross_entropy`里面已经有softmax，这里多做了一次。'
        | '`cross_entropy` has a softmax in it: this is the second.',
        'loss-summed': Edit('(net(X), y)', "(net(X), y, reduction='sum')")
        | '损失加起来了：小批量的交叉熵是平均，还是和？'
        | "The loss is a sum. Is a minibatch's cross-entropy one, or a mean?",
        'evaluation-mode': Edit(
            'net.zero_grad()', 'net.zero_grad(); net.eval()'
        )
        | '换到了评估模式：题目没有要换。'
        | 'The net is in evaluation mode now: nobody asked for it.',
        'norm-layers-too': Edit(
            'isinstance(m, nn.Linear)', "hasattr(m, 'weight')"
        )
        | '批量归一化层也有叫`weight`的参数。怎样只挑`nn.Linear`？'
        | 'Norm layers have a `weight` too. How do you pick `nn.Linear`?',
        'top-first': Edit('in layers', 'in layers[::-1]')
        | '次序反了：列表从底部开始。'
        | 'The order is reversed: the list begins at the bottom.',
        'weights-not-gradients': Edit('.grad', '')
        | '这是权重自己的范数。它的梯度在哪里？'
        | "These are the weights' own norms. Where are their gradients?",
        'another-size': Edit('.norm()', '.abs().mean()')
        | '范数是平方和的根：这里的大小是另一种，或者正负抵消了。'
        | 'A norm is the root of a sum of squares: this is another size.'
        | Edit('.norm()', '.abs().sum()')
        | Edit('.norm()', '.square().sum()')
        | Edit('.norm()', '.sum()'),
        'takes-a-step': Edit(
            'loss.backward()',
            'loss.backward(); torch.optim.SGD(net.parameters(), 0.1).step()',
        )
        | '权重走了一步：只要梯度，不要更新。'
        | 'The weights took a step: only gradients are asked for.',
    },
    see=_norms,
)


def frozen_sgd(net: nn.Sequential, lr: float) -> torch.optim.SGD:
    """Return an optimizer that trains all but the lowest nn.Linear."""
    bottom = next(layer for layer in net if isinstance(layer, nn.Linear))
    bottom.requires_grad_(False)
    return torch.optim.SGD(net.parameters(), lr)


def _bare() -> nn.Sequential:
    """Return a net whose lowest nn.Linear has no bias."""
    torch.manual_seed(0)
    first = nn.Linear(6, 5, bias=False), nn.ReLU()
    return nn.Sequential(nn.Flatten(), *first, nn.Linear(5, 3))


def _moves(answer: Callable[..., Any], net: nn.Module, lr: float) -> Results:
    """Return which parameters move in two steps, and by how much."""
    _, X, y = small_batch()
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    optimizer = answer(net, lr)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(net(X), y))
        for p in net.parameters():
            if p.grad is not None:  # rounding, before batch norm
                p.grad[p.grad.abs() < 1e-6] = 0
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
        Case(lambda: (mlp(6, *[4] * 6, 3, activation=nn.ReLU), 0.1), *DEEP),
        Case(lambda: (_bare(), 0.1), *('`nn.Linear(…, bias=False)`',) * 2),
    ],
    {
        'by-place': Edit('net.parameters()', '[*net.parameters()][2:]')
        | '漏掉的是前两个参数：最底层不一定有偏置，它前面也许还有别的参数。'
        | 'The first two parameters are left out, bias or not: of whom?',
        'nothing-frozen': Edit('bottom.requires_grad_(False)', '')
        | '一层也没冻住：`requires_grad`是参数的，不是层的。`net[0]`有参数吗？'
        | 'Nothing froze: layers have no `requires_grad`. Has `net[0]` any?',
        'top-alone': Edit(
            ('bottom.requires_grad_(False)', 'net.parameters'),
            ('', 'net[-1].parameters'),
        )
        | '只有最顶层在动：别的也要训练。'
        | 'Only the top layer moves: the others are to be trained, too.',
        'all-linear': Edit(
            'bottom.requires',
            '[m.requires_grad_(not isinstance(m, nn.Linear)) for m in net]; '
            'bottom.requires',
        )
        | '所有`nn.Linear`都冻住了：只要最底层的。'
        | 'Every `nn.Linear` is frozen: only the lowest should be.',
        'other-optimizer': Edit(', lr)', ', lr, momentum=0.9)')
        | '步子不是`lr`乘梯度：只要普通的`torch.optim.SGD`。'
        | 'A step is not `lr` times the gradient, as in plain '
        '`torch.optim.SGD`.' | Edit('SGD(net', 'Adam(net'),
        'bias-moves': Edit('bottom.requires', 'bottom.weight.requires')
        | '权重冻住了，可这一层还有别的参数在动。'
        | 'The weight stays, but another parameter of this layer moves.',
        'top-frozen': Edit('in net if', 'in reversed(net) if')
        | '冻住的是顶部。底部是靠数据的一头。'
        | 'The top is frozen. The bottom is the end where the data is.',
        'other-way-round': Edit(
            ('bottom.requires_grad_(False)', 'net.parameters'),
            ('', 'bottom.parameters'),
        )
        | '反了：只有最底层在动。'
        | 'The other way round: only the lowest layer moves.',
        'norms-forgotten': Edit(
            'net.parameters()',
            '[p for m in net if isinstance(m, nn.Linear)'
            ' for p in m.parameters()]',
        )
        | '全连接层都对，但网络里别的层也有参数要学。'
        | 'Fully connected layers move, but others have parameters too.',
        'own-rate': Edit(', lr)', ')')
        | '该动的都在动，走的步子不是`lr`。'
        | 'The right ones move, but their step is not set by `lr`.'
        | Edit(', lr)', ', 0.01)'),
    },
    see=_moves,
)
