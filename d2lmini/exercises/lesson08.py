"""Your turn in lesson 08: layers of the family."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.exercises.compare import show
from d2lmini.exercises.engine import Case, Edit, Exercise, Results, Seen
from d2lmini.exercises.guard import fill, gradients_of, layer_of, output_of
from d2lmini.exercises.lesson02 import SLIPS, images, under_the_root

Make = Callable[..., Any]
_LAST_AXIS = (
    '`gamma`落在了最后一个轴上，要先变成`(C, 1, 1)`。',
    '`gamma` falls on the last axis: make it `(C, 1, 1)` first.',
)
_NO_AFFINE = '没有用上`gamma`和`beta`。', '`gamma` and `beta` are not used.'


def _layer(
    make: Make, sizes: tuple[int, ...], X: Tensor, eps: float, *names: str
) -> Results:
    """Return what a layer gives in both modes, and its gradients."""
    layer, C = layer_of(make, *sizes, eps=eps), sizes[-1]
    rows = {'gamma': torch.arange(1.0, C + 1), 'beta': torch.arange(C) / 2}
    learned = {name: fill(layer, name, rows[name]) for name in names}
    Y = output_of(layer, X)
    return {
        ('输出', 'the output'): Y.detach(),
        ('评估模式下的输出', 'the output in evaluation mode'): layer.eval()(
            X.clone()
        ),
        **gradients_of(Y, learned),
    }


def _case(X: Tensor, *sizes: int, eps: float = 1e-5) -> Case:
    at = f'`X`：`{tuple(X.shape)}`', f'`X`: `{tuple(X.shape)}`'
    if X.numel() <= 12:
        at = (f'`X = {show(X)}`',) * 2
    told = f'`{sizes}`, `eps = {eps}`'
    return Case((sizes, X, eps), f'{told}，{at[0]}', f'{told}, {at[1]}')


class RMSNorm(nn.Module):
    """Divide by the root mean square of the last axis."""

    def __init__(self, D: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.ones(D))

    def forward(self, X: Tensor) -> Tensor:
        """Return X (..., D) normalized."""
        mean_square = (X**2).mean(dim=-1, keepdim=True)
        return self.gamma * X / torch.sqrt(mean_square + self.eps)


check_RMSNorm = Exercise(  # noqa: N816 - the class's name
    'RMSNorm',
    RMSNorm,
    [
        _case(torch.tensor([[1.0, 7], [5, 5]]), 2),
        _case(torch.tensor([[0.3, 0.4]]), 2, eps=0.1),
        _case(images(2, 3, 4), 4),
    ],
    {
        'centred': Edit(
            ('mean_square = ', '* X /'),
            ('X = X - X.mean(-1, True); mean_square = ', '* X /'),
        )
        | '减去了均值：那是层归一化。RMS归一化只除，不减。'
        | 'The mean is subtracted, as in layer norm. RMS norm only divides.',
        'standard-deviation': Edit('(X**2).mean(', 'X.var(correction=0, ')
        | '除以的是标准差。均方根里不减均值。'
        | 'This divides by a standard deviation. Here no mean is subtracted.'
        | Edit('(X**2).mean(', 'X.var('),
        **under_the_root('mean_square', 'self.eps'),
        'sum': Edit('.mean(dim', '.sum(dim')
        | '平方是加起来的，没有除以个数。'
        | 'The squares are summed, not averaged.',
        'whole-input': Edit('.mean(dim=-1, keepdim=True)', '.mean()')
        | '整个输入只求了一个均值：每个词元都要有自己的，只沿最后一个轴。'
        | 'All has one mean. Each token needs its own, along the last axis.',
        'another-axis': Edit('dim=-1', 'dim=0')
        | '均值要沿最后一个轴，不管有几个轴。'
        | 'The mean runs along the last axis, however many there are.'
        | Edit('dim=-1', 'dim=1'),
        'no-gamma': Edit('self.gamma * X', 'X')
        | '没有乘`gamma`。'
        | '`gamma` is missing.',
        'no-keepdim': SLIPS['no-keepdim'],
    },
    see=lambda make, *case: _layer(make, *case, 'gamma'),
)


class GroupNorm(nn.Module):
    """Normalize groups of neighbouring channels of each image."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.num_groups, self.eps = num_groups, eps
        self.gamma = nn.Parameter(torch.ones(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, X: Tensor) -> Tensor:
        """Return X (N, C, H, W) normalized."""
        N, C, H, W = X.shape
        G = self.num_groups
        groups, dims = X.reshape(N, G, C // G, H, W), (2, 3, 4)
        mean = groups.mean(dim=dims, keepdim=True)  # (N, G, 1, 1, 1)
        var = groups.var(dim=dims, keepdim=True, correction=0)
        X_hat = (groups - mean) / torch.sqrt(var + self.eps)
        X_hat = X_hat.reshape(N, C, H, W)
        return self.gamma.view(C, 1, 1) * X_hat + self.beta.view(C, 1, 1)


_TINY = torch.tensor([[[[1.0, 3]], [[5, 7]], [[2, 2]], [[4, 8]]]])

check_GroupNorm = Exercise(  # noqa: N816 - the class's name
    'GroupNorm',
    GroupNorm,
    [
        _case(_TINY, 2, 4),
        _case(_TINY / 10, 1, 4, eps=0.1),
        _case(images(2, 6, 3, 2), 2, 6),
        _case(images(2, 4, 3, 4), 4, 4),
    ],
    {
        'not-neighbours': Edit(
            ('X.reshape(N, G, C // G, H, W)', 'X_hat.reshape(N, C, H, W)'),
            (
                'X.reshape(N, C // G, G, H, W).transpose(1, 2)',
                'X_hat.transpose(1, 2).reshape(N, C, H, W)',
            ),
        )
        | '一组里的通道不相邻。组数`G`写在前面，组内的`C // G`在后面。'
        | "A group's channels are no neighbours. `G` comes before `C // G`.",
        'batch-too': Edit('(2, 3, 4)', '(0, 2, 3, 4)')
        | '样本之间也求了均值：轴0不该在里面。'
        | 'The mean runs across examples too: leave axis 0 out.',
        'one-group': Edit('(2, 3, 4)', '(1, 2, 3, 4)')
        | '各组合到了一起，成了层归一化：组的轴要留着。'
        | 'All groups are pooled, as in layer norm: keep their axis.',
        'positions-only': Edit('(2, 3, 4)', '(3, 4)')
        | '每个通道自己求了均值，成了实例归一化：组内的通道要在一起。'
        | 'Each channel has its own, as in instance norm: pool the group.',
        'unbiased': SLIPS['unbiased'],
        **under_the_root('var', 'self.eps'),
        'no-affine': Edit(
            'self.gamma.view(C, 1, 1) * X_hat + self.beta.view(C, 1, 1)',
            'X_hat',
        )
        | _NO_AFFINE,
        'last-axis-affine': Edit('.view(C, 1, 1)', '')
        | _LAST_AXIS
        | Seen(lambda make: _meets_last_axis(make)),
        'groups-as-size': Edit('(N, G, C // G, H', '(N, C // G, G, H')
        | '`G`是组数，不是一组有几个通道。'
        | '`G` is how many groups there are, not how large one is.',
    },
    see=lambda make, *case: _layer(make, *case, 'gamma', 'beta'),
)


def _meets_last_axis(make: Make) -> bool:
    """Tell whether gamma scales the last axis, where its size fits."""
    layer = make(1, 4)
    fill(layer, 'gamma', torch.arange(1.0, 5))
    X = torch.arange(1.0, 17).reshape(1, 4, 1, 4)
    shares = layer(X) / make(1, 4)(X)
    return bool(torch.allclose(shares[0, :, 0], torch.arange(1.0, 5)))


def channel_norm(X: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Return X (N, C, H, W), normalized over C at each position."""
    mean = X.mean(dim=1, keepdim=True)  # (N, 1, H, W)
    var = X.var(dim=1, keepdim=True, correction=0)
    X_hat = (X - mean) / torch.sqrt(var + eps)
    return gamma.view(-1, 1, 1) * X_hat + beta.view(-1, 1, 1)


def _affine(X: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, float]:
    C = X.shape[1]
    return X, torch.arange(1.0, C + 1), torch.arange(C) / 2, eps


_AFFINE = 'gamma.view(-1, 1, 1) * X_hat + beta.view(-1, 1, 1)'
_LAST = 'gamma * X_hat.movedim(1, -1) + beta'  # the channels come last
check_channel_norm = Exercise(
    'channel_norm',
    channel_norm,
    [
        _affine(torch.tensor([[[[1.0, 3]], [[5, 5]]]]), 1e-5),
        lambda: _affine(images(2, 3, 4, 3) / 10, 0.1),
    ],
    {
        'whole-image': Edit('dim=1', 'dim=(1, 2, 3)')
        | '整张图的位置合在了一起。每个位置自己求均值，只沿通道轴。'
        | 'Positions are pooled. Each has its own mean, along the channels.',
        'positions': Edit('dim=1', 'dim=(2, 3)')
        | '沿位置求了均值，成了实例归一化：要沿通道轴。'
        | 'A mean along positions, as in instance norm: take channels.',
        'last-axis': Edit('dim=1', 'dim=-1')
        | '最后一个轴是`W`。通道是1号轴。'
        | 'The last axis is `W`. The channels are axis 1.',
        'per-channel': Edit('dim=1', 'dim=(0, 2, 3)')
        | '这是批量归一化：样本之间求了均值。'
        | 'This is batch norm, with means across examples.',
        'unbiased': SLIPS['unbiased'],
        **under_the_root('var'),
        'last-axis-affine': Edit('.view(-1, 1, 1)', '') | _LAST_AXIS,
        'no-affine': Edit(_AFFINE, 'X_hat') | _NO_AFFINE,
        'channels-last': Edit(_AFFINE, _LAST)
        | Edit(_AFFINE, f'({_LAST}).permute(0, 2, 3, 1)')
        | '通道留在了最后一个轴上：把它放回1号轴。'
        | 'The channels are left on the last axis: move them back to 1.',
    },
)
