"""The engine that judges answers: what it says, and what it survives."""

import io
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from d2lmini.exercises import guard
from d2lmini.exercises.compare import difference, plain, show
from d2lmini.exercises.engine import (
    Case,
    Edit,
    Exercise,
    Seen,
    Wrong,
    edited,
    judge,
    named,
)
from d2lmini.exercises.report import Report
from d2lmini.show import lang

X = torch.tensor([[1.0, 10], [3, 14], [5, 12]])


def centre(X: Tensor) -> Tensor:
    return X - X.mean(0, keepdim=True)


def median(X: Tensor) -> Tensor:
    return X - X.median(0, keepdim=True).values


CENTRE = Exercise(
    'centre',
    centre,
    [X, (X.T.contiguous(),)],
    {
        'axis': Edit('mean(0', 'mean(1') | '看`dim`' | 'Look at `dim`',
        'median': Wrong(median) | '这是中位数' | 'That is the median',
    },
)
over_features = edited(CENTRE, [('mean(0', 'mean(1')])


def same(X: Tensor) -> Tensor:
    factor = 1
    return factor * X


SAME = Exercise('same', same, [X])


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, 'LIMIT', 0.3)
    monkeypatch.setattr(guard, 'AGAIN', 0.05)


# What is right, and which mistake it is.


def test_right_answers_pass() -> None:
    for way in (torch.sum, lambda X, dim: X.double().sum(dim)):
        report = CENTRE(lambda X, way=way: X - way(X, 0) / len(X))
        assert (report.tried, report.ok) == (True, True)
        assert report.mistake is report.trouble is report.case is None


def test_mistake_is_named_with_the_smallest_case() -> None:
    report = CENTRE(lambda X: X - X.mean(dim=1)[:, None])
    assert (report.ok, report.mistake) == (False, 'axis')
    assert report.case is not None
    assert torch.equal(report.case.expected, centre(X))
    assert torch.equal(report.case.got, over_features(X))
    assert report.case.input[1] == '`X = [[1, 10], [3, 14], [5, 12]]`'
    for line in ('input: X = [[1, 10]', 'expected: [[-2', 'got: [[-4.5'):
        assert line in repr(report)


def test_case_that_passes_is_not_shown() -> None:
    report = CENTRE(lambda X: centre(X) if len(X) == 3 else X)
    assert report.mistake is None and report.case is not None
    assert torch.equal(report.case.got, X.T)
    assert '1 of 2 cases' in repr(report)
    case = Case(lambda: (X,), '一批', 'a batch')  # told in words
    assert 'input: a batch' in repr(replace(CENTRE, cases=[case])(torch.cos))


def test_unknown_mistake_is_not_guessed() -> None:
    report = CENTRE(torch.cos)
    assert (report.ok, report.mistake) == (False, None)
    assert '→' not in repr(report)


def test_stubs_are_not_tried() -> None:
    def raises(X: Tensor) -> None:
        raise NotImplementedError

    stubs = [None, ..., [..., ...], lambda X: None, lambda X: ..., raises]
    reports = [CENTRE(stub) for stub in stubs]
    assert not any(report.tried or report.ok for report in reports)
    assert {repr(r) for r in reports} == {'○ 还没有做\n○ not tried yet'}


def test_value_may_be_asked_for() -> None:
    size = Exercise('size', 42, mistakes={'sum': Wrong(13) | '' | 'A sum?'})
    assert size(42).ok and size(torch.tensor(42.0)).ok
    assert size(13).mistake == 'sum'
    assert size('42').mistake is None
    assert 'you wrote 40' in repr(size(40)) and '42' not in repr(size(40))
    assert not size(...).tried


def mean_and_spread(X: Tensor) -> tuple[Tensor, Tensor]:
    return X.mean(0), X.amax(0) - X.amin(0)


BOTH = Exercise(
    'mean_and_spread',
    mean_and_spread,
    [X],
    {
        'mean': Edit('X.mean(0)', 'X.sum(0)') | '' | 'Mean?',
        'spread': Edit(' - X.amin(0)', '') | '' | 'Spread?',
    },
    see=named(('均值', 'the mean'), 'spread'),
)


