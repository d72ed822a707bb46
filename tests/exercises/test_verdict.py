"""The engine of the checks: it says what is wrong, and harms nothing."""

import random
import threading
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from d2lmini.exercises import alike, guard, limit
from d2lmini.exercises.verdict import Case, Exercise, Mistake, Report, judge
from d2lmini.show import lang

X = torch.tensor([[1.0, 10], [3, 14], [5, 12]])


def centre(X: Tensor) -> Tensor:
    return X - X.mean(0, keepdim=True)


def over_features(X: Tensor) -> Tensor:
    return X - X.mean(1, keepdim=True)


def median(X: Tensor) -> Tensor:
    return X - X.median(0, keepdim=True).values


CENTRE = Exercise(
    'centre',
    centre,
    [(X,), (X.T.contiguous(),)],
    [
        Mistake('axis', '看`dim`', 'Look at `dim`', over_features),
        Mistake('median', '这是中位数', 'That is the median', median),
    ],
    answer='def centre(X): ...',
)


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, 'LIMIT', 0.3)
    monkeypatch.setattr(limit, 'AGAIN', 0.05)


def ask(attempt: Any, **changes: Any) -> Report:
    """Judge an answer to CENTRE with some of its fields changed."""
    return judge(Exercise(**{**vars(CENTRE), **changes}), attempt)


# What is right, and which mistake it is.


@pytest.mark.parametrize(
    'answer',
    [centre, lambda X: X - X.sum(0) / len(X), lambda X: centre(X).double()],
)
def test_right_answers_pass(answer: Any) -> None:
    report = judge(CENTRE, answer)
    assert (report.tried, report.ok) == (True, True)
    assert report.mistake is report.trouble is report.case is None


def test_mistake_is_named_with_the_smallest_case() -> None:
    report = judge(CENTRE, lambda X: X - X.mean(dim=1)[:, None])
    assert (report.ok, report.mistake) == (False, 'axis')
    assert report.case is not None
    assert torch.equal(report.case.expected, centre(X))
    assert torch.equal(report.case.got, over_features(X))
    assert report.case.input[1] == '`X = [[1, 10], [3, 14], [5, 12]]`'


def test_case_that_passes_is_not_shown() -> None:
    report = judge(CENTRE, lambda X: centre(X) if len(X) == 3 else X)
    assert report.mistake is None and report.case is not None
    assert torch.equal(report.case.got, X.T)
    assert '1 of 2 cases' in repr(report)


def test_unknown_mistake_is_not_guessed() -> None:
    report = judge(CENTRE, torch.cos)
    assert (report.ok, report.mistake) == (False, None)
    assert '→' not in repr(report)


def test_stubs_are_not_tried() -> None:
    def raises(X: Tensor) -> None:
        raise NotImplementedError

    stubs = [None, ..., lambda X: None, lambda X: ..., raises]
    reports = [judge(CENTRE, stub) for stub in stubs]
    assert not any(report.tried or report.ok for report in reports)
    assert {repr(r) for r in reports} == {'○ 还没有做\n○ not tried yet'}


def test_value_may_be_asked_for() -> None:
    size = Exercise(
        '7 * 6', 42, [()], [Mistake('sum', '', 'A sum?', lambda: 13)]
    )
    assert judge(size, 42).ok and judge(size, torch.tensor(42.0)).ok
    assert judge(size, 13).mistake == 'sum'
    assert judge(size, '42').mistake is None
    assert not judge(size, ...).tried


def test_result_given_in_place_of_the_function() -> None:
    report = judge(CENTRE, centre(X))
    assert report.trouble == 'kind'
    assert 'without brackets' in repr(report)


BOTH = Exercise(
    'mean and spread',
    lambda X: {'mean': X.mean(0), 'spread': X.amax(0) - X.amin(0)},
    [(X,)],
    [
        Mistake('mean', '', 'Mean?', lambda X: {
            'mean': X.sum(0), 'spread': X.amax(0) - X.amin(0)}),
        Mistake('spread', '', 'Spread?', lambda X: {
            'mean': X.mean(0), 'spread': X.amax(0)}),
    ],
)  # fmt: skip


def test_several_results_are_told_apart() -> None:
    report = judge(BOTH, lambda X: {'mean': X.mean(0), 'spread': X.amax(0)})
    assert report.mistake == 'spread'
    assert report.case is not None and report.case.item == 'spread'
    assert 'right in all: mean' in repr(report)


def test_of_two_mistakes_the_first_to_show_is_named() -> None:
    wrong = {'mean': X.sum(0), 'spread': X.amax(0)}
    assert judge(BOTH, lambda X: dict(wrong)).mistake == 'mean'
    mended = wrong | {'mean': X.mean(0)}
    assert judge(BOTH, lambda X: dict(mended)).mistake == 'spread'


