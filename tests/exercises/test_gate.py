"""The gate that every exercise passes: its mistakes are told, and told apart.

What it lets through: a mistake that is wrong somewhere and gets its own name,
with a hint in both languages. That it can shut is seen at the end.
"""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch

from d2lmini import exercises
from d2lmini.exercises.batch_norm import BATCH_NORM, BATCH_NORM_LAYER
from d2lmini.exercises.engine import (
    Edit,
    Exercise,
    Mistake,
    Seen,
    Wrong,
    code_of,
)

BIG = {'check_batch_norm': BATCH_NORM, 'check_BatchNorm': BATCH_NORM_LAYER}
ALL: list[Exercise] = [
    BIG.get(name, getattr(exercises, name)) for name in exercises.__all__
]


def bad_hint(mistake: Mistake) -> bool:
    """Tell whether a hint lacks a language, or is not in the course's tone."""
    zh, en = mistake.zh, mistake.en
    ticks = [set(re.findall('`(.+?)`', text)) for text in (zh, en)]
    return (
        not re.search('[\u4e00-\u9fff]', zh)
        or not re.fullmatch('[A-Z`][^\u4e00-\u9fff]+', en, re.S)
        or bool(re.search('[!！您请]', zh + en))
        or not (len(zh) < 110 and len(en) < 280)  # a few sentences
        or ticks[0] != ticks[1]  # the same code stands in both
    )


def faults(exercise: Exercise) -> list[str]:
    """Return what is wrong with an exercise, a line each."""
    found = []
    for mistake in exercise.known:
        if bad_hint(mistake):
            found.append(f'{mistake.key}: look at its hint')
        if isinstance(mistake, Seen):
            continue
        try:
            report = exercise(code_of(exercise, mistake))
        except LookupError as e:
            found.append(f'{mistake.key}: {e}')
            continue
        if report.ok:
            found.append(f'{mistake.key}: is right in all cases')
        elif report.mistake != mistake.key:
            found.append(f'{mistake.key}: told as {report.mistake}')
        elif f'→ {mistake.en.replace("`", "")}' not in repr(report):
            found.append(f'{mistake.key}: its hint is not shown')
    return found


@pytest.mark.parametrize('exercise', ALL, ids=lambda e: e.name)
def test_exercise_passes_the_gate(exercise: Exercise) -> None:
    assert hasattr(exercises, f'check_{exercise.name}')
    assert len(exercise.mistakes) >= 2
    assert faults(exercise) == []


@pytest.mark.parametrize('exercise', ALL, ids=lambda e: e.name)
def test_right_answer_passes_and_random_numbers_stay(
    exercise: Exercise,
) -> None:
    before = torch.get_rng_state()
    assert exercise(exercise.right).ok
    with torch.no_grad():
        assert exercise(exercise.right).ok
    assert torch.equal(torch.get_rng_state(), before)


# A gate that can't shut lets everything through.


def twice(x: float) -> float:
    return 2 * x


MISTAKES = {
    'half': Edit('2 * x', 'x / 2') | '乘还是除？' | 'Times, or by?',
    'thrice': Wrong(lambda x: 3 * x) | '几倍？' | 'How many times?',
}
TWICE = Exercise('twice', twice, [1.0, 2.0], MISTAKES)
WORDS = '看`x`', 'Look at `x`'


@pytest.mark.parametrize(
    ('mistake', 'told'),
    [
        (
            Edit('3 * x', 'x') | WORDS,
            "new: twice: no '3 * x' in its answer",
        ),
        (Edit('2 * x', 'x + x') | WORDS, 'new: is right in all cases'),
        (Wrong(lambda x: x / 2) | WORDS, 'new: told as half'),
        (Wrong(lambda x: 0.0), 'new: look at its hint'),
        (Wrong(lambda x: 0.0) | '' | 'Why 0?', 'new: look at its hint'),
        (Wrong(lambda x: 0.0) | '看' | '', 'new: look at its hint'),
        (Wrong(lambda x: 0.0) | 'Why 0?' | '看', 'new: look at its hint'),
        (Wrong(lambda x: 0.0) | '看！' | 'Why 0?', 'new: look at its hint'),
        (
            Wrong(lambda x: 0.0) | '看0' | 'Why `0`?',
            'new: look at its hint',
        ),
        (Seen(lambda answer: False) | '' | '', 'new: look at its hint'),
    ],
)
def test_gate_shuts(mistake: Any, told: str) -> None:
    assert faults(TWICE) == []
    broken = replace(TWICE, mistakes={**MISTAKES, 'new': mistake})
    assert faults(broken) == [told]