def test_several_results_are_told_apart() -> None:
    assert BOTH(lambda X: (X.sum(0), X.amax(0))).mistake == 'mean'
    report = BOTH(lambda X: (X.mean(0), X.amax(0)))
    assert report.mistake == 'spread'
    assert report.case is not None and report.case.item == 'spread'
    assert 'right in all: the mean' in repr(report)
    assert '✗ spread' in repr(report)
    assert 'should return 2 values' in repr(BOTH(lambda X: X.mean(0)))


def test_two_mistakes_that_hide_each_other() -> None:
    mistakes = {
        'twice': Edit('factor = 1', 'factor = 2') | '' | 'Twice?',
        'thrice': Edit('* X', '* X * 3') | '' | 'Thrice?',
        'fourfold': Edit('factor = 1', 'factor = 4') | '' | 'Fourfold?',
    }
    scale = replace(SAME, mistakes=mistakes)
    assert scale(lambda X: 6 * X).mistake == 'twice'
    assert scale(lambda X: 12 * X).mistake == 'thrice'
    assert scale(lambda X: 7 * X).mistake is None
    assert scale(lambda X: 8 * X).mistake is None  # both change the same


def test_ways_to_make_a_mistake_share_its_hint() -> None:
    ways = Wrong(torch.cos) | '圆' | 'Round?' | Wrong(torch.sin)
    report = replace(SAME, mistakes={'round': ways})(torch.sin)
    assert report.mistake == 'round' and '→ Round?' in repr(report)


def test_rough_mistake_goes_by_the_cases_that_fail() -> None:
    def far(X: Tensor) -> Tensor:
        return X if X.max() < 100 else X + 1

    mistakes = {'far': Wrong(far, rough=True) | '' | 'Far?'}
    exercise = replace(SAME, cases=[X, 100 * X], mistakes=mistakes)
    noise = exercise(lambda X: X if X.max() < 100 else X + 0.3)
    assert noise.mistake == 'far'
    assert exercise(lambda X: X + 0.3).mistake is None


def test_mistake_may_be_seen_in_the_answer() -> None:
    mistakes = {
        'none': Seen(lambda fn: fn.no_such_thing) | '' | '',
        'name': Seen(lambda fn: fn.__name__ == 'cos') | '' | 'Name?',
    }
    exercise = replace(CENTRE, mistakes=mistakes)
    assert exercise(torch.cos).mistake == 'name'
    assert exercise(torch.sin).mistake is None


def test_edit_of_words_that_are_not_there_is_refused() -> None:
    with pytest.raises(LookupError, match="centre: no 'sum' in its answer"):
        edited(CENTRE, [('sum', 'mean')])


def test_case_has_its_own_tolerance() -> None:
    off = edited(CENTRE, [('X - ', '1e-3 + X - ')])
    assert not CENTRE(off).ok
    assert replace(CENTRE, tolerance=1e-2)(off).ok
    assert replace(CENTRE, cases=[Case((X,), tolerance=1e-2)])(off).ok
    exact = Case((X,), tolerance=0.0)  # nothing is allowed, not the usual
    assert not replace(CENTRE, tolerance=1e-2, cases=[exact])(off).ok


def test_right_answer_that_fails_is_our_fault() -> None:
    with pytest.raises(RuntimeError, match='the right answer fails a case'):
        replace(SAME, right=lambda X: X.no_such_thing)(centre)


# Code that misbehaves gets a sentence.


class Odd(BaseException):
    pass


def odd(X: Tensor) -> Tensor:
    raise Odd


def recursion(X: Tensor) -> Tensor:
    return recursion(X)


@pytest.mark.parametrize(
    ('answer', 'trouble', 'says'),
    [
        (centre(X), 'kind', 'Write its name without brackets'),
        (lambda X: [].clear(), 'nothing', 'returns nothing'),
        (lambda X: sys.exit(), 'raised', 'SystemExit'),
        (lambda X: input(), 'kind', 'Nobody answers input'),
        (odd, 'raised', 'raise Odd raises Odd'),
        (lambda: 1, 'arguments', 'should be these, in this order: X.'),
        (lambda X, Y: 1, 'arguments', 'in this order: X.'),
        (lambda X: 1 / 0, 'raised', 'ZeroDivisionError'),
        (lambda X: X.no_such_thing, 'raised', 'AttributeError'),
        (recursion, 'raised', 'return recursion(X) calls itself on and on'),
    ],
)
def test_trouble_becomes_a_sentence(
    answer: Any, trouble: str, says: str
) -> None:
    report = CENTRE(answer)
    assert (report.ok, report.trouble) == (False, trouble)
    assert says in repr(report)


