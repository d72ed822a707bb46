"""Your turn in lesson 04: what was learned moves over to torch's layer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from d2lmini.exercises.turn import Case, Exercise, Mistake, Part
from d2lmini.norm import BatchNorm

State = dict[str, Tensor]
NAMES = {
    'gamma': 'weight',
    'beta': 'bias',
    'moving_mean': 'running_mean',
    'moving_var': 'running_var',
}


def _net(small: bool) -> nn.Sequential:
    """Return a net whose numbers all differ."""
    layers: list[nn.Module] = [BatchNorm(2, 2)]
    if not small:
        layers = [nn.Conv2d(1, 2, 2), BatchNorm(2, 4), nn.Linear(3, 2)]
    net = nn.Sequential(*layers)
    start = 1
    for tensor in (*net.parameters(), *net.buffers()):
        numbers = torch.arange(start, start + tensor.numel())
        tensor.data.copy_(numbers.reshape(tensor.shape))
        start += tensor.numel()
    return net


def _state(small: bool) -> tuple[State]:
    return ({n: x.clone() for n, x in _net(small).state_dict().items()},)


def _flat(what: str, x: Tensor) -> Tensor:
    return x.flatten() if what in NAMES else x


def _renamed(
    names: dict[str, str] = NAMES,
    shape: Callable[[str, Tensor], Tensor] = _flat,
    keep: Callable[[str, bool], bool] = lambda what, in_norm: True,
) -> Callable[[State], State]:
    """Return an answer; the options are what can go wrong."""

    def answer(state: State) -> State:
        new: State = {}
        for name, x in state.items():
            layer, what = name.split('.')
            if keep(what, f'{layer}.gamma' in state):
                new[f'{layer}.{names.get(what, what)}'] = shape(what, x)
        return new

    return answer


check_to_torch_state = Exercise(
    right=_renamed(),
    parts=(
        Part('名字', 'the names', lambda answer, s: sorted(answer(s))),
        Part(
            '形状',
            'the shapes',
            lambda answer, s: {
                n: str(tuple(x.shape)) for n, x in sorted(answer(s).items())
            },
        ),
        Part('数', 'the numbers', lambda answer, s: dict(answer(s))),
    ),
    cases=(
        Case(
            lambda: _state(True),
            'nn.Sequential(BatchNorm(2, 2))',
            'nn.Sequential(BatchNorm(2, 2))',
        ),
        Case(
            lambda: _state(False),
            'Conv2d, BatchNorm(2, 4), Linear',
            'Conv2d, BatchNorm(2, 4), Linear',
        ),
    ),
    mistakes=(
        Mistake(
            'unchanged',
            lambda state: dict(state),
            '名字没有换：第2节的表里，PyTorch叫它们什么？',
            'the names are as before: what does PyTorch call them (the '
            'table of section 2)?',
        ),
        Mistake(
            'shapes-kept',
            _renamed(shape=lambda what, x: x),
            '名字对了，形状还是(1, C)或(1, C, 1, 1)。PyTorch存成什么形状？',
            'the names are right, the shapes still (1, C) or (1, C, 1, 1). '
            'Which shape does PyTorch keep?',
        ),
        Mistake(
            'all-flat',
            _renamed(shape=lambda what, x: x.flatten()),
            '连卷积层和全连接层的权重也拉平了：只有哪几个要换形状？',
            'the weights of other layers are flattened too: which tensors '
            'alone change their shape?',
        ),
        Mistake(
            'gamma-and-beta',
            _renamed({**NAMES, 'gamma': 'bias', 'beta': 'weight'}),
            'gamma和beta反了：哪个是缩放，PyTorch叫它什么？',
            'gamma and beta are exchanged: which one scales, and what does '
            'PyTorch call it?',
        ),
        Mistake(
            'mean-and-var',
            _renamed(
                {
                    **NAMES,
                    'moving_mean': 'running_var',
                    'moving_var': 'running_mean',
                }
            ),
            'moving_mean和moving_var反了。',
            'moving_mean and moving_var are exchanged.',
        ),
        Mistake(
            'no-count',
            _renamed(keep=lambda what, _: what != 'num_batches_tracked'),
            'num_batches_tracked丢了：它两边同名，也要抄。',
            'num_batches_tracked is lost: it has the same name in both, and '
            'has to be copied too.',
        ),
        Mistake(
            'no-buffers',
            _renamed(keep=lambda what, _: what[:2] not in ('mo', 'nu')),
            '缓冲区丢了：只抄参数，预测时用的移动平均从哪里来？',
            'the buffers are lost: where would prediction take its moving '
            'averages from?',
        ),
        Mistake(
            'other-layers-lost',
            _renamed(keep=lambda what, in_norm: in_norm),
            '批量归一化层对了，别的层丢了：名字不用换的也要放进新字典。',
            'batch normalization is right, the other layers are lost: what '
            'keeps its name goes into the new dict as well.',
        ),
        Mistake(
            'learned-only',
            _renamed({'gamma': 'weight', 'beta': 'bias'}),
            'moving_mean和moving_var没有换名字。',
            'moving_mean and moving_var still have their old names.',
        ),
    ),
)
