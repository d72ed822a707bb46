"""Each suspect of the bug hunt is wrong in its own way, and in no other."""

import inspect
from typing import NamedTuple

import pytest
import torch
from torch import nn

from d2lmini import norm, oracle
from d2lmini.hunt import broken
from d2lmini.norm import BatchNorm


class Fault(NamedTuple):
    """A suspect's fault, and the columns that it shows in."""

    make: type[BatchNorm]
    fault: str
    wrong: set[str]  # these, whatever the machine
    rounding: frozenset[str] | set[str] = frozenset()  # these perhaps


_ANY_OUTPUT = {'double', 'non_contiguous', 'channels_last'}
_IN_TRAINING = {'train_output', 'grad_input', 'grad_gamma', 'train_no_grad'}
_IN_EVALUATION = {'eval_output', 'eval_grad', 'double'}
_HALF = {'half', 'bfloat16'}
# Both columns compare what is remembered as well.
_MEMORY = {'eps', 'one_value'}
FAULTS = [
    Fault(
        broken.Broken1,
        'eps outside the root',
        {'eps', 'constant'},
        _IN_TRAINING | _IN_EVALUATION | _ANY_OUTPUT | {'one_value'},
    ),
    Fault(
        broken.Broken2,
        'the unbiased variance normalizes',
        _IN_TRAINING | _ANY_OUTPUT | _HALF | {'eps', 'offset', 'constant'},
        {'one_value'},
    ),
    Fault(
        broken.Broken3,
        'statistics remembered in evaluation too',
        _IN_EVALUATION | _HALF | _MEMORY | {'num_batches', 'deepcopy'},
    ),
    Fault(
        broken.Broken4,
        'no gradient through the statistics',
        {'grad_input', 'non_contiguous', 'channels_last', 'gradcheck'},
    ),
    Fault(
        broken.Broken5,
        'momentum the other way round',
        {'moving_mean', 'moving_var', 'momentum', 'momentum_none'}
        | {'train_no_grad'}
        | _IN_EVALUATION
        | _HALF
        | _MEMORY,
    ),
    Fault(
        broken.Broken6,
        'each image normalized by itself',
        {'moving_var', 'momentum', 'momentum_none', 'offset', 'constant'}
        | _IN_TRAINING
        | _IN_EVALUATION
        | _ANY_OUTPUT
        | _HALF
        | _MEMORY,
    ),
    Fault(
        broken.Broken7, 'E[x^2] - E[x]^2', {'offset'}, {'grad_gamma', 'eps'}
    ),
    Fault(
        broken.Broken8,
        'the moving variance starts at zero',
        {'moving_var', 'momentum', 'train_no_grad'} | _IN_EVALUATION | _MEMORY,
        _HALF,
    ),
    Fault(broken.Broken9, 'moving averages not saved', {'save_load'}),
    Fault(
        broken.Broken10,
        'moving averages keep the graph',
        {'no_graph', 'deepcopy'},
    ),
]
EACH = pytest.mark.parametrize('case', FAULTS, ids=lambda case: case.fault)


def wrong(make: type[nn.Module]) -> set[str]:
    return {v.column.key for v in oracle.compare(make) if not v.ok}


@EACH
def test_a_suspect_is_wrong_in_its_own_way_alone(case: Fault) -> None:
    found = wrong(case.make)
    assert case.wrong <= found <= case.wrong | case.rounding


def test_what_the_suspects_are_made_of_is_right() -> None:
    assert wrong(broken.suspect(0)) == set()


def test_there_is_a_case_for_every_suspect() -> None:
    named = {n for n in vars(broken) if n.startswith('Broken')}
    assert named == {case.make.__name__ for case in FAULTS}


@EACH
def test_its_changes_are_lines_of_the_layer_and_its_own(case: Fault) -> None:
    number = int(case.make.__name__.removeprefix('Broken'))
    right = inspect.getsource(norm).splitlines()
    lines = broken.changes(number).splitlines()
    gone = [line[2:] for line in lines if line.startswith('- ')]
    come = [line[2:] for line in lines if line.startswith('+ ')]
    assert len(gone) + len(come) == len(lines)
    assert set(gone) <= set(right) and come and not set(come) & set(right)


@EACH
def test_a_suspect_is_built_like_the_layer(case: Fault) -> None:
    built = inspect.signature(case.make)
    assert built == inspect.signature(BatchNorm)
    shapes = [tuple(p.shape) for p in case.make(3, 4).parameters()]
    assert shapes == [(1, 3, 1, 1)] * 2


@EACH
def test_its_help_gives_nothing_away(case: Fault) -> None:
    own = {case.make.__doc__}
    own |= {f.__doc__ for f in vars(case.make).values() if callable(f)}
    assert own <= {'A suspect.', None}


@EACH
def test_a_suspect_trains_all_the_same(case: Fault) -> None:
    torch.manual_seed(0)
    X = torch.randn(64, 8)
    y = (X[:, 0] > 0).long()
    net = nn.Sequential(nn.Linear(8, 16), case.make(16, 2), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]  # why it is not found by the loss