def test_two_mistakes_that_hide_each_other() -> None:
    def scaled(*factors: float) -> Any:
        product = float(np.prod(factors))
        return lambda X: X * product

    twice = Mistake('twice', '', 'Twice?', scaled(2))
    thrice = Mistake('thrice', '', 'Thrice?', scaled(3))
    times = {'twice': 2.0, 'thrice': 3.0}
    exercise = Exercise(
        'same', scaled(1), [(X,)], [twice, thrice],
        together=lambda a, b: scaled(times[a.key], times[b.key]),
    )  # fmt: skip
    assert judge(exercise, lambda X: 6 * X).mistake == 'twice'
    assert judge(exercise, lambda X: 7 * X).mistake is None


def test_rough_mistake_goes_by_the_cases_that_fail() -> None:
    far = Mistake(
        'far', '', 'Far?', lambda X: X if X.max() < 100 else X + 1, rough=True
    )
    exercise = Exercise('same', lambda X: X, [(X,), (100 * X,)], [far])
    noise = judge(exercise, lambda X: X if X.max() < 100 else X + 0.3)
    assert noise.mistake == 'far'
    assert judge(exercise, lambda X: X + 0.3).mistake is None


def test_mistake_may_be_seen_in_the_answer() -> None:
    named = Mistake('name', '', 'Name?', seen=lambda fn: fn.__name__ == 'f')
    raising = Mistake('none', '', '', seen=lambda fn: fn.no_such_thing)

    def f(X: Tensor) -> Tensor:
        return X

    assert ask(f, mistakes=[raising, named]).mistake == 'name'
    assert ask(lambda X: X, mistakes=[raising, named]).mistake is None


def test_case_has_its_own_tolerance() -> None:
    def off(X: Tensor) -> Tensor:
        return centre(X) + 1e-3

    assert not ask(off).ok
    assert ask(off, tolerance=1e-2).ok
    assert ask(off, cases=[Case((X,), tolerance=1e-2)]).ok


def test_reference_that_fails_is_our_fault() -> None:
    with pytest.raises(RuntimeError, match='the reference fails'):
        judge(Exercise('one', lambda X: X.no_such_thing, [(X,)]), centre)


# Code that misbehaves gets a sentence.


def test_error_is_told_with_its_line() -> None:
    def broken(X: Tensor) -> Tensor:
        return X @ X

    report = judge(CENTRE, broken)
    assert report.trouble == 'raised'
    assert 'The line return X @ X raises RuntimeError: mat1' in repr(report)
    assert 'Traceback' not in repr(report) + report._repr_html_()


@pytest.mark.parametrize(
    'answer', [lambda X: exit(), lambda: 1, lambda X: 1 / 0]
)
def test_what_is_raised_becomes_a_sentence(answer: Any) -> None:
    report = judge(CENTRE, answer)
    assert (report.ok, report.trouble) == (False, 'raised')


def test_error_that_a_mistake_raises_too_names_it() -> None:
    flat = Mistake('flat', '', 'Flat?', lambda X: X - X.mean(1))
    report = ask(lambda A: A - torch.mean(A, dim=1), mistakes=[flat])
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


def recursion(X: Tensor) -> Tensor:
    return recursion(X)


@pytest.mark.parametrize('answer', [loop, loop_that_swallows])
def test_endless_code_is_stopped(answer: Any) -> None:
    report = judge(CENTRE, answer)
    assert (report.ok, report.trouble) == (False, 'looped')
    assert 'still running' in repr(report)
    assert judge(CENTRE, centre).ok  # nothing is left to go off later


def test_endless_code_is_stopped_in_any_thread() -> None:
    reports: list[Report] = []
    thread = threading.Thread(
        target=lambda: reports.append(judge(CENTRE, loop))
    )
    thread.start()
    thread.join(30)
    assert reports[0].trouble == 'looped'


def test_endless_recursion_ends_by_itself() -> None:
    report = judge(CENTRE, recursion)
    assert report.trouble == 'raised' and 'RecursionError' in repr(report)


