"""Each puzzle is broken in its own way, and can be told from its symptom."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from solved import tasks
from torch import nn

from d2lmini import hunt, oracle
from d2lmini.exercises.engine import changed, edited, judge
from d2lmini.hunt import play
from d2lmini.hunt.broken import KINDS, PUZZLES, Puzzle

PATH = Path(__file__).parents[2] / 'notebooks' / '11_bug_hunt.ipynb'
BOOK = nbformat.read(PATH, 4)
CELLS = {cell.id: cell.source for cell in BOOK.cells}
NUMBERS = range(1, len(PUZZLES) + 1)
EACH = pytest.mark.parametrize('number', NUMBERS)
LAYERS = range(1, 11)
HALF = {'half', 'bfloat16'}  # this layer remembers in 32 bits, broken or not


def puzzle(number: int) -> Puzzle:
    return PUZZLES[number - 1]


@cache
def lesson() -> dict[str, Any]:
    """Return the names that the lesson's cells define."""
    names: dict[str, Any] = {}
    for cell in BOOK.cells:
        if cell.cell_type == 'code' and cell.id != 'switch':
            body = ast.parse(cell.source).body
            kinds = ast.Import, ast.ImportFrom, ast.FunctionDef
            kept = [each for each in body if isinstance(each, kinds)]
            exec(compile(ast.Module(kept, []), cell.id, 'exec'), names)
    torch.set_num_threads(1)
    return names


@cache
def line(number: int, letter: str) -> str:
    """Return what the lesson's symptom shows for a cause; '' for none."""
    asked = puzzle(number)
    code = asked.code(letter) if letter else asked.exercise.right
    return play._line(lesson()[f'symptom_{number}'], code)


# The lesson and the puzzles.


def test_the_lesson_has_each_puzzle_and_no_other() -> None:
    tried = [task.call for task in tasks(BOOK)]
    assert tried == [f"hunt.fix({n}, '...', '...')" for n in NUMBERS]
    assert len(PUZZLES) >= 15
    for number in NUMBERS:
        shown = f'hunt.show({number}, symptom_{number})'
        assert CELLS[f'hunt-{number}'].splitlines()[-1] == shown


@pytest.mark.parametrize('language', ['zh', 'en'])
@EACH
def test_the_lesson_lists_the_causes(number: int, language: str) -> None:
    mark, cell = ('- ', f'hunt-{number}') if number > 10 else ('| ', 'layers')
    text = CELLS[f'{cell}-{language}']
    listed = re.findall(rf'^{re.escape(mark)}([A-Z])\b', text, re.M)
    assert listed == [*puzzle(number).causes]


def test_each_layer_has_another_cause_and_each_kind_a_puzzle() -> None:
    assert len({puzzle(number).letter for number in LAYERS}) == 10
    assert {each.lesson for each in PUZZLES} == KINDS.keys()


# What is seen.


@EACH
def test_the_symptom_tells_the_cause_from_all_others(number: int) -> None:
    true = puzzle(number).letter
    others = {line(number, c) for c in puzzle(number).causes if c != true}
    assert line(number, true) not in others | {line(number, '')}


@EACH
def test_the_symptom_is_one_line_and_the_same_each_time(number: int) -> None:
    seen = line(number, puzzle(number).letter)
    assert 5 < len(seen) < 90 and '\n' not in seen
    line.cache_clear()
    assert line(number, puzzle(number).letter) == seen


@pytest.mark.parametrize('number', range(11, 18))
def test_some_near_miss_has_a_symptom_of_its_own(number: int) -> None:
    lines = {line(number, letter) for letter in puzzle(number).causes}
    assert len(lines - {line(number, '')}) >= 2


# What is broken.


@EACH
def test_right_code_is_right_and_broken_code_is_not(number: int) -> None:
    exercise = puzzle(number).exercise
    assert judge(exercise, edited(exercise, ())).ok
    assert not judge(exercise, hunt.suspect(number)).ok


@EACH
def test_the_diff_is_lines_of_the_broken_and_of_the_right(number: int) -> None:
    right, broken = puzzle(number).texts()
    assert right == changed(puzzle(number).exercise)
    found = hunt.diff(number).splitlines()
    for mark, text, other in (('- ', broken, right), ('+ ', right, broken)):
        lines = [each[2:] for each in found if each.startswith(mark)]
        assert {*lines} <= {*text.splitlines()} - {*other.splitlines()}
    assert found and all(each[:2] in ('- ', '+ ') for each in found)


def wrong(number: int) -> set[str]:
    make = hunt.suspect(number)
    return {v.column.key for v in oracle.compare(make) if not v.ok} - HALF


@pytest.mark.parametrize(
    ('number', 'rows'),
    [
        (1, {'eps', 'constant'}),
        (2, {'train_output', 'grad_input'}),
        (3, {'eval_output', 'eval_grad'}),
        (4, {'grad_input', 'gradcheck'}),
        (5, {'moving_mean', 'moving_var', 'momentum'}),
        (6, {'train_output', 'offset'}),
        (7, {'offset'}),
        (8, {'moving_var', 'eval_output'}),
        (9, {'save_load'}),
        (10, {'no_graph', 'deepcopy'}),
    ],
)
def test_the_oracle_catches_each_layer(number: int, rows: set[str]) -> None:
    found = wrong(number)
    assert rows <= found
    assert number not in (9, 10) or rows == found  # as the lesson says


@pytest.mark.parametrize('number', LAYERS)
def test_a_broken_layer_trains_all_the_same(number: int) -> None:
    torch.manual_seed(0)
    X = torch.randn(64, 8)
    y = (X[:, 0] > 0).long()
    layer = hunt.suspect(number)(16, 2)
    net = nn.Sequential(nn.Linear(8, 16), layer, nn.Linear(16, 2))
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]  # why it is not found by the loss
