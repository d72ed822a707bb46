"""Your turn in lesson 04: a useless bias goes, and nothing changes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part


def _layers(kind: str) -> tuple[Any, Any]:
    """Return a layer and its batch normalization that has seen batches."""
    torch.manual_seed(0)
    layer: Any = nn.Linear(3, 2) if kind == 'linear' else nn.Conv2d(1, 2, 2)
    norm: Any = (nn.BatchNorm1d if kind == 'linear' else nn.BatchNorm2d)(2)
    layer.bias.data = torch.tensor([2.0, -3])
    norm.weight.data = torch.tensor([0.5, 2])
    for _ in range(3):
        norm(layer(_fresh(kind)))
    return layer, norm


def _fresh(kind: str) -> Tensor:
    return torch.randn((6, 3) if kind == 'linear' else (4, 1, 3, 3))


def _output(training: bool) -> Callable[..., Tensor]:
    def look(answer: Any, layer: Any, norm: Any) -> Tensor:
        kind = 'linear' if isinstance(layer, nn.Linear) else 'conv'
        torch.manual_seed(1)
        layer, norm = answer(layer, norm)
        Y: Tensor = norm.train(training)(layer(_fresh(kind)))
        return Y

    return look


def _has_bias(answer: Any, layer: Any, norm: Any) -> str:
    bias = answer(layer, norm)[0].bias
    return 'None' if bias is None else f'{bias.tolist()}'


def _moves(change: Callable[[Any, Tensor], object]) -> Any:
    """Return an answer that takes the bias and changes the norm by it."""

    def answer(layer: Any, norm: Any) -> tuple[Any, Any]:
        with torch.no_grad():
            change(norm, layer.bias)
        layer.bias = None
        return layer, norm

    return answer


def _zeroed(layer: Any, norm: Any) -> tuple[Any, Any]:
    norm.running_mean -= layer.bias.data
    layer.bias.data.zero_()
    return layer, norm


check_without_bias = Exercise(
    right=_moves(lambda norm, bias: norm.running_mean.sub_(bias)),
    parts=(
        Part('没有偏置了', 'the bias is gone', _has_bias),
        Part(
            '训练模式下输出不变',
            'same output in training mode',
            _output(True),
        ),
        Part(
            '评估模式下输出不变',
            'same output in evaluation mode',
            _output(False),
        ),
    ),
    cases=(
        Case(
            lambda: _layers('linear'),
            'nn.Linear(3, 2)和nn.BatchNorm1d(2)',
            'nn.Linear(3, 2) and nn.BatchNorm1d(2)',
        ),
        Case(
            lambda: _layers('conv'),
            'nn.Conv2d(1, 2, 2)和nn.BatchNorm2d(2)',
            'nn.Conv2d(1, 2, 2) and nn.BatchNorm2d(2)',
        ),
    ),
    outputs=2,
    mistakes=(
        Mistake(
            'mean-kept',
            _moves(lambda norm, bias: None),
            '训练模式对，评估模式不对：running_mean是偏置还在的时候记下的。',
            'right in training mode, not in evaluation: running_mean was '
            'recorded with the bias there.',
        ),
        Mistake(
            'wrong-sign',
            _moves(lambda norm, bias: norm.running_mean.add_(bias)),
            '方向反了：来的数少了偏置，减去的均值该多还是该少？',
            'the wrong direction: what comes in is smaller by the bias; '
            'should the mean that is subtracted be larger or smaller?',
        ),
        Mistake(
            'into-beta',
            _moves(lambda norm, bias: norm.bias.add_(bias)),
            '偏置加到了beta上：beta在归一化之后，偏置在它之前。训练模式也变了。',
            'the bias went into beta, which acts after normalizing; the bias '
            'acted before it. Now training mode changes too.',
        ),
        Mistake(
            'mean-zeroed',
            _moves(lambda norm, bias: norm.running_mean.zero_()),
            'running_mean清零了：它里面不只有偏置。',
            'running_mean is zero now: there was more in it than the bias.',
        ),
        Mistake(
            'bias-zeroed',
            _zeroed,
            '偏置变成了0，但还在：它仍是要学的参数。怎样让它不存在？',
            'the bias is 0 but still there, a parameter that will learn. How '
            'do you make it not exist?',
        ),
        Mistake(
            'nothing-done',
            lambda layer, norm: (layer, norm),
            '什么也没有变：偏置还在。',
            'nothing has changed: the bias is still there.',
        ),
    ),
)
