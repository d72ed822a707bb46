"""Right answers pass the exercises; wrong ones hear which mistake it is."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from answers import RIGHT, WRONG, Right, Wrong
from solved import Task, imports, solve, tasks

from d2lmini import exercises
from d2lmini.exercises import turn_look
from d2lmini.exercises.turn import Exercise, Mistake, Report
from d2lmini.show import lang

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / 'notebooks').glob('0[1-6]_*.ipynb'))
BOOKS = {path.stem[:2]: nbformat.read(path, 4) for path in LESSONS}
TASKS = [(n, task) for n, nb in BOOKS.items() for task in tasks(nb)]
CHECKS: dict[str, Exercise] = {
    name.removeprefix('check_'): getattr(exercises, name)
    for name in exercises.__all__
}
MISTAKES = [
    (name, mistake)
    for name, check in CHECKS.items()
    for mistake in check.mistakes
]
BEGINNING = (
    'import math, torch\nfrom torch import nn\n'
    'from torch.nn.functional import cross_entropy\n'
)


def run(code: str, names: dict[str, Any]) -> Any:
    """Run a cell and return the value of its last line, as a notebook does."""
    body = ast.parse(code).body
    assert isinstance(body[-1], ast.Expr)
    exec(compile(ast.Module(body[:-1], []), 'cell', 'exec'), names)
    return eval(compile(ast.Expression(body[-1].value), 'cell', 'eval'), names)


def judge(name: str, code: str) -> Report:
    """Judge an answer given as code that binds the exercise's name."""
    names: dict[str, Any] = {}
    exec(BEGINNING + code, names)
    return CHECKS[name](names[name])


@pytest.fixture(scope='module')
def sessions() -> dict[str, dict[str, Any]]:
    """For each lesson the names that it imports."""
    found: dict[str, dict[str, Any]] = {n: {} for n in BOOKS}
    for number, names in found.items():
        exec(imports(BOOKS[number]), names)
    return found


def numbered(pair: tuple[str, Task]) -> str:
    return f'{pair[0]}-{pair[1].cell.id}'


@pytest.mark.parametrize('number', ['01', '02', '03', '04', '05', '06'])
def test_lesson_has_exercises(number: str) -> None:
    ids = {cell.id for cell in BOOKS[number].cells}
    count = len({f'turn-{i}' for i in range(1, 9)} & ids)
    assert 3 <= count <= 5
    assert len([task for n, task in TASKS if n == number]) >= 3


def test_each_check_is_an_exercise() -> None:
    called = [re.split(r'\W', task.call)[1:2] for _, task in TASKS]
    called += [['check_batch_norm'], ['check_BatchNorm']]
    told = {name for (name,) in called}
    assert {*exercises.__all__} <= told


@pytest.mark.parametrize('pair', TASKS, ids=numbered)
def test_stub_runs_and_is_not_tried(
    pair: tuple[str, Task], sessions: dict[str, Any]
) -> None:
    report = run(pair[1].stub, {**sessions[pair[0]]})
    assert not report.ok
    assert 'not tried yet' in repr(report)


@pytest.mark.parametrize('pair', TASKS, ids=numbered)
def test_solution_passes(
    pair: tuple[str, Task], sessions: dict[str, Any]
) -> None:
    # The session goes on: a task may use the answer of one before it.
    report = run(pair[1].solved, sessions[pair[0]])
    assert report.ok, repr(report)


@pytest.mark.parametrize('pair', TASKS, ids=numbered)
def test_solution_is_the_same_in_both_languages(
    pair: tuple[str, Task],
) -> None:
    assert pair[1].answers['zh'] == pair[1].answers['en']


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_copy_holds_the_solutions(path: Path, tmp_path: Path) -> None:
    before, after = nbformat.read(path, 4), nbformat.read(
        solve(path, tmp_path), 4
    )  # fmt: skip
    changed = {
        cell.id
        for cell, old in zip(after.cells, before.cells, strict=True)
        if cell.source != old.source
    }
    assert changed == {task.cell.id for task in tasks(before)}


def test_command_writes_the_copies(tmp_path: Path) -> None:
    words = [sys.executable, ROOT / 'tests' / 'solved.py']
    words += [ROOT / 'notebooks', tmp_path]
    subprocess.run([*map(str, words)], check=True, capture_output=True)
    written = {path.stem[:2] for path in tmp_path.glob('*.ipynb')}
    assert written == {number for number, _ in TASKS}


# Wrong answers


