"""Your turn in lesson 04: which layer, and which momentum."""

import torch
from torch import Tensor, nn

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part, value


def _norm_for(X: Tensor) -> nn.Module:
    kind = nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d
    return kind(X.shape[1])


def _input(*shape: int) -> Case:
    def make() -> tuple[Tensor]:
        numbers = torch.Generator().manual_seed(0)
        return (3 * torch.randn(shape, generator=numbers) + 1,)

    return Case(make, f'X: {shape}', f'X: {shape}')


check_norm_for = Exercise(
    right=_norm_for,
    parts=(
        Part(
            '这一层收得下X，也归一化得对',
            'the layer takes X and normalizes it rightly',
            lambda answer, X: answer(X)(X),
        ),
    ),
    cases=(_input(4, 3), _input(4, 3, 5), _input(4, 3, 6, 5)),
    mistakes=(
        Mistake(
            'last-axis',
            lambda X: (nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d)(
                X.shape[-1]
            ),
            '特征数取的是最后一个轴。通道是第几个轴？',
            'the number of features is taken from the last axis. Which axis '
            'is the channel?',
        ),
        Mistake(
            'first-axis',
            lambda X: (nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d)(
                X.shape[0]
            ),
            '特征数取的是样本数。通道是第几个轴？',
            'the number of examples is taken as the number of features. Which'
            ' axis is the channel?',
        ),
        Mistake(
            'always-1d',
            lambda X: nn.BatchNorm1d(X.shape[1]),
            'nn.BatchNorm1d收不下四个轴的X。',
            'nn.BatchNorm1d does not take an X with four axes.',
        ),
        Mistake(
            'always-2d',
            lambda X: nn.BatchNorm2d(X.shape[1]),
            'nn.BatchNorm2d只收四个轴的X。',
            'nn.BatchNorm2d takes an X with four axes only.',
        ),
        Mistake(
            'three-axes-as-2d',
            lambda X: (nn.BatchNorm1d if X.dim() == 2 else nn.BatchNorm2d)(
                X.shape[1]
            ),
            '两个轴和四个轴都对。三个轴的(N, C, L)归谁（第1节）？',
            'right for two axes and for four. Who takes (N, C, L), with '
            'three (section 1)?',
        ),
        Mistake(
            'no-layer',
            lambda X: nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d,
            '返回的是类，不是层：还要给它特征数。',
            'this returns a class, not a layer: it still needs the number of '
            'features.',
        ),
    ),
)


check_momentum_to_torch = Exercise(
    right=lambda momentum, source: (
        momentum if source == 'torch' else 1 - momentum
    ),
    parts=(Part('PyTorch的momentum', "PyTorch's momentum", value),),
    cases=tuple(
        Case(lambda given=given: given)  # type: ignore[misc]
        for given in (
            (0.1, 'torch'),
            (0.9, 'lecture'),
            (0.99, 'keras'),
            (0.8, 'mindspore'),
            (0.25, 'lecture'),
        )
    ),
    mistakes=(
        Mistake(
            'unchanged',
            lambda momentum, source: momentum,
            '原样返回了：在表里找new前面的系数。',
            'it comes back as it is: look in the table for the factor of new.',
        ),
        Mistake(
            'torch-too',
            lambda momentum, source: 1 - momentum,
            '从PyTorch来的也反了过来，它不用换。',
            "PyTorch's own value is turned round as well; it needs no change.",
        ),
        Mistake(
            'other-way-round',
            lambda momentum, source: (
                1 - momentum if source == 'torch' else momentum
            ),
            '正好反了：哪几种要换？',
            'exactly the wrong way round: which ones need converting?',
        ),
        Mistake(
            'constant',
            lambda momentum, source: 0.1,
            '总是0.1：它只是默认值。',
            'always 0.1, which is only the default.',
        ),
        Mistake(
            'keras-unchanged',
            lambda momentum, source: (
                momentum if source in ('torch', 'keras') else 1 - momentum
            ),
            'keras那一行展开来，new前面是什么？',
            'write out the row of keras: what is the factor of new?',
        ),
        Mistake(
            'lecture-only',
            lambda momentum, source: (
                1 - momentum if source == 'lecture' else momentum
            ),
            '只换了讲义的：另外两种，new前面是什么？',
            "only the lecture's is turned: what is the factor of new in the "
            'other two?',
        ),
    ),
)
