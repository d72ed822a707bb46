"""The trials of lesson 07, their table, and what is told of differences.

The nets, the loop and the trials are those that the lesson's cells define.
Rows that need no images are always run again; those that do, where the real
ones are at hand.
"""

import csv
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from claims import all_rows
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from d2lmini.trials import Table, difference, every, from_notebook, ratio
from d2lmini.trials import table as trial_table
from d2lmini.trials.weigh import T95

LESSON = Path(__file__).parents[2] / 'notebooks' / '07_claims.ipynb'
TABLE = from_notebook(LESSON)
CSV = LESSON.parent / TABLE.path
PLAIN, BN = 'linear-relu', 'linear-norm-relu'
# Cheap rows: the numbers of the first seed are made again.
EXACT = [
    ('bias', {'block': BN}),
    ('bias', {'block': PLAIN}),
    ('twin', {'block': BN}),
    ('twin', {'block': PLAIN}),
    ('shift', {'place': 'relu', 'p': 0.5}),
    ('shift', {'place': 'signed', 'p': 0.3}),
]
REAL = [
    ('faster',
     {'block': BN, 'how': 'He', 'pixels': 'standardized', 'lr': 0.1}),
    ('lenet_speed',
     {'norm': 'bn', 'how': 'Xavier4', 'pixels': 'standardized', 'lr': 1.0}),
    ('initial', {'block': BN, 'scale': 0.1, 'lr': 1.0}),
    ('gamma_beta', {'part': 'gamma_beta', 'lr': 1.0}),
    ('depth', {'block': BN, 'layers': 40, 'batch': 256}),
]  # fmt: skip


def page(name: str) -> Any:
    """Return what a cell of the lesson defines."""
    return TABLE.trials['faster']._run.__globals__[name]


# The table


def test_the_table_is_whole() -> None:
    have = [(row['trial'], row['setting'], row['seed']) for row in TABLE.rows]
    want = [(trial, setting, seed) for trial, setting, seed in all_rows(TABLE)]
    assert have == want
    for name in ('faster', 'end', 'end_lenet', 'dropout', 'order', 'smooth'):
        assert len(TABLE.trials[name].seeds) >= 8


def test_each_row_has_versions_seconds_and_a_result() -> None:
    with CSV.open(encoding='utf8', newline='') as file:
        table = csv.DictReader(file)
        assert table.fieldnames == [*trial_table.COLUMNS]
        for row in table:
            assert re.match(r'\d+\.\d+', row['torch'])
            assert re.match(r'3\.\d+', row['python'])
            assert 0 <= float(row['seconds']) < 600 and row['result']
    assert sum(row['seconds'] for row in TABLE.rows) < 2 * 90 * 60


def test_no_number_is_none_and_accuracies_are_shares() -> None:
    for row in TABLE.rows:
        for name, value in row['result'].items():
            assert not math.isnan(value)
            if name in ('acc', 'fresh', 'valid', 'valid_acc'):
                assert 0 <= value <= 1


def at_an_end(
    rows: list[dict[str, Any]], by: str, best: Callable[..., float]
) -> list[str]:
    """Return the settings whose best rate is an end of those tried.

    0, that is no training, has no rate below it.
    """
    tried: dict[str, dict[float, list[float]]] = {}
    for row in rows:
        setting = dict(row['setting'])
        rates = tried.setdefault(
            str({k: v for k, v in setting.items() if k != 'lr'}), {}
        )
        rates.setdefault(setting['lr'], []).append(row['result'][by])
    return [
        setting
        for setting, rates in tried.items()
        for lr in [best(rates, key=lambda lr: sum(rates[lr]) / len(rates[lr]))]
        if lr and lr in (min(rates), max(rates))
    ]


@pytest.mark.parametrize(
    ('name', 'by', 'best'),
    [
        ('faster', 'steps', min),
        ('faster', 'held', min),
        ('optimizers', 'steps', min),
        ('initial', 'valid', max),
        ('end', 'valid', max),
        ('end', 'valid_acc', max),
        ('end_lenet', 'valid', max),
        ('end_lenet', 'valid_acc', max),
        ('dropout', 'valid', max),
        ('dropout', 'valid_acc', max),
        ('order', 'valid', max),
        ('gamma_beta', 'valid', max),
    ],
)
def test_the_rates_go_past_each_choice(
    name: str, by: str, best: Callable[..., float]
) -> None:
    rows = TABLE.trials[name].rows
    if name == 'end_lenet':  # the rates on either side have three seeds
        rows = rows + TABLE.trials['end_around'].rows
        rows = [row for row in rows if row['seed'] < 3]
    assert at_an_end(rows, by, best) == []


def test_a_choice_at_an_end_is_seen() -> None:
    rows = [
        row
        for row in TABLE.trials['gamma_beta'].rows
        if row['setting']['lr'] <= 10
    ]
    ends = at_an_end(rows, 'valid', max)
    assert ends == ["{'part': 'two_weights_each'}"]