def test_arguments_in_another_order_are_told_by_their_names() -> None:
    def ratio(n: float, d: float) -> float:
        return n / d

    exercise = Exercise('ratio', ratio, [(1.0, 2.0)])
    for right in (ratio, lambda a, b: a / b, lambda *all: all[0] / all[1]):
        assert exercise(right).ok
    report = exercise(lambda d, n: n / d)
    assert (report.trouble, report.mistake) == ('arguments', None)
    assert 'in this order: n, d.' in repr(report)


def test_error_is_told_with_its_line() -> None:
    def broken(X: Tensor) -> Tensor:
        return X @ X

    report = CENTRE(broken)
    assert report.trouble == 'raised'
    assert 'The line return X @ X raises RuntimeError: mat1' in repr(report)
    assert 'Traceback' not in repr(report) + report._repr_html_()


def test_error_that_a_mistake_raises_too_names_it() -> None:
    mistakes = {'flat': Edit('0, keepdim=True', '1')}
    exercise = replace(CENTRE, mistakes=mistakes)
    report = exercise(lambda A: A - torch.mean(A, dim=1))
    assert (report.trouble, report.mistake) == ('raised', 'flat')


def loop(X: Tensor) -> Tensor:
    while True:
        pass


def loop_that_swallows(X: Tensor) -> Tensor:
    while True:
        try:  # noqa: SIM105
            X = torch.add(torch.mul(torch.abs(X), 1), 1)
        except:  # noqa: E722 - as a learner may write it
            pass


@pytest.mark.parametrize('answer', [loop, loop_that_swallows])
def test_endless_code_is_stopped(answer: Any) -> None:
    report = CENTRE(answer)
    assert (report.ok, report.trouble) == (False, 'looped')
    assert 'still running after 0.3 seconds' in repr(report)
    assert CENTRE(centre).ok  # nothing is left to go off later


def test_all_cases_share_one_limit() -> None:
    def slow(X: Tensor) -> Tensor:
        end = time.monotonic() + 0.25
        while time.monotonic() < end:
            pass
        return centre(X)

    assert replace(CENTRE, cases=[X])(slow).ok
    assert CENTRE(slow).trouble == 'looped'


def test_error_in_a_later_case_is_no_stub() -> None:
    def half_done(X: Tensor) -> Tensor:
        if len(X) == 2:
            raise NotImplementedError
        return centre(X)

    report = CENTRE(half_done)
    assert report.tried and report.trouble == 'raised'
    assert '1 of 2 cases' in repr(report)


def test_results_that_come_one_by_one_run_under_guard() -> None:
    def one_by_one(X: Tensor) -> Any:
        for x in centre(X):
            print(x)
            yield x

    rows = Exercise('rows', lambda X: [*centre(X)], [X])
    assert rows(one_by_one).ok
    assert 'It prints too' in repr(rows(one_by_one))


def test_one_case_of_several_names_no_mistake() -> None:
    mistakes = {'twice': Wrong(lambda X: 2 * X) | '两倍' | 'Twice?'}
    scale = replace(SAME, cases=[X, X + 1], mistakes=mistakes)
    assert scale(lambda X: 2 * X if X.max() < 15 else 0 * X).mistake is None


def test_endless_code_is_stopped_in_any_thread() -> None:
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(CENTRE(loop)))
    thread.start()
    thread.join(30)
    assert reports[0].trouble == 'looped'


