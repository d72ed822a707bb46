"""The faults of lesson 11: right code, and the edits that break it.

All causes of a puzzle are edits of the same code, so that what another cause
would show can be shown. Ten puzzles are about the layer of lesson 03.
"""

import copy
from collections.abc import Callable
from string import ascii_uppercase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini import exercises
from d2lmini.exercises.batch_norm import BATCH_NORM_LAYER
from d2lmini.exercises.engine import Edit, Exercise, Results, changed, code_of
from d2lmini.show.lang import Words

Answer = Callable[..., Any]

# The kinds of faults, by the lesson that teaches them.
KINDS: dict[str, Words] = {
    '02': ('公式和梯度', 'equations and gradients'),
    '03': ('自己写的层', 'writing the layer'),
    '05': ('momentum、eps和起点', 'momentum, eps and the start'),
    '06': ('训练与评估', 'training and evaluation'),
    '08': ('归一化家族', 'the family'),
    '09': ('多个进程', 'many machines'),
    '10': ('部署', 'deployment'),
}


class Puzzle:
    """A fault to be found and fixed.

    Parameters
    ----------
    lesson : str, a key of `KINDS`
    exercise : Exercise, whose right answer is broken
    letter : str, of the true cause
    *causes : Edit, or str, keys of mistakes in the exercise; from A on
    """

    def __init__(
        self, lesson: str, exercise: Exercise, letter: str, *causes: Edit | str
    ) -> None:
        self.lesson, self.exercise, self.letter = lesson, exercise, letter
        known = {m.key: m for m in reversed(exercise.known)}  # the first way
        edits: list[Any] = []
        for cause in causes:
            keys = cause.split() if isinstance(cause, str) else ()
            edits += [known[key] for key in keys] or [cause]
        self.causes = dict(zip(ascii_uppercase, edits, strict=False))

    def code(self, letter: str = '') -> Any:
        """Return the code with the fault of a cause, by default the true."""
        return code_of(self.exercise, self.causes[letter or self.letter])

    def changes(self, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        """Return all (old, new) words of the fault, and more after them."""
        return *self.causes[self.letter].changes, *more

    def texts(self) -> tuple[str, str]:
        """Return the right code and the broken one."""
        return changed(self.exercise), changed(self.exercise, self.changes())


# What is broken, besides the answers to exercises.


def tune_head(net: Any, batches: Any, num_epochs: int, lr: float) -> Any:
    """Train the last layer alone; the others are frozen."""
    body, head = net[:-1], net[-1]
    body.requires_grad_(False)
    optimizer = torch.optim.SGD(head.parameters(), lr)
    for _ in range(num_epochs):
        net.train()
        body.eval()
        for X, y in batches:
            loss: Any = cross_entropy(net(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


def average(ema: nn.Module, net: nn.Module, decay: float) -> nn.Module:
    """Move the averaged net a little towards the net that trains."""
    with torch.no_grad():
        olds = ema.state_dict()
        for name, new in net.state_dict().items():
            if new.is_floating_point():
                olds[name].lerp_(new, 1 - decay)
    return ema


def from_keras(weights: list[Tensor], momentum: float, eps: float) -> Any:
    """Return a layer that does what a layer of Keras did."""
    gamma, beta, mean, var = weights
    norm = nn.BatchNorm1d(len(gamma), momentum=1 - momentum, eps=eps)
    norm.weight.data, norm.bias.data = gamma.clone(), beta.clone()
    norm.running_mean, norm.running_var = mean.clone(), var.clone()
    return norm


def with_group_norm(net: Any, lr: float) -> Any:
    """Put group norm in the place of batch norm; make an optimizer."""
    for i, layer in enumerate(net):
        if isinstance(layer, nn.BatchNorm1d):
            C = layer.num_features
            net[i] = nn.GroupNorm(4, C)
    optimizer = torch.optim.SGD(net.parameters(), lr)
    return net, optimizer


# How it is judged.


def _net() -> nn.Sequential:
    layers = nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
    layers[1](torch.randn(6, 8))  # moves its averages
    return nn.Sequential(*layers)


def _tuning() -> tuple[Any, ...]:
    return _net(), [(torch.randn(6, 2) + 1, torch.arange(6) % 3)], 2, 0.1


def _used(answer: Answer, *args: Any) -> Results:
    """Look at a net after a step of training, and at its output before."""
    net = answer(*args)
    X = torch.randn(5, next(net.parameters()).shape[-1])
    Y = net.eval()(X)
    net.train()(X)
    seen = {k: x for k, x in net.state_dict().items() if x.is_floating_point()}
    return {**seen, ('评估时的输出', 'the output in evaluation'): Y}


def _followed(answer: Answer, ema: Any, net: Any, decay: float) -> Results:
    """Look at what became of an averaged net, from any one before."""
    old, new = copy.deepcopy(ema.state_dict()), net.state_dict()
    now = answer(ema, net, decay).state_dict()
    seen: Results = {name: now[name] for name, _ in ema.named_parameters()}
    for name in ('1.running_mean', '1.running_var'):
        # Statistics may be averaged or copied: both fit the weights.
        ways = old[name].lerp(new[name], 1 - decay), new[name]
        fits = [torch.allclose(now[name], way, atol=1e-5) for way in ways]
        seen[f'{name}平均过或抄过', f'{name} averaged or copied'] = any(fits)
    return seen


def _has_groups(answer: Answer, *args: Any) -> Results:
    """Look at what any number of groups must do."""
    net, optimizer = answer(*args)
    Y, other = net(torch.zeros(4, 2)), net(torch.randn(4, 2))
    held = {id(p) for g in optimizer.param_groups for p in g['params']}
    lost = len({id(p) for p in net.parameters()} - held)
    kinds = nn.GroupNorm, nn.LayerNorm
    return {
        ('换上的层', 'new layers'): sum(isinstance(m, kinds) for m in net),
        ('输出有变化', 'outputs differ'): bool((Y - other).abs().max() > 0.01),
        ('优化器缺的参数', 'parameters that the optimizer lacks'): lost,
    }


def _exercise(right: Answer, args: Answer, see: Answer = _used) -> Exercise:
    return Exercise(right.__name__, right, [args], see=see)


# The puzzles.

_IN_LAYER = (
    'remembers_in_eval var_zeros eps_outside keeps_graph axes_one_example '
    'unbiased_normalizes not_saved cancels cut_gradient momentum_reversed '
    'gradients_mode biased_remembered'
)
_FREEZE, _EVAL = '    body.requires_grad_(False)\n', '        body.eval()\n'
_OPTIMIZER = '    optimizer = torch.optim.SGD(net.parameters(), lr)\n'
_GROUPS = 'nn.GroupNorm(4, C)'
_LAYERS = '02C', '03F', '06A', '02I', '05J', '02E', '03H', '05B', '03G', '03D'
PUZZLES = (
    *(
        Puzzle(each[:2], BATCH_NORM_LAYER, each[2], _IN_LAYER)
        for each in _LAYERS
    ),
    Puzzle(
        '06',
        exercises.check_accuracy_of,
        'C',
        Edit('torch.no_grad()', 'torch.enable_grad()'),
        Edit('net(X)', 'net((X - X.mean(0)) / X.std(0))'),
        'mode-forgotten mode-left',
    ),
    Puzzle(
        '06',
        _exercise(tune_head, _tuning),
        'A',
        Edit((_EVAL, _FREEZE), ('', f'{_FREEZE}    body.eval()\n')),
        Edit((_FREEZE, 'head.para'), ('', 'net.para')),
        Edit((_EVAL, _FREEZE), ('', f'{_FREEZE}    body[1].momentum = 0.0\n')),
        Edit('            optimizer.zero_grad()\n', ''),
    ),
    Puzzle(
        '06',
        _exercise(average, lambda: (_net(), _net(), 0.75), _followed),
        'B',
        Edit('1 - decay', 'decay'),
        Edit('state_dict().items', 'named_parameters'),
        Edit('].lerp_(', '] = olds[name].lerp('),
    ),
    Puzzle(
        '05',
        _exercise(from_keras, lambda: (torch.rand(4, 3) + 0.5, 0.8, 0.5)),
        'D',
        Edit('1 - momentum', 'momentum'),
        Edit('mean, var =', 'var, mean ='),
        Edit('var.clone()', 'var.sqrt()'),
        Edit(', eps=eps', ''),
    ),
    Puzzle(
        '08',
        _exercise(with_group_norm, lambda: (_net(), 0.1), _has_groups),
        'B',
        Edit(
            ('    for', f'{_OPTIMIZER}    return'),
            (f'{_OPTIMIZER}    for', '    return'),
        ),
        Edit(_GROUPS, 'nn.GroupNorm(C, C)'),
        Edit(_GROUPS, 'nn.GroupNorm(1, C)'),
    ),
    Puzzle(
        '09',
        exercises.check_pool,
        'C',
        'unweighted deviations between-forgotten weights-not-shares',
    ),
    Puzzle(
        '10',
        exercises.check_fold,
        'C',
        'beta-forgotten mean old-bias-forgotten eps-outside',
    ),
)
