"""Your turn in lesson 02: by hand, the axes, and the way back."""

import torch
from torch import Tensor

from d2lmini.exercises.engine import Edit, Exercise, Mistake, Wrong, named

check_x_hat = Exercise(
    'x_hat',
    [-1.0, -1 / 3, -1 / 3, 5 / 3],
    mistakes={
        'by-the-variance': Wrong([-1 / 3, -1 / 9, -1 / 9, 5 / 9])
        | '除以了方差。第三行的分母是什么？'
        | 'Divided by the variance. What does line three divide by?',
        'unbiased': Wrong([-0.8660, -0.2887, -0.2887, 1.4434])
        | '方差除以了n-1。第二行除以几？'
        | 'The variance is divided by n - 1. By what in line two?',
        'not-divided': Wrong([-3.0, -1.0, -1.0, 5.0])
        | '这是离差，还没有除以标准差。'
        | 'Deviations, not yet divided by the standard deviation.',
        'not-centred': Wrong([2 / 3, 4 / 3, 4 / 3, 10 / 3])
        | '均值不是0：还没有减去均值。'
        | 'Their mean is not 0: the mean is not subtracted.',
        'summed': Wrong([-0.5, -1 / 6, -1 / 6, 5 / 6])
        | '方差是离差平方的均值，不是它们的和。'
        | 'The variance is the mean of the squares, not their sum.',
        'signs': Wrong([1.0, 1 / 3, 1 / 3, -5 / 3])
        | '符号反了：2比均值小还是大？'
        | 'The signs are reversed: is 2 below the mean, or above?',
        'range': Wrong([0, 0.25, 0.25, 1])
        | '这是压到0和1之间：第三行除以的不是极差，也不是最大值。'
        | 'Squeezed between 0 and 1: line three divides by no range.'
        | Wrong([0.2, 0.4, 0.4, 1]),
    },
    tolerance=6e-3,
)


# Two examples of two channels of 1x2.
SMALL = torch.tensor([[[[1.0, 3]], [[0, 10]]], [[[5, 7]], [[20, 10]]]])


def images(*shape: int, seed: int = 0) -> Tensor:
    """Return random numbers (N, C, ...), each channel wider than the last."""
    numbers = torch.Generator().manual_seed(seed)
    scale = torch.arange(1.0, shape[1] + 1)
    scale = scale.reshape(-1, *(1,) * (len(shape) - 2))
    return scale * torch.randn(shape, generator=numbers) + 2


