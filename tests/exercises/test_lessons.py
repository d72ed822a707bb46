"""The exercises of the lessons: stubs, solutions, and what learners write."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from answers import RIGHT, TOLD, WRONG
from solved import Task, imports, solve, tasks

from d2lmini import exercises
from d2lmini.exercises.report import Report

ROOT = Path(__file__).parents[2]
NUMBERS = '01', '02', '03', '04', '05', '06', '08', '09', '10'
LESSONS = [
    path
    for path in sorted((ROOT / 'notebooks').glob('*.ipynb'))
    if path.stem[:2] in NUMBERS
]
BOOKS = {path.stem[:2]: nbformat.read(path, 4) for path in LESSONS}
TASKS = [(n, task) for n, nb in BOOKS.items() for task in tasks(nb)]
BEGINNING = (
    'import math, torch\nfrom torch import nn\nimport d2lmini as d2l\n'
    'from torch.nn.functional import cross_entropy\n'
)
each_task = pytest.mark.parametrize(
    ('number', 'task'), TASKS, ids=[f'{n}-{t.cell.id}' for n, t in TASKS]
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
    report = getattr(exercises, f'check_{name}')(names[name])
    assert isinstance(report, Report)
    return report


@cache
def session(number: str) -> dict[str, Any]:
    """Return the names that a lesson imports."""
    names: dict[str, Any] = {}
    exec(imports(BOOKS[number]), names)
    return names


# In the notebooks


@pytest.mark.parametrize('number', NUMBERS)
def test_lesson_has_exercises(number: str) -> None:
    ids = {cell.id for cell in BOOKS[number].cells}
    assert 3 <= len({f'turn-{i}' for i in range(1, 9)} & ids) <= 5
    assert len([task for n, task in TASKS if n == number]) >= 3


def test_each_check_is_in_a_lesson() -> None:
    called = {task.call.split('(')[0] for _, task in TASKS}
    assert {f'exercises.{name}' for name in exercises.__all__} <= called


@each_task
def test_stub_runs_and_is_not_tried(number: str, task: Task) -> None:
    report = run(task.stub, {**session(number)})
    assert not report.ok
    assert 'not tried yet' in repr(report)


@each_task
def test_solution_passes(number: str, task: Task) -> None:
    # The session goes on: a task may use the answer of one before it.
    report = run(task.solved, session(number))
    assert report.ok, repr(report)
    assert task.answers['zh'] == task.answers['en']


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_copy_holds_the_solutions(path: Path) -> None:
    nb = nbformat.read(path, 4)
    before = {cell.id: cell.source for cell in nb.cells}
    changed = {c.id for c in solve(nb) if c.source != before[c.id]}
    assert changed == {task.cell.id for task in tasks(nb)}
    assert before == {cell.id: cell.source for cell in nb.cells}


def test_command_writes_all_copies(tmp_path: Path) -> None:
    words = [sys.executable, ROOT / 'tests' / 'notebooks' / 'solved.py']
    words += [ROOT / 'notebooks', tmp_path]
    subprocess.run([*map(str, words)], check=True, capture_output=True)
    copy = nbformat.read(tmp_path / 'exercises.ipynb', 4)
    nbformat.validate(copy)
    heads = [i for i, c in enumerate(copy.cells) if '%reset -f' in c.source]
    lessons = sorted((ROOT / 'notebooks').glob('*.ipynb'))
    want = [path for path in lessons if solve(nbformat.read(path, 4))]
    assert [copy.cells[i].source for i in heads] == [
        f'# {path.stem}\n%reset -f' for path in want
    ]
    assert {path.stem[:2] for path in want} == {n for n, _ in TASKS} | {'11'}
    for i, end, path in zip(
        heads, [*heads[1:], None], want, strict=True
    ):  # the whole lesson, in order, behind its head
        cells = solve(nbformat.read(path, 4))
        assert [c.source for c in copy.cells[i + 1 : end]] == [
            c.source for c in cells
        ]


# What learners write


def test_each_exercise_has_another_right_answer() -> None:
    big = {'check_batch_norm', 'check_BatchNorm'}  # in test_batch_norm.py
    assert {f'check_{name}' for name, _ in RIGHT} == {*exercises.__all__} - big


@pytest.mark.parametrize(
    ('check', 'mistake', 'code'), WRONG, ids=[f'{w[0]}-{w[1]}' for w in WRONG]
)
def test_wrong_answer_hears_its_mistake(
    check: str, mistake: str, code: str
) -> None:
    report = judge(check, code)
    assert report.tried and not report.ok
    assert report.mistake == mistake, repr(report)


@pytest.mark.parametrize(
    ('check', 'code'), RIGHT, ids=[check for check, _ in RIGHT]
)
def test_right_answer_in_another_way_passes(check: str, code: str) -> None:
    report = judge(check, code)
    assert report.ok, repr(report)


@pytest.mark.parametrize(
    ('check', 'says', 'code'), TOLD, ids=[f'{t[0]}-{t[1]}' for t in TOLD]
)
def test_wrong_answer_without_a_name_is_told(
    check: str, says: str, code: str
) -> None:
    report = judge(check, code)
    assert report.tried and not report.ok and report.mistake is None
    assert says in repr(report)