@pytest.mark.parametrize(('trial', 'setting'), EXACT)
def test_a_row_without_images_is_made_again(
    trial: str, setting: trial_table.Setting
) -> None:
    again = TABLE.trials[trial](0, **setting)
    for name, value in again.items():
        (told,) = TABLE.trials[trial].values(name, seeds=range(1), **setting)
        assert value == pytest.approx(told, rel=1e-3, abs=1e-9)


@pytest.mark.skipif(
    not os.environ.get('D2LMINI_DATA'), reason='needs the real images'
)
@pytest.mark.parametrize(('trial', 'setting'), REAL)
def test_a_row_of_images_is_made_again(
    trial: str, setting: trial_table.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_DATASET', 'fashion-mnist')
    monkeypatch.setenv('D2LMINI_QUICK', '')
    page('images').cache_clear()
    again = TABLE.trials[trial](0, **setting)
    page('images').cache_clear()
    # Other versions round differently, and training makes more of it.
    for name, value in again.items():
        (told,) = TABLE.trials[trial].values(name, seeds=range(1), **setting)
        share = name in ('acc', 'fresh', 'valid', 'valid_acc')
        near = {'abs': 0.02} if share else {'rel': 0.15}
        assert value == pytest.approx(told, **near), name


def test_every_setting_is_a_combination() -> None:
    assert every(a=[1, 2], b=['x']) == [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]


@pytest.fixture
def small(tmp_path: Path) -> Table:
    path = tmp_path / 'small.csv'
    rows = [
        ('double', 2, 1, '5'),
        ('double', 2, 0, '4'),
        ('double', 3, 0, 'Infinity'),
        ('other', 2, 0, '9'),
    ]
    with path.open('w', encoding='utf8', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(trial_table.COLUMNS)
        for trial, x, seed, y in rows:
            setting, result = f'{{"x": {x}}}', f'{{"y": {y}}}'
            writer.writerow([trial, setting, seed, result, 0.1, '2', '3'])
    return Table(path)


def test_a_trial_has_its_rows_by_setting_and_seed(small: Table) -> None:
    @small.trial(2, every(x=[2.0, 3.0]))
    def double(x: float) -> dict[str, float]:
        return {'y': 2 * x, 'z': float(torch.rand(()))}

    assert double.values('y', x=2.0) == [4, 5]
    assert double.values('y', x=2.0, seeds=range(1, 2)) == [5]
    assert double.values('y', x=3.0) == [math.inf]
    with pytest.raises(ValueError, match='no row of double'):
        double.values('y', x=4.0)
    assert double(0, x=2.0) == double(0, x=2.0) != double(1, x=2.0)
    assert [*all_rows(small)][:3] == [
        ('double', {'x': 2.0}, 0),
        ('double', {'x': 2.0}, 1),
        ('double', {'x': 3.0}, 0),
    ]


def test_what_is_no_number_counts_as_infinite(small: Table) -> None:
    @small.trial(1, every(x=[2.0]))
    def broken(x: float) -> dict[str, float]:
        return {'y': math.nan * x}

    assert broken(0, x=2.0) == {'y': math.inf}


def test_again_prints_the_new_number_beside_the_old(
    small: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    @small.trial(2, every(x=[2.0]))
    def double(x: float) -> dict[str, float]:
        return {'y': 2 * x}

    double.again(1, x=2.0)
    assert capsys.readouterr().out == (
        'y        now 4, in the table 5; all 2 seeds: 4 to 5\n'
    )


def test_only_the_marked_cells_of_a_lesson_run(tmp_path: Path) -> None:
    marked = {'tags': ['trial']}
    cells = [
        ('from d2lmini.trials import Table', marked),
        ('raise RuntimeError', {}),
        ('table = Table("none.csv")', marked),
        ('# words', {'tags': ['lang-zh']}),
    ]
    path = tmp_path / 'lesson.ipynb'
    path.write_text(
        json.dumps(
            {
                'cells': [
                    {'id': str(i), 'source': [source], 'metadata': metadata}
                    for i, (source, metadata) in enumerate(cells)
                ]
            }
        )
    )
    before = Path.cwd()
    assert from_notebook(path).trials == {} and Path.cwd() == before


# Differences


@pytest.mark.parametrize(('degrees', 't'), T95.items())
def test_t_has_95_percent_within(degrees: int, t: float) -> None:
    x = np.linspace(-t, t, 200_001)
    density = (1 + x**2 / degrees) ** (-(degrees + 1) / 2)
    top = math.gamma((degrees + 1) / 2) / math.gamma(degrees / 2)
    share = np.trapezoid(density, x) * top / math.sqrt(degrees * math.pi)
    assert share == pytest.approx(0.95, abs=1e-3)


def test_the_interval_holds_the_true_difference_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for a, b in rng.normal(size=(4000, 2, 8)):
        gap = difference(a + 1, 3 * b)
        assert gap.low < gap.mean < gap.high
        held += gap.low < 1 < gap.high
    assert 0.94 < held / 4000 < 0.96


def test_a_ratio_is_a_difference_of_logarithms() -> None:
    twice = ratio([2, 4, 8], [1, 2, 4])
    assert twice == pytest.approx((2, 2, 2))
    reach = 12.71 * math.log(4) / 2  # half of the interval, for 2 numbers
    assert ratio([1, 4], [1, 1]) == pytest.approx(
        (2, 2 * math.exp(-reach), 2 * math.exp(reach))
    )
    assert f'{ratio([1, 4], [1, 1]):.1f}'.startswith('2.0 (0.0 to 1')


def test_differences_need_as_many_and_finite_numbers() -> None:
    with pytest.raises(ValueError, match='zip'):
        difference([1, 2, 3], [1, 2])
    assert difference([math.inf, 1], [1, 1]).low == -math.inf
    alone = difference([3.0], [1.0])  # of a loop that was stopped early
    assert alone.mean == 2 and f'{alone:.1f}' == '2.0 (nan to nan)'


# What the lesson's cells define


def test_a_net_has_the_layers_that_its_words_say() -> None:
    net = page('build')(
        'linear-norm-relu', (8, 5, 4, 3), last='linear-sigmoid-drop', p=0.3
    )
    kinds = [type(layer).__name__ for layer in net]
    assert kinds == ['Flatten', 'Linear', 'BatchNorm1d', 'ReLU',
                     'Linear', 'Sigmoid', 'Dropout', 'Linear']  # fmt: skip
    assert net[6].p == 0.3 and net(torch.rand(6, 8)).shape == (6, 3)
    assert page('hidden')(net) == [net[1], net[4]]


@pytest.mark.parametrize(
    ('how', 'std'),
    [('He', 2 / 784), ('Xavier', 2 / 884), ('Xavier4', 32 / 884)],
)
def test_weights_start_as_wide_as_their_rule_says(
    how: str, std: float
) -> None:
    torch.manual_seed(0)
    net = page('start')(page('build')(PLAIN), how, scale=3.0)
    assert net[1].weight.std().item() == pytest.approx(3 * std**0.5, rel=0.02)
    assert not net[1].bias.any()


def test_training_is_plain_gradient_descent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    X, y = torch.rand(10, 784), torch.randint(10, (10,))
    names = page('training').__globals__
    monkeypatch.setitem(names, 'images', lambda _: [(X, y)])
    net = page('build')(PLAIN)
    other = page('build')(PLAIN)
    other.load_state_dict(net.state_dict())
    stream = page('training')(net, 0.5, batch_size=10, decay=0.1)
    for _ in range(3):  # a batch is all there is: order does not matter
        loss = nn.functional.cross_entropy(other(X), y)
        params = [*other.parameters()]
        slopes = torch.autograd.grad(loss, params)
        with torch.no_grad():
            for p, slope in zip(params, slopes, strict=True):
                inside = p.dim() == 2 and p is not other[-1].weight
                p -= 0.5 * (slope + 0.1 * p * inside)
        assert next(stream) == pytest.approx(loss.item(), rel=1e-5)
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_a_step_down_is_that_of_the_optimizer() -> None:
    torch.manual_seed(0)
    X = torch.rand(6, 8)
    net = page('build')(BN, (8, 5, 4, 3))
    other = page('build')(BN, (8, 5, 4, 3))
    other.load_state_dict(net.state_dict())
    inside = [layer.weight for layer in page('hidden')(other)]
    rest = [p for p in other.parameters() if all(p is not w for w in inside)]
    rates = zip(inside, (2.0, 3.0), strict=True)
    groups = [{'params': [w], 'lr': 0.1 * r} for w, r in rates]
    optimizer = torch.optim.SGD([*groups, {'params': rest}], lr=0.1)
    other(X).square().mean().backward()
    optimizer.step()
    page('step_down')(net, net(X).square().mean(), 0.1, shares=[2.0, 3.0])
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_re_estimated_statistics_are_those_of_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    X = torch.rand(1000, 784)
    names = page('training').__globals__  # the other is wrapped
    monkeypatch.setitem(names, 'images', lambda _: [(X, None)])
    net = page('start')(page('build')('linear-norm-relu-drop', p=0.5))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    fresh = page('reestimated')(net)
    first = net[1](X)
    torch.testing.assert_close(fresh[2].running_mean, first.mean(dim=0))
    torch.testing.assert_close(fresh[2].running_var, first.var(dim=0))
    assert not fresh.training and net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.1, 3))
def test_the_goal_is_reached_when_the_mean_of_20_is(
    losses: list[float], goal: float
) -> None:
    reached = [
        step
        for step in range(20, len(losses) + 1)
        if sum(losses[step - 20 : step]) / 20 <= goal
    ]
    assert page('steps_to')(goal, losses) == min(reached, default=math.inf)


def test_the_twin_is_no_twin_without_its_larger_rate() -> None:
    # The gap of a twin is rounding; leave the rates as they are, and it is
    # not: the trial would notice.
    twin = TABLE.trials['twin']
    names = twin._run.__globals__
    whole = names['step_down']

    def without(
        net: Any, loss: Any, lr: Any, decay: Any = 0.0, **_: Any
    ) -> None:
        whole(net, loss, lr, decay)

    names['step_down'] = without
    try:
        assert twin(0, block=BN)['gap'] > 1e-3
    finally:
        names['step_down'] = whole
    assert twin(0, block=BN)['gap'] < 1e-12