def statistics(X: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and variance, (1, C, 1, 1)."""
    mean = X.mean(dim=(0, 2, 3), keepdim=True)
    var = X.var(dim=(0, 2, 3), correction=0, keepdim=True)
    return mean, var


_MEAN = 'X.mean(dim=(0, 2, 3), keepdim=True)'
_VAR = 'X.var(dim=(0, 2, 3), correction=0, keepdim=True)'
_SQUARES = '((X - mean)**2).sum(dim=(0, 2, 3), keepdim=True) / len(X)'


def reshaped(start: str = 'mean = X') -> Mistake:
    """Return the mistake to make columns of channels by `reshape` alone."""
    return (
        Edit(start, f'X = X.reshape(-1, X.shape[1], 1, 1); {start}')
        | '`reshape`不改次序，这样各通道的数混到了一起：先把通道轴移好。'
        | '`reshape` keeps the order and mixes channels: move their axis.'
        | Edit(
            start, f'X = X.reshape(X.shape[1], -1).T[..., None, None]; {start}'
        )
    )


# Mistakes in the statistics, which come up wherever they are computed.
SLIPS: dict[str, Mistake] = {
    'no-keepdim': Edit(', keepdim=True', '')
    | '形状不对：怎样把求和或求均值时去掉的轴留成1？'
    | 'The shape is wrong: how are the axes that go away kept as 1s?',
    'examples-only': Edit('(0, 2, 3)', '0')
    | '只沿着样本轴算了。一个通道里不同位置的数，用的是同一个卷积核吗？'
    | 'This is over examples alone. Does one kernel serve all positions?',
    'unbiased': Edit(', correction=0', '')
    | '方差除以了n-1：归一化用的除以几？'
    | 'The variance is divided by n - 1: by what in normalizing?',
    'standard-deviation': Edit('X.var', 'X.std')
    | '这里用了标准差：该是方差。'
    | 'A standard deviation stands where the variance should.',
}


# Where it is written `mean = X...` and `var = X...`.
VARIANCES: dict[str, Mistake] = {
    'not-the-variance': Edit(_VAR, _MEAN.replace('X', '(X**2)'))
    | '方差是离差平方的均值：先减均值，再平方，再平均。'
    | 'Variance: subtract the mean, square, then average.'
    | Edit(_VAR, _MEAN.replace('X', '(X - mean).abs()') + '**2')
    | Edit(_VAR, _MEAN.replace('X', '(X - mean)') + '**2'),
    'variance-by-image': Edit(
        _VAR, _VAR.replace('(0, 2', '(2') + '.mean(dim=0, keepdim=True)'
    )
    | '每张图先求了方差再平均：图与图的均值不同，也是离散。'
    | 'Variances of single images are averaged. Images differ, too.',
    'divided-by-examples': Edit(_VAR, _SQUARES)
    | '和除以了样本数：一个通道里有多少个数？'
    | 'Sums are divided by the examples: how many values has a channel?'
    | Edit(
        (_MEAN, _VAR), (_MEAN.replace('mean', 'sum') + ' / len(X)', _SQUARES)
    ),
    'reshaped': reshaped(),
}


def under_the_root(var: str, eps: str = 'eps') -> dict[str, Mistake]:
    """Return the mistakes in an answer's `torch.sqrt(var + eps)`."""
    root = f'torch.sqrt({var} + {eps})'
    return {
        'no-eps': Edit(f' + {eps}', '')
        | '没有用上`eps`：根号下还有什么？'
        | '`eps` is not used: what else stands under the root?',
        'eps-outside': Edit(root, f'(torch.sqrt({var}) + {eps})')
        | '`eps`加在了根号外面：公式里它在哪里？'
        | '`eps` is added outside the root: where has the formula got it?',
        'no-root': Edit(root, f'({var} + {eps})')
        | '还没有开方：归一化除以的是什么？'
        | 'The square root is missing: what does normalizing divide by?',
    }


check_statistics = Exercise(
    'statistics',
    statistics,
    [SMALL, lambda: (images(4, 3, 3, 2),)],
    {
        **SLIPS,
        **VARIANCES,
        'positions-only': Edit('(0, 2, 3)', '(2, 3)')
        | '每个样本各算各的。一个通道里还有哪些数该一起算？'
        | 'Each example has its own. What else belongs to a channel?'
        | Edit('(0, 2, 3)', '(1, 2, 3)'),
        'channels-too': Edit('(0, 2, 3)', '(0, 1, 2, 3)')
        | '所有通道混在一起了：留下的该是哪个轴？'
        | 'The channels are mixed: which axis should be left?'
        | Edit((_MEAN, _VAR), ('X.mean()', 'X.var()'))
        | Edit((_MEAN, _VAR), ('X.mean()', 'X.var(correction=0)')),
        'over-channels': Edit('(0, 2, 3)', '1')
        | '去掉的正是通道轴，而它是该留下的。'
        | 'The channel axis went away, the very one that should be left.'
        | Edit('(0, 2, 3)', '(0, 1, 2)')
        | Edit('(0, 2, 3)', '(0, 1)'),
        'swapped': Edit('mean, var', 'var, mean')
        | '两个值的次序反了：先均值，后方差。'
        | 'The two are in the wrong order: mean first, then variance.',
    },
    see=named(('均值', 'the mean'), ('方差', 'the variance')),
)


def undo(X: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return the gamma and beta that give X back, (1, C, 1, 1)."""
    mean = X.mean(dim=(0, 2, 3), keepdim=True)
    var = X.var(dim=(0, 2, 3), correction=0, keepdim=True)
    return torch.sqrt(var + eps), mean


check_undo = Exercise(
    'undo',
    undo,
    [(SMALL, 2.0), lambda: (images(4, 3, 3, 2), 1e-5)],
    {
        **under_the_root('var'),
        'upside-down': Edit('torch.sqrt', '1 / torch.sqrt')
        | '`gamma`倒过来了：归一化已经除过一次，还原要乘回去。'
        | '`gamma` is upside down: normalizing divides, undoing multiplies.',
        'swapped': Edit(
            'torch.sqrt(var + eps), mean', 'mean, torch.sqrt(var + eps)'
        )
        | '`gamma`和`beta`反了。'
        | '`gamma` and `beta` are exchanged.',
        'minus': Edit('), mean', '), -mean')
        | '`beta`的符号反了：归一化减去了均值，还原要怎样？'
        | '`beta` has the wrong sign: normalizing took the mean away.',
        **SLIPS,
        **VARIANCES,
    },
    see=named('gamma', 'beta'),
)


def conv_backward(
    X: Tensor, gamma: Tensor, g: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of X, gamma and beta; g is that of Y."""
    dims, n = (0, 2, 3), X.numel() // X.shape[1]
    mean = X.mean(dim=dims, keepdim=True)  # (1, C, 1, 1)
    var = X.var(dim=dims, correction=0, keepdim=True)
    s = torch.sqrt(var + eps)
    X_hat = (X - mean) / s
    g_beta = g.sum(dim=dims, keepdim=True)  # (1, C, 1, 1)
    g_gamma = (g * X_hat).sum(dim=dims, keepdim=True)
    g_X = gamma / s * (g - g_beta / n - X_hat * g_gamma / n)
    return g_X, g_gamma, g_beta


def _backward(*shape: int) -> tuple[Tensor, Tensor, Tensor]:
    gamma = torch.arange(2.0, shape[1] + 2).reshape(1, -1, 1, 1)
    return images(*shape), gamma, images(*shape, seed=1)


check_conv_backward = Exercise(
    'conv_backward',
    conv_backward,
    [
        lambda: (*_backward(2, 1, 1, 2), 0.5),
        lambda: (*_backward(3, 2, 2, 2), 1e-5),
    ],
    {
        'count-of-examples': Edit('X.numel() // X.shape[1]', 'len(X)')
        | '`n`数错了。一个通道里一起算的，一共有多少个数？'
        | '`n` is miscounted: how many numbers of a channel go together?'
        | Edit('X.numel() // X.shape[1]', 'X[0, 0].numel()')
        | Edit('X.numel() // X.shape[1]', 'X.numel()'),
        'x-for-x-hat': Edit('g * X_hat', 'g * X')
        | '`g_gamma`里是`X`还是`X_hat`？'
        | 'Does `g_gamma` have `X` in it, or `X_hat`?',
        'means': Edit('.sum(', '.mean(')
        | '`g_gamma`和`g_beta`是和，不是均值。'
        | '`g_gamma` and `g_beta` are sums, not means.'
        | Edit(('.sum(', ' / n'), ('.mean(', '')),
        'no-g': Edit('(g * X_hat)', 'X_hat')
        | '少了`g`：每一步都要乘上上面传来的梯度。'
        | '`g` is missing: the gradient from above is a factor.'
        | Edit('(g - g_beta', '(1 - g_beta'),
        'signs': Edit('- X_hat', '+ X_hat')
        | '符号错了：经过均值和方差的两条路，是加还是减？'
        | 'A sign is wrong: are the two paths added, or taken away?'
        | Edit('(g - g_beta', '(g + g_beta')
        | Edit(('(g - g_beta', '- X_hat'), ('(g + g_beta', '+ X_hat')),
        'reshaped': reshaped('dims, n')
        | Edit(
            ('dims, n', 'return g_X'),
            (
                'size = X.shape; X, g = (each.reshape(-1, size[1], 1, 1) '
                'for each in (X, g)); dims, n',
                'return g_X.reshape(size)',
            ),
        ),
        'no-mean-path': Edit(' - g_beta / n', '')
        | '经过均值的那条路没有算：一个通道的`g_X`加起来应当是0。'
        | "The mean's path is missing: a channel's `g_X` should sum to 0.",
        'no-variance-path': Edit(' - X_hat * g_gamma / n', '')
        | '经过方差的那条路没有算：沿`X_hat`方向的部分还在。'
        | "The variance's path is missing: the part along `X_hat` remains.",
        'statistics-fixed': Edit(' - g_beta / n - X_hat * g_gamma / n', '')
        | '只有直接的那条路：均值和方差也随`X`变。'
        | 'Only the straight path: mean and variance change with `X` too.',
        'no-gamma': Edit('= gamma / s', '= 1 / s')
        | '`g_X`里少了`gamma`。'
        | '`gamma` is missing from `g_X`.',
        **under_the_root('var'),
        **SLIPS,
        'examples-only': SLIPS['examples-only']
        | Edit(('(0, 2, 3)', 'X.numel() // X.shape[1]'), ('0', 'len(X)')),
        'no-keepdim': SLIPS['no-keepdim']
        | Edit(
            'g_X, g_gamma, g_beta', 'g_X, g_gamma.flatten(), g_beta.flatten()'
        ),
        'swapped': Edit('g_gamma, g_beta', 'g_beta, g_gamma')
        | '`g_gamma`和`g_beta`反了：哪一个要乘`X_hat`？'
        | '`g_gamma` and `g_beta` are exchanged: which one needs `X_hat`?',
    },
    see=named('g_X', 'g_gamma', 'g_beta'),
)
