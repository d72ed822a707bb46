"""The trials of lesson 07 and their table: what is written can be made again.

Rows that need no images are always run again; those that do, where the real
ones are at hand.
"""

import csv
import math
import os
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from d2lmini.trials import plan as trials
from d2lmini.trials import table as trial_table
from d2lmini.trials.formula import run_shift
from d2lmini.trials.nets import (
    Unsteady,
    accuracy_on,
    batch_losses,
    hidden,
    stacked,
    steps_to_goal,
    trial_images,
)

TABLE = Path(__file__).parents[2] / 'notebooks' / 'claims.csv'
ROWS = trial_table.read_rows(TABLE) if TABLE.exists() else []
# Cheap rows: the numbers of the first seed are made again.
EXACT = [
    ('bias', {'block': trials.BN}),
    ('bias', {'block': trials.PLAIN}),
    ('twin', {'block': trials.BN}),
    ('twin', {'block': trials.PLAIN}),
    ('shift', {'place': 'relu', 'p': 0.5}),
    ('shift', {'place': 'signed', 'p': 0.3}),
    ('depth', {'block': trials.BN, 'depth': 20}),
    ('depth', {'block': trials.PLAIN, 'depth': 20}),
]
REAL = [
    ('rates', {'block': trials.BN, 'lr': 0.1}),
    ('lenet', {'norm': 'bn', 'lr': 1.0}),
    ('init', {'block': trials.BN, 'scale': 0.1, 'lr': 1.0}),
    ('gamma-beta', {'train': 'gamma-beta', 'lr': 1.0}),
]


def written(trial: str, setting: trials.Setting) -> dict[str, float]:
    names = setting.items()
    (row,) = (
        row['result']
        for row in ROWS
        if row['trial'] == trial
        and row['seed'] == 0
        and names <= row['setting'].items()
    )
    return dict(row)


# The table


def test_the_table_is_whole() -> None:
    have = [
        (row['trial'], trial_table.pairs_text(row['setting']), row['seed'])
        for row in ROWS
    ]
    want = [
        (trial, trial_table.pairs_text(setting), seed)
        for trial, setting, seed in trials.all_rows()
    ]
    assert have == want and len(trials.SEEDS) >= 5


def test_each_row_has_versions_seconds_and_a_result() -> None:
    with TABLE.open(encoding='utf8', newline='') as file:
        table = csv.DictReader(file)
        assert table.fieldnames == [*trial_table.COLUMNS]
        for row in table:
            assert re.match(r'\d+\.\d+', row['torch'])
            assert re.match(r'3\.\d+', row['python'])
            assert 0 <= float(row['seconds']) < 600 and row['result']
    assert sum(row['seconds'] for row in ROWS) < 2 * 90 * 60


def test_a_rerun_says_what_the_table_says_it_does() -> None:
    for row in ROWS:
        for name, value in row['result'].items():
            assert not math.isnan(value)
            assert name not in ('acc', 'again', 'valid') or 0 <= value <= 1


@pytest.mark.parametrize(('trial', 'setting'), EXACT)
def test_a_row_without_images_is_made_again(
    trial: str, setting: trials.Setting
) -> None:
    again = trials.rerun(trial, 0, **setting)
    assert again == pytest.approx(written(trial, setting), rel=1e-3, abs=1e-9)


@pytest.mark.skipif(
    not os.environ.get('D2LMINI_DATA'), reason='needs the real images'
)
@pytest.mark.parametrize(('trial', 'setting'), REAL)
def test_a_row_of_images_is_made_again(
    trial: str, setting: trials.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_DATASET', 'fashion-mnist')
    monkeypatch.setenv('D2LMINI_QUICK', '')
    table, again = written(trial, setting), trials.rerun(trial, 0, **setting)
    # Other versions round differently, and training makes more of it.
    assert again.keys() == table.keys()
    for name, value in again.items():
        near = {'acc': {'abs': 0.02}}.get(name, {'rel': 0.15})
        assert value == pytest.approx(table[name], **near)


@given(
    st.dictionaries(
        st.from_regex('[a-z]{1,8}', fullmatch=True),
        st.floats(allow_nan=False, allow_subnormal=False)
        | st.from_regex(r'[a-hj-m][a-z0-9\-]{0,12}', fullmatch=True),
    )
)
def test_the_text_of_a_setting_is_read_as_it_was(
    setting: dict[str, str | float],
) -> None:
    again = trial_table.pairs_read(trial_table.pairs_text(setting))
    assert [*again] == [*setting]
    for key, value in setting.items():
        near = value if isinstance(value, str) else pytest.approx(value, 1e-5)
        assert again[key] == near


def test_values_are_those_of_a_setting_by_seed() -> None:
    rows = [
        {
            'trial': 'a',
            'setting': {'p': p},
            'seed': s,
            'result': {'x': p + s},
        }
        for s in (1, 0)
        for p in (0.5, 0.7)
    ]
    assert trial_table.values_of(rows, 'a', 'x', p=0.5) == [0.5, 1.5]
    mean, std = trial_table.mean_and_spread([0.5, 1.5])
    assert mean == 1 and std == pytest.approx(math.sqrt(0.5))
    assert trial_table.mean_and_spread([1, math.inf])[0] == math.inf
    with pytest.raises(ValueError, match='no row a with'):
        trial_table.values_of(rows, 'a', 'x', p=0.9)


def test_an_unknown_trial_is_named() -> None:
    with pytest.raises(ValueError, match="got 'speed'"):
        trials.rerun('speed', 0)


# The nets and the loop


def test_a_block_stands_as_its_words_say() -> None:
    net = stacked('linear-drop-norm-relu', 5, 4, 3, 2, p=0.3)
    kinds = [type(m).__name__ for m in net]
    block = ['Linear', 'Dropout', 'BatchNorm1d', 'ReLU']
    assert kinds == ['Flatten', *block, *block, 'Linear']
    assert net[2].p == 0.3 and net(torch.rand(6, 5)).shape == (6, 2)
    assert [layer.out_features for layer in hidden(net)] == [4, 3]


def test_the_last_block_and_the_bias_can_differ() -> None:
    net = stacked('linear-relu', 5, 4, 3, 2, last='linear-sigmoid', bias=False)
    assert isinstance(net[2], nn.ReLU) and isinstance(net[4], nn.Sigmoid)
    assert all(layer.bias is None for layer in hidden(net))
    assert net[-1].bias is not None


def test_a_word_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="got 'tanh'"):
        stacked('linear-tanh', 5, 4, 2)