def test_interrupt_of_the_reader_passes() -> None:
    def interrupted(X: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(CENTRE, interrupted)
    assert judge(CENTRE, centre).ok


@pytest.mark.parametrize(
    ('answer', 'says'),
    [
        (lambda X: centre(X)[0], 'The shape should be (3, 2), got (2,)'),
        (lambda X: centre(X).tolist(), 'The type should be Tensor, got list'),
        (lambda X: centre(X) * float('nan'), 'a nan in it'),
        (lambda X: (centre(X), 1), 'The type should be Tensor, got tuple'),
    ],
)
def test_other_kinds_and_shapes_are_told(answer: Any, says: str) -> None:
    report = judge(CENTRE, answer)
    assert not report.ok and says in repr(report)


def test_input_must_not_change() -> None:
    def in_place(X: Tensor) -> Tensor:
        X -= X.mean(0, keepdim=True)
        return X

    report = judge(CENTRE, in_place)
    assert report.trouble == 'changed' and 'its input X' in repr(report)
    assert ask(in_place, may_change=('X',)).ok
    assert torch.equal(X, torch.tensor([[1.0, 10], [3, 14], [5, 12]]))


def test_module_that_comes_in_is_left_alone() -> None:
    net = nn.Linear(2, 1)
    before = net.weight.detach().clone()

    def wipe(net: nn.Linear) -> float:
        net.weight.data.zero_()
        return 0.0

    assert judge(Exercise('wipe', wipe, [(net,)]), wipe).ok
    assert torch.equal(net.weight, before)


def test_prints_are_kept_back(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(X: Tensor) -> Tensor:
        print('mean is', X.mean(0))
        return centre(X)

    report = judge(CENTRE, loud)
    assert report.ok and 'mean is tensor' in repr(report)
    assert capsys.readouterr().out == ''


def test_session_stays_as_it_was() -> None:
    def meddle(X: Tensor) -> Tensor:
        torch.manual_seed(1)
        torch.rand(3), np.random.rand(3), random.random()
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return centre(X)

    def state() -> Any:
        return (
            torch.get_rng_state().tolist(),
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
        )

    before = state()
    assert judge(CENTRE, meddle).ok
    assert state() == before


def test_gradients_are_on_inside() -> None:
    exercise = Exercise('grad', lambda: torch.is_grad_enabled(), [()])
    with torch.no_grad():
        assert judge(exercise, torch.is_grad_enabled).ok
        assert not judge(exercise, False).ok


def test_random_answers_draw_the_same_numbers() -> None:
    exercise = Exercise('noise', lambda X: X + torch.randn(3, 2), [(X,)])
    assert judge(exercise, lambda X: torch.randn(3, 2) + X).ok
    torch.rand(1)  # the session goes on
    assert judge(exercise, lambda X: torch.randn(3, 2) + X).ok
    assert not judge(exercise, lambda X: X + torch.rand(3, 2)).ok


# How it is told.


class Text(HTMLParser):
    """Collect the words by language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words, self.now = {'zh': '', 'en': ''}, ''
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.now = dict(attrs).get('lang') or self.now

    def handle_data(self, data: str) -> None:
        self.words[self.now] += data


@pytest.mark.parametrize('language', ['zh', 'en', 'both'])
def test_text_is_in_the_readers_language(language: str) -> None:
    lang.set_language(language)
    text = repr(judge(CENTRE, over_features))
    assert ('输入：X = ' in text) == (language != 'en')
    assert ('input: X = ' in text) == (language != 'zh')
    assert '`' not in text


def test_html_has_both_languages() -> None:
    html = judge(CENTRE, over_features)._repr_html_()
    told = Text(html).words
    assert '看dim' in told['zh'] and 'Look at dim' in told['en']
    assert '<code>dim</code>' in html
    assert '应得' in told['zh'] and 'expected' in told['en']


def test_learners_words_are_no_html() -> None:
    def evil(X: Tensor) -> Tensor:
        raise ValueError('<script>alert(1)</script>')

    html = judge(CENTRE, evil)._repr_html_()
    assert '<script' not in html and '&lt;script' in html


def test_answer_shows_only_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = judge(CENTRE, torch.cos)
    assert 'def centre' not in repr(report) + report._repr_html_()
    report.answer()
    assert capsys.readouterr().out == 'def centre(X): ...\n'
    judge(Exercise('one', 1, [()]), 2).answer()
    assert 'No answer' in capsys.readouterr().out


# Comparing and showing.


@pytest.mark.parametrize(
    ('got', 'want', 'same'),
    [
        (1, 1.0, True),
        (torch.tensor([2.0]), 2, True),
        (np.float64(2), 2.0, True),
        (True, 1, False),
        (1, True, False),
        ([1, 2], (1, 2.0), True),
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
def test_alike(got: Any, want: Any, same: bool) -> None:
    assert (alike.difference(got, want, 1e-6) is None) == same


@given(st.floats(-1e3, 1e3), st.floats(1e-6, 1e-2))
def test_tolerance_is_kept(x: float, tolerance: float) -> None:
    want = torch.tensor(x, dtype=torch.float64)
    allowed = tolerance * max(1.0, abs(x))
    near, far = want + 0.9 * allowed, want + 3 * allowed
    assert alike.difference(near, want, tolerance) is None
    assert alike.difference(far, want, tolerance) is not None
    assert alike.difference(near.item(), x, tolerance) is None
    assert alike.difference(far.item(), x, tolerance) is not None


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
        (('a', [1, 2.5]), '(a, [1, 2.5])'),
        ({'a': torch.ones(1)}, '{a: [1]}'),
        (nn.ReLU(), 'ReLU'),
        (centre, 'centre'),
        (np.array([1.0]), '[1]'),
    ],
)
def test_shown_short(value: Any, text: str) -> None:
    assert alike.show(value) == text
