"""Your turn in lesson 06: batch normalization that stays frozen."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part

Answer = Callable[..., Any]


def _net() -> nn.Sequential:
    """Return a net whose batch normalization has seen some batches."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(8, 4),
        nn.BatchNorm1d(4),
        nn.Dropout(0.5),
        nn.Linear(4, 3),
    )
    for _ in range(3):
        net(torch.randn(8, 1, 3, 3) + 1)
    return net


def _norms(net: nn.Module) -> list[Any]:
    kinds = nn.BatchNorm1d, nn.BatchNorm2d
    return [m for m in net.modules() if isinstance(m, kinds)]


def _tuned(answer: Answer) -> tuple[nn.Module, nn.Module]:
    """Return the net before and after `train()` and two steps."""
    before, net = _net(), answer(_net())
    net.train()
    optimizer = torch.optim.SGD(
        [p for p in net.parameters() if p.requires_grad] or [torch.ones(1)],
        lr=0.1,
    )
    for _ in range(2):
        loss = cross_entropy(net(torch.randn(4, 1, 3, 3)), torch.arange(4) % 3)
        if loss.requires_grad:
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return before, net


def _statistics(answer: Answer) -> str:
    """Tell what the first batch normalization divides by after `train()`."""
    torch.manual_seed(1)
    net = answer(_net())
    net.train()
    norm = _norms(net)[0]
    X = torch.randn(4, 2, 3, 3)
    used = nn.functional.batch_norm(
        X, norm.running_mean, norm.running_var, norm.weight, norm.bias
    )
    same = torch.allclose(norm(X), used, atol=1e-4)
    return '移动平均 · moving averages' if same else '小批量 · the minibatch'


def _buffers(answer: Answer) -> str:
    pairs = zip(*map(_norms, _tuned(answer)), strict=True)
    return _stay(
        all(
            torch.equal(a.running_mean, b.running_mean)
            and torch.equal(a.running_var, b.running_var)
            for a, b in pairs
        )
    )


def _affine(answer: Answer) -> str:
    pairs = zip(*map(_norms, _tuned(answer)), strict=True)
    return _stay(
        all(
            torch.equal(a.weight, b.weight) and torch.equal(a.bias, b.bias)
            for a, b in pairs
        )
    )


def _others(answer: Answer) -> list[str]:
    old, new = _tuned(answer)
    kinds = nn.Linear, nn.Conv2d
    pairs = zip(old.modules(), new.modules(), strict=True)
    return [
        _stay(torch.equal(a.weight, b.weight))
        for a, b in pairs
        if isinstance(a, kinds) and isinstance(b, kinds)
    ]


def _dropout(answer: Answer) -> list[str]:
    net = answer(_net())
    net.train()
    return [
        '丢 · drops' if m.training else '不丢 · does not drop'
        for m in net.modules()
        if isinstance(m, nn.Dropout)
    ]


def _stay(same: bool) -> str:
    return '不变 · stays' if same else '变了 · changes'


def _each(change: Callable[[Any], object]) -> Answer:
    """Return an answer that does something to each batch normalization."""

    def answer(net: nn.Module) -> nn.Module:
        for norm in _norms(net):
            change(norm)
        return net

    return answer


def _keep_still(norm: Any) -> None:
    norm.eval().train = lambda mode=True: norm


def _freeze(norm: Any) -> None:
    _keep_still(norm.requires_grad_(False))


def _first_only(net: nn.Module) -> nn.Module:
    _freeze(_norms(net)[0])
    return net


def _all_still(net: nn.Module) -> nn.Module:
    _each(_freeze)(net)
    net.eval().train = lambda mode=True: net  # type: ignore[method-assign]
    return net


check_freeze_norms = Exercise(
    right=_each(_freeze),
    parts=(
        Part(
            'net.train()之后仍用移动平均',
            'after net.train() still the moving averages',
            lambda answer, _: _statistics(answer),
        ),
        Part(
            '移动平均不变',
            'the moving averages stay',
            lambda answer, _: _buffers(answer),
        ),
        Part(
            'gamma和beta不变',
            'gamma and beta stay',
            lambda answer, _: _affine(answer),
        ),
        Part(
            '别的层照常训练',
            'the other layers train',
            lambda answer, _: _others(answer),
        ),
        Part(
            '丢弃法照常',
            'dropout works as usual',
            lambda answer, _: _dropout(answer),
        ),
    ),
    cases=(
        Case(
            lambda: (_net(),),
            '卷积、批量归一化、全连接、批量归一化、丢弃法、全连接；走两步',
            'convolution, batch norm, linear, batch norm, dropout, linear; '
            '2 steps',
        ),
    ),
    mistakes=(
        Mistake(
            'turned-on-again',
            lambda net: net,
            'net.train()之后和没冻住一样：它对每一层都做了什么？',
            'after net.train() nothing is frozen: what does it do to every '
            'layer?',
        ),
        Mistake(
            'mode-comes-back',
            _each(lambda norm: norm.requires_grad_(False)),
            'gamma和beta冻住了，可net.train()之后层还在用小批量的统计量。'
            '决定这件事的是requires_grad还是模式？谁又改了模式？',
            'gamma and beta are frozen, but after net.train() the layers '
            "still use the minibatch's statistics. Is it requires_grad that "
            'decides, or the mode? And who changed the mode?',
        ),
        Mistake(
            'momentum-zero',
            _each(
                lambda norm: vars(norm.requires_grad_(False)).update(
                    momentum=0.0
                )
            ),
            'momentum=0只让移动平均不动，训练模式下归一化用的还是小批量。',
            'momentum=0 only keeps the moving averages still; in training '
            "mode the minibatch's statistics are still what normalizes.",
        ),
        Mistake(
            'gamma-learns',
            _each(_keep_still),
            '统计量冻住了，gamma和beta还在学：模式管不着参数。',
            'the statistics are frozen, but gamma and beta still learn: the '
            'mode has no say over parameters.',
        ),
        Mistake(
            'dropout-off',
            _all_still,
            '整个网络都停在评估模式，丢弃法也停了：只冻批量归一化层。',
            'the whole net stays in evaluation mode, dropout too: freeze '
            'batch normalization alone.',
        ),
        Mistake(
            'all-frozen',
            lambda net: _each(_freeze)(net).requires_grad_(False),
            '所有层都不学了：只有批量归一化层该停。',
            'no layer learns any more: only batch normalization should stop.',
        ),
        Mistake(
            'one-kind-only',
            _first_only,
            '冻住了一种，另一种还没有：网络里有哪两种批量归一化层？',
            'one kind is frozen, another is not: which two kinds of batch '
            'normalization are in the net?',
        ),
    ),
)
