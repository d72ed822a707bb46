"""Your turn in lesson 01: the size of the gradients, layer by layer."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part
from d2lmini.exercises.turn_nets import linear_layers, small_batch
from d2lmini.models import torch_norm

Function = Any  # an answer, right or wrong


def _norms(
    net: nn.Module, X: Tensor, y: Tensor, *, zero: bool = True
) -> list[Tensor]:
    if zero:
        net.zero_grad()
    torch.autograd.backward(cross_entropy(net(X), y))
    return [m.weight.grad.norm() for m in linear_layers(net)]  # type: ignore[union-attr]


def _reduced(reduce: Function) -> Function:
    """Return an answer that makes another number of each gradient."""

    def answer(net: nn.Module, X: Tensor, y: Tensor) -> list[Any]:
        _norms(net, X, y)
        return [reduce(m) for m in linear_layers(net)]

    return answer


def _all_weights(net: nn.Module, X: Tensor, y: Tensor) -> list[Any]:
    _norms(net, X, y)
    named = net.named_parameters()
    return [p.grad.norm() for n, p in named if 'weight' in n]  # type: ignore[union-attr]


def _all_parameters(net: nn.Module, X: Tensor, y: Tensor) -> list[Any]:
    _norms(net, X, y)
    return [p.grad.norm() for p in net.parameters()]  # type: ignore[union-attr]


check_gradient_norms = Exercise(
    right=_norms,
    parts=(
        Part(
            '每个nn.Linear一个数',
            'one number for each nn.Linear',
            lambda answer, *batch: len(answer(*batch)),
        ),
        Part(
            '梯度的范数，从底到顶',
            'the norms of the gradients, bottom to top',
            lambda answer, *batch: [*answer(*batch)],
        ),
    ),
    cases=(
        Case(
            small_batch,
            'mlp(6, 5, 4, 3)，8个样本',
            'mlp(6, 5, 4, 3), 8 examples',
        ),
        Case(
            lambda: small_batch(stale=True),
            '同一个网络，已经反向传播过一次',
            'the same net, after another backward pass',
        ),
        Case(
            lambda: small_batch(torch_norm),
            'mlp(6, 5, 4, 3)，有批量归一化',
            'mlp(6, 5, 4, 3) with batch normalization',
        ),
    ),
    mistakes=(
        Mistake(
            'accumulated',
            lambda net, X, y: _norms(net, X, y, zero=False),
            '第二次调用时数变大了：backward是写入新的梯度，还是加到旧的上面？',
            'the second call gives other numbers: does backward write a '
            'gradient, or add to the one there?',
        ),
        Mistake(
            'every-parameter',
            _all_parameters,
            '所有参数都算进来了，包括偏置。题目只要哪一些？',
            'every parameter is in it, biases too. Which are asked for?',
        ),
        Mistake(
            'norm-layers-too',
            _all_weights,
            '批量归一化层也有叫weight的参数。怎样只挑nn.Linear？',
            'batch normalization has a parameter called weight too. How do '
            'you pick nn.Linear alone?',
        ),
        Mistake(
            'top-first',
            lambda *batch: _norms(*batch)[::-1],
            '次序反了：列表从底部开始。',
            'the order is reversed: the list begins at the bottom.',
        ),
        Mistake(
            'weights-not-gradients',
            _reduced(lambda m: m.weight.norm()),
            '这是权重自己的范数。它的梯度在哪里？',
            "these are the weights' own norms. Where are their gradients?",
        ),
        Mistake(
            'squared',
            _reduced(lambda m: m.weight.grad.square().sum()),
            '这是平方和，离范数还差一步。',
            'these are sums of squares: one step from the norm.',
        ),
        Mistake(
            'mean-size',
            _reduced(lambda m: m.weight.grad.abs().mean()),
            '这是绝对值的均值。范数是向量的长度。',
            'these are mean absolute values. A norm is a length.',
        ),
        Mistake(
            'plain-sum',
            _reduced(lambda m: m.weight.grad.sum()),
            '直接相加，正负会抵消。长度怎样算？',
            'added up directly, plus and minus cancel. How is a length '
            'computed?',
        ),
    ),
)