def test_noise_is_there_in_training_alone() -> None:
    noise, Y = Unsteady(3.0), torch.randn(500, 4)
    assert torch.equal(noise.eval()(Y), Y)
    torch.manual_seed(0)
    first, second = noise.train()(Y), noise(Y)
    assert (first.mean(0) - second.mean(0)).abs().max() > 0.1
    assert first.std(0).max() > 1.05


def test_training_equals_sgd_written_out() -> None:
    torch.manual_seed(0)
    X, y = torch.randn(8, 3), torch.randint(2, (8,))
    net = stacked('linear-relu', 3, 4, 2)
    twin = stacked('linear-relu', 3, 4, 2)
    twin.load_state_dict(net.state_dict())
    stream = batch_losses(
        net, (X, y), torch.optim.SGD(net.parameters(), 0.5), 8
    )
    losses = [next(stream) for _ in range(5)]
    for loss in losses:
        mine = nn.functional.cross_entropy(twin(X), y)
        assert mine.item() == pytest.approx(loss, rel=1e-5)
        twin.zero_grad()
        mine.backward()
        with torch.no_grad():
            for p in twin.parameters():
                p -= 0.5 * p.grad
    assert losses[-1] < losses[0]


def test_training_ends_where_the_loss_is_not_finite() -> None:
    X, y = torch.full((8, 3), math.inf), torch.zeros(8).long()
    net = stacked('linear-relu', 3, 4, 2)
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    assert list(batch_losses(net, (X, y), optimizer, 4)) == []
    with pytest.raises(ValueError, match='need 9 examples a batch, got 8'):
        next(batch_losses(net, (X, y), optimizer, 9))


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.5, 2))
def test_the_goal_is_reached_by_a_mean_of_twenty(
    losses: list[float], goal: float
) -> None:
    steps = steps_to_goal(losses, goal)
    means = {
        i: sum(losses[i - 20 : i]) / 20 for i in range(20, len(losses) + 1)
    }
    if steps < math.inf:
        assert means[int(steps)] <= goal + 1e-9
    assert all(m > goal - 1e-9 for i, m in means.items() if i < steps)


def test_accuracy_leaves_the_mode() -> None:
    net = stacked('linear-norm-relu', 3, 4, 2).train()
    X = torch.randn(1500, 3)
    y = net.eval()(X).argmax(dim=1)
    assert accuracy_on(net.train(), (X, y)) == 1 and net.training
    assert accuracy_on(net, (X, 1 - y)) == 0


def test_quick_mode_takes_fewer_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    monkeypatch.setenv('D2LMINI_DATASET', 'drawn')
    train, valid, test = trial_images()
    assert [len(X) for X, _ in (train, valid, test)] == [2060, 500, 1000]
    assert train[0].max() <= 1 and train[0].shape[1:] == (1, 28, 28)
    assert not torch.equal(train[0][-1], valid[0][-1])


# What the trials must find, whatever the numbers


def test_dropout_shifts_the_variance_as_the_formula_says() -> None:
    p = 0.5
    mean2, var = 1 / (2 * math.pi), 0.5 - 1 / (2 * math.pi)  # after a ReLU
    wanted = var / ((mean2 + var) / (1 - p) - mean2)
    found = run_shift(3, place='relu', p=p)['ratio']
    assert found == pytest.approx(wanted, rel=0.02)
    assert run_shift(3, place='signed', p=p)['ratio'] == pytest.approx(
        1 - p, rel=0.03
    )
    assert run_shift(3, place='after', p=p)['ratio'] == pytest.approx(1)


def test_the_comparisons_see_a_difference_where_there_is_one() -> None:
    for trial in ('bias', 'twin'):
        same, other = (
            trials.rerun(trial, 7, block=block)['gap']
            for block in (trials.BN, trials.PLAIN)
        )
        assert same < 1e-12 and other > 1e-3