@pytest.mark.parametrize('name', CHECKS)
def test_exercise_is_tried_enough(name: str) -> None:
    assert Counter(wrong.check for wrong in WRONG)[name] >= 2
    assert name in {right.check for right in RIGHT}


@pytest.mark.parametrize('wrong', WRONG, ids=lambda w: f'{w[0]}-{w[1]}')
def test_wrong_answer_hears_its_mistake(wrong: Wrong) -> None:
    report = judge(wrong.check, wrong.code)
    assert report.tried and not report.ok
    assert report.mistake == wrong.mistake, repr(report)


@pytest.mark.parametrize('right', RIGHT, ids=lambda r: r.check)
def test_right_answer_in_another_way_passes(right: Right) -> None:
    report = judge(right.check, right.code)
    assert report.ok, repr(report)


@pytest.mark.parametrize('pair', MISTAKES, ids=lambda p: f'{p[0]}-{p[1].key}')
def test_table_tells_its_mistakes_apart(pair: tuple[str, Mistake]) -> None:
    name, mistake = pair
    report = CHECKS[name](mistake.wrong)
    assert not report.ok
    assert report.mistake == mistake.key, repr(report)
    assert f'→ {mistake.en}' in repr(report)


@pytest.mark.parametrize('name', CHECKS)
def test_hint_is_in_both_languages(name: str) -> None:
    for mistake in CHECKS[name].mistakes:
        assert re.search('[\u4e00-\u9fff]', mistake.zh)
        assert not re.search('[\u4e00-\u9fff]', mistake.en)
        assert not re.search('[!！您]', mistake.zh + mistake.en)


def test_unknown_mistake_shows_the_smallest_case() -> None:
    report = judge('half_life', 'half_life = lambda momentum: 17.0')
    assert report.mistake == '' and not report.ok
    for line in ('input: momentum = 0.5', 'expected: 1', 'got: 17'):
        assert line in repr(report)


def test_what_is_right_is_told_as_well() -> None:
    code = next(w.code for w in WRONG if w.mistake == 'variance-from-zero')
    lines = [en for _, en in judge('warm', code).lines]
    assert '✓ the mean' in lines and '✗ the variance' in lines


def test_typed_answer_is_not_given_away() -> None:
    report = judge('share', 'share = 0.3')
    assert 'you wrote 0.3' in repr(report)
    assert '0.000244' not in repr(report)


@pytest.mark.parametrize(
    ('code', 'told'),
    [
        ('def undo(X, eps): return X.nothing', 'AttributeError'),
        ('def undo(X): return X, X', 'TypeError'),
        ('def undo(X, eps): X.mean()', 'returns nothing'),
        ('def undo(X, eps): return X', 'should return 2 values'),
        ('def undo(X, eps): return "a", "b"', 'got: a'),
        ('undo = 3', 'not a function: int'),
        ('def undo(X, eps): X += 1; return X, X', 'changes its input X'),
        ('def undo(X, eps): return undo(X, eps)', 'RecursionError'),
    ],
)
def test_odd_answer_gets_a_sentence(code: str, told: str) -> None:
    report = judge('undo', code)
    assert report.tried and not report.ok
    assert told in repr(report)


def test_answer_without_an_end_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn_look, 'SECONDS', 0.05)
    report = judge('half_life', 'def half_life(m):\n    while True: m += 1')
    assert 'Slow: no end after 0.05 s' in repr(report)


@pytest.mark.parametrize('name', CHECKS)
def test_random_numbers_stay(name: str) -> None:
    before = torch.get_rng_state()
    assert CHECKS[name](CHECKS[name].right).ok
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize('name', CHECKS)
def test_check_works_without_gradients(name: str) -> None:
    with torch.no_grad():
        assert CHECKS[name](CHECKS[name].right).ok


def test_report_is_in_the_readers_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = judge('half_life', 'half_life = lambda momentum: 1 / momentum')
    monkeypatch.setattr(lang, '_chosen', 'zh')
    assert '应得' in repr(report) and 'expected' not in repr(report)
    monkeypatch.setattr(lang, '_chosen', 'en')
    assert '应得' not in repr(report) and 'expected' in repr(report)
    html = report._repr_html_()
    assert 'lang="zh"' in html and 'lang="en"' in html


def test_report_shows_angle_brackets_as_they_are() -> None:
    report = judge('half_life', "half_life = lambda m: '<b>'")
    assert '&lt;b&gt;' in report._repr_html_()