def test_interrupt_of_the_reader_passes() -> None:
    def interrupted(X: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CENTRE(interrupted)
    assert CENTRE(centre).ok


@pytest.mark.parametrize(
    ('answer', 'says'),
    [
        (lambda X: centre(X)[0], 'The shape should be (3, 2), got (2,)'),
        (lambda X: centre(X).tolist(), 'The type should be Tensor, got list'),
        (lambda X: centre(X) * float('nan'), 'a nan in it'),
        (lambda X: (centre(X), 1), 'The type should be Tensor, got tuple'),
        (lambda X: 'centre', 'The type should be Tensor, got str'),
    ],
)
def test_other_kinds_and_shapes_are_told(answer: Any, says: str) -> None:
    report = CENTRE(answer)
    assert not report.ok and says in repr(report)


def test_input_must_not_change() -> None:
    def in_place(X: Tensor) -> Tensor:
        X -= X.mean(0, keepdim=True)
        return X

    report = CENTRE(in_place)
    assert report.trouble == 'changed' and 'its input X' in repr(report)
    assert replace(CENTRE, may_change=('X',))(in_place).ok
    assert torch.equal(X, torch.tensor([[1.0, 10], [3, 14], [5, 12]]))


def test_module_that_comes_in_is_left_alone() -> None:
    net = nn.Linear(2, 1)
    before = net.weight.detach().clone()

    def wipe(net: nn.Linear) -> float:
        net.weight.data.zero_()
        return 0.0

    assert Exercise('wipe', wipe, [(net,)])(wipe).ok
    assert torch.equal(net.weight, before)


def test_prints_are_kept_back(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(X: Tensor) -> Tensor:
        print('mean is', X.mean(0))
        return centre(X)

    report = CENTRE(loud)
    assert report.ok and 'mean is tensor' in repr(report)
    assert capsys.readouterr().out == ''


def endless() -> None:
    while True:
        print('still here')


@pytest.mark.parametrize(
    'meddle',
    [
        lambda: (torch.manual_seed(1), torch.rand(3)),
        lambda: (np.random.seed(1), random.seed(1)),
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_default_device('meta'),
        lambda: torch.set_grad_enabled(False),
        lambda: torch.set_num_threads(torch.get_num_threads() + 1),
        lambda: sys.setrecursionlimit(3210),
        lambda: setattr(sys, 'stdout', io.StringIO()),
        lambda: setattr(sys, 'stderr', io.StringIO()),
        lambda: np.seterr(all='raise'),
        lambda: torch.autograd.set_detect_anomaly(True),
        lambda: threading.Thread(target=endless, daemon=True).start(),
    ],
)
def test_session_stays_as_it_was(
    meddle: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(X: Tensor) -> Tensor:
        Y = centre(X)
        meddle()
        return Y

    def state() -> Any:
        return (
            torch.get_rng_state().tolist(),
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]
            torch.is_grad_enabled(),
            torch.empty(0).dtype,
            torch.empty(0).device,
            torch.get_num_threads(),
            sys.getrecursionlimit(),
            (sys.stdout, sys.stderr),
            np.geterr(),
            torch.is_anomaly_enabled(),
            threading.active_count(),
        )

    before = state()
    assert CENTRE(answer).ok
    assert state() == before
    assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize(
    ('owner', 'name'),
    [
        (nn.BatchNorm2d, 'train'),
        (Tensor, 'var'),
        (nn.functional, 'batch_norm'),
    ],
)
def test_what_is_replaced_for_all_is_put_back_and_told(
    owner: Any, name: str
) -> None:
    def answer(X: Tensor) -> Tensor:
        setattr(owner, name, None)
        return centre(X)

    before = getattr(owner, name), name in vars(owner)
    report = CENTRE(answer)
    assert (report.ok, report.trouble) == (False, 'patched')
    assert f'replaces {owner.__name__}.{name} for all' in repr(report)
    assert (getattr(owner, name), name in vars(owner)) == before


def test_gradients_are_on_inside() -> None:
    exercise = Exercise('grad', lambda: torch.is_grad_enabled())
    with torch.no_grad():
        assert exercise(torch.is_grad_enabled).ok
        assert not exercise(lambda: 0 > 1).ok


def test_random_answers_draw_the_same_numbers() -> None:
    exercise = Exercise('noise', lambda X: X + torch.randn(3, 2), [X])
    assert exercise(lambda X: torch.randn(3, 2) + X).ok
    torch.rand(1)  # the session goes on
    assert exercise(lambda X: torch.randn(3, 2) + X).ok
    assert not exercise(lambda X: X + torch.rand(3, 2)).ok


# How it is told.


@pytest.mark.parametrize('language', ['zh', 'en', 'both'])
def test_text_is_in_the_readers_language(language: str) -> None:
    lang.set_language(language)
    text = repr(CENTRE(over_features))
    assert ('输入：X = ' in text) == (language != 'en')
    assert ('input: X = ' in text) == (language != 'zh')
    assert '`' not in text


def test_html_has_both_languages() -> None:
    html = CENTRE(over_features)._repr_html_()
    zh, en = html.split('lang="en"')
    assert 'lang="zh"' in zh and 'lang="zh"' not in en
    assert '看<code>dim</code>' in zh and 'Look at <code>dim</code>' in en
    assert '应得' in zh and 'expected' in en


def test_learners_words_are_no_html() -> None:
    def evil(X: Tensor) -> Tensor:
        raise ValueError('<script>alert(1)</script>')

    html = CENTRE(evil)._repr_html_() + CENTRE(lambda X: '<b>')._repr_html_()
    assert '<script' not in html and '&lt;script' in html
    assert '<b>' not in html and '&lt;b&gt;' in html


def test_answer_shows_only_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = CENTRE(torch.cos)
    assert 'def centre' not in repr(report) + report._repr_html_()
    report.answer()
    assert capsys.readouterr().out.startswith('def centre(X: Tensor)')
    judge(Exercise('one', 1), 2).answer()
    assert capsys.readouterr().out == 'one = 1\n'
    Report('bare').answer()
    assert 'No answer' in capsys.readouterr().out


# Comparing and showing.


@pytest.mark.parametrize(
    ('got', 'want', 'same'),
    [
        ([2.0], 2, True),
        ([1.0, 2], 2, False),
        (Decimal('0.5'), 0.5, True),
        (0, 0.4, False),
        (1j, 1.0, False),
        (10**400, 1.0, False),
        ({'a': 1.0, 'b': 2}.values(), [1, 2], True),
        ((i for i in (1, 2)), [1, 2], True),
        (torch.tensor([[1.0], [2]]), [1, 2], True),
        (torch.ones(2), object(), False),
        (..., 1.0, False),
        (1, 1.0, True),
        (torch.tensor([2.0]), 2, True),
        (np.float64(2), 2.0, True),
        (True, 1, False),
        (1, True, False),
        ([1, 2], (1, 2.0), True),
        (torch.tensor([1, 2]), (1, 2.0), True),
        ([1], (1, 2), False),
        (' Yes', 'yes', True),
        (None, None, True),
        (3, None, False),
        (float('nan'), float('nan'), True),
        (float('inf'), float('inf'), True),
        (torch.tensor(2), torch.tensor(2.0), True),
        (2, torch.tensor(2.0), True),
        (np.ones(2), torch.ones(2), True),
        (torch.ones(2, 1), torch.ones(2), False),
        ({'a': 1}, {'a': 1}, True),
        ({'b': 1}, {'a': 1}, False),
        (1, {'a': 1}, False),
        ({1, 2}, {2, 1}, True),
        (torch.ones(2), 1, False),
    ],
)
def test_difference(got: Any, want: Any, same: bool) -> None:
    assert (difference(plain(got), want, 1e-6) is None) == same


@given(st.floats(-1e3, 1e3), st.floats(1e-6, 1e-2))
def test_tolerance_is_kept(x: float, tolerance: float) -> None:
    want = torch.tensor(x, dtype=torch.float64)
    allowed = tolerance * max(1.0, abs(x))
    near, far = want + 0.9 * allowed, want + 3 * allowed
    assert difference(near, want, tolerance) is None
    assert difference(far, want, tolerance) is not None
    assert difference(near.item(), x, tolerance) is None
    assert difference(far.item(), x, tolerance) is not None


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (torch.tensor([[1.0, 2.34567]]), '[[1, 2.346]]'),
        (torch.tensor([True, False]), '[True, False]'),
        (torch.zeros(5, 5), '[0, 0, 0, 0, 0, 0, …] (5, 5)'),
        (10001.0, '10001'),
        (1 / 3, '0.3333'),
        (float('nan'), 'nan'),
        (True, 'True'),
        (('a', [1, 2.5]), "('a', [1, 2.5])"),
        ({'a': '没有 · none'}, '{a: 没有}'),
        ([..., 1], '[..., 1]'),
        ({'a': torch.ones(1)}, '{a: [1]}'),
        (nn.ReLU(), 'ReLU'),
        (centre, 'centre'),
        (np.array([1.0]), '[1]'),
    ],
)
def test_shown_short(value: Any, text: str) -> None:
    assert show(value) == text
