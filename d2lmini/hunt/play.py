"""The hunt of lesson 11, by puzzles from 1 on: symptom, cause, fix, score."""

import re
from collections.abc import Callable
from difflib import ndiff
from functools import partial
from typing import Any

from d2lmini.exercises.engine import edited, judge
from d2lmini.exercises.guard import run, what_of
from d2lmini.exercises.report import Report
from d2lmini.hunt.broken import KINDS, PUZZLES, Puzzle
from d2lmini.show.lang import Words, tr

Symptom = Callable[[Any], Any]
_symptoms: dict[int, Symptom] = {}  # by number, as the lesson defines them
_guessed: dict[int, list[str]] = {}  # letters, each once, in order
_fixed: set[int] = set()


def suspect(number: int) -> Any:
    """Return a puzzle's broken class or function, to look at with any tool."""
    return _puzzle(number).code()


def show(number: int, symptom: Symptom) -> None:
    """Print what the broken code (✗) and the right code (✓) show.

    Parameters
    ----------
    number : int
    symptom : callable
        Takes the code and returns what is seen, on one line. Random numbers
        start anew each time.
    """
    _symptoms[number] = symptom
    print('✗', _line(symptom, suspect(number)))
    print('✓', _line(symptom, _puzzle(number).exercise.right))


def guess(number: int, letter: str) -> None:
    """Say whether a cause is the true one, and what it shows if it is not.

    Parameters
    ----------
    number : int
    letter : str, the cause; '?' says nothing
    """
    puzzle, letter = _puzzle(number), letter.strip().upper()
    if letter == '?':
        return
    if letter not in puzzle.causes or number not in _symptoms:
        zh = f'先运行上面的症状，再从A到{max(puzzle.causes)}选一个字母。'
        en = f'Run the symptom, then choose A to {max(puzzle.causes)}.'
        print(tr(zh, en))
        return
    tried = _guessed.setdefault(number, [])
    tried += [letter] * (letter not in tried)
    if letter == puzzle.letter:
        print(tr(f'✓ 是{letter}。坏的代码：', f'✓ {letter}. The broken code:'))
        print(f'\n{_listing(puzzle)}')
        return
    symptom = _symptoms[number]
    made = _line(symptom, puzzle.code(letter))
    if made == _line(symptom, puzzle.exercise.right):
        zh = f'✗ 不是{letter}：它在这里没有症状，看到的会和✓那一行一样。'
        en = f'✗ Not {letter}: it has no symptom here and would give line ✓.'
    else:
        zh = (
            f'✗ 不是{letter}：是它，看到的就不是✗那一行，而是\n{letter} {made}'
        )
        en = f'✗ Not {letter}, which in place of line ✗ gives\n{letter} {made}'
    print(tr(zh, en))


def fix(number: int, *words: str) -> Report | None:
    """Judge a fix by what the fixed code does; show the fault once it is.

    Parameters
    ----------
    number : int
    *words : str
        Words of the broken code and what is to stand in their place; more
        pairs for more places. '...' says nothing.
    """
    if '...' in words:
        return None
    puzzle = _puzzle(number)
    try:
        pairs = zip(words[::2], words[1::2], strict=True)
        code = edited(puzzle.exercise, puzzle.changes(*pairs))
    except LookupError:
        zh = '✗ 坏的代码里没有这些字：从上面原样复制，空格也算。'
        en = '✗ No such words in the broken code: copy them, spaces and all.'
        return Report(f'fix {number}', lines=((zh, en),))
    except Exception as e:  # whatever the learner's words may raise
        told = f'✗ 不能运行：`{what_of(e)}`', f'✗ Does not run: `{what_of(e)}`'
        return Report(f'fix {number}', lines=(told,))
    judged = judge(puzzle.exercise, code)
    if judged.ok:
        _fixed.add(number)
        print(diff(number))
    return judged


def diff(number: int) -> str:
    """Return the broken lines, each after '- ', and the right ones, '+ '."""
    right, broken = (text.splitlines() for text in _puzzle(number).texts())
    lines = ndiff(broken, right)
    return '\n'.join(line for line in lines if line[0] in '-+')


def score() -> Report:
    """Say what was found and fixed, by kind, and which lessons to read."""
    lines: list[Words] = []
    for lesson, (zh, en) in KINDS.items():
        mine = {n: p for n, p in enumerate(PUZZLES, 1) if p.lesson == lesson}
        tried = {n: _guessed[n] for n in mine if n in _guessed}
        found = sum(mine[n].letter in tried[n] for n in tried)
        once = sum(mine[n].letter == tried[n][0] for n in tried)
        fixed = len(_fixed & mine.keys())
        zh += f'：{len(mine)}个，找到{found}（一次猜中{once}），修好{fixed}'
        en += f': of {len(mine)}, {found} found ({once} at once), '
        en += f'{fixed} fixed'
        if once < len(tried):
            zh, en = f'{zh}；再读第{lesson}课', f'{en}; read {lesson} again'
        lines.append((zh, en))
    return Report('score', ok=len(_fixed) == len(PUZZLES), lines=(*lines,))


def _puzzle(number: int) -> Puzzle:
    if number not in range(1, len(PUZZLES) + 1):
        raise ValueError(f'number must be 1 to {len(PUZZLES)}, got {number}')
    return PUZZLES[number - 1]


def _line(symptom: Symptom, code: Any) -> str:
    """Return what a symptom shows, or the error that it raises."""
    came = run(partial(symptom, code), limit=60)
    trouble = came.trouble
    return str(came.value) if trouble is None else trouble.what or trouble.en


def _listing(puzzle: Puzzle) -> str:
    """Return the definition that is broken, without its docstrings."""
    parts = (re.split(r'\n(?=def |class )', text) for text in puzzle.texts())
    right, broken = parts
    text = '\n'.join(part for part in broken if part not in right)
    return re.sub(r'\n *"""[^"]*"""(\n(?=\n))?', '', text)
