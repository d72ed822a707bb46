"""The maps of the lessons say what the lessons say of themselves."""

import re
from pathlib import Path

import pytest
from notebook_lint import Lesson
from notebook_words import Prose, body

ROOT = Path(__file__).parents[2]
LESSONS = [Lesson(p) for p in sorted((ROOT / 'notebooks').glob('*.ipynb'))]
START = LESSONS[0]
MAP = '\n'.join(c.source for c in START.markdown if c.source.count('\n|') > 1)
README = (ROOT / 'README.md').read_text(encoding='utf8')


def minutes(text: str, name: str) -> set[str]:
    """Return the minutes that the tables' rows for a notebook give."""
    return set(re.findall(rf'\({name}\) \| (\d+) \|', text))


def promised(lesson: Lesson) -> set[str]:
    text = '\n'.join(cell.source for cell in lesson.markdown[:3])
    return set(re.findall(r'大约(\d+)分钟|[Aa]bout (\d+) minutes', text))


def counted(lesson: Lesson) -> float:
    """Return the minutes that a lesson takes, by this rule.

    120 English words a minute, 3 seconds a line of code, half a minute a
    picture, a minute a displayed formula, 3 minutes an exercise, and the
    time that the computer took for the saved outputs.
    """
    words = sum(
        len(re.findall(r"\w[\w'-]*", Prose(body(cell)).text))
        for cell in lesson.markdown
        if cell.language == 'en'
    )
    lines = [
        line
        for cell in lesson.code
        for line in cell.source.splitlines()
        if line.strip()
    ]
    pictures = sum(
        'image/png' in out.get('data', {})
        for cell in lesson.code
        for out in cell.outputs
    )
    formulas = sum(cell.source.count('$$') // 2 for cell in lesson.markdown)
    turns = sum(c.raw.id.startswith('turn-') for c in lesson.code)
    return (
        words / 120
        + len(lines) * 3 / 60
        + pictures / 2
        + formulas
        + turns * 3
        + lesson.nb.metadata['d2lmini']['seconds'] / 60
    )


def test_the_first_lesson_has_the_map() -> None:
    assert START.path.name == '00_start_here.ipynb' and MAP


@pytest.mark.parametrize('lesson', LESSONS, ids=lambda x: x.path.stem)
def test_both_languages_promise_the_same_minutes(lesson: Lesson) -> None:
    zh = {a for a, _ in promised(lesson) if a}
    en = {b for _, b in promised(lesson) if b}
    assert len(zh) == 1 and zh == en


@pytest.mark.parametrize('lesson', LESSONS[1:], ids=lambda x: x.path.stem)
def test_the_map_has_the_lesson_with_its_minutes(lesson: Lesson) -> None:
    (zh,) = (a for a, _ in promised(lesson) if a)
    assert minutes(MAP, lesson.path.name) == {zh}


def test_the_map_gives_the_hours_of_the_whole() -> None:
    total = sum(int(a) for lesson in LESSONS for a, _ in promised(lesson) if a)
    hours = set(re.findall(r'合计约(\d+)小时|takes about (\d+) hours', MAP))
    assert hours == {(f'{total / 60:.0f}', ''), ('', f'{total / 60:.0f}')}


@pytest.mark.parametrize('lesson', LESSONS[1:], ids=lambda x: x.path.stem)
def test_readme_gives_no_other_minutes(lesson: Lesson) -> None:
    (zh,) = (a for a, _ in promised(lesson) if a)
    assert minutes(README, f'notebooks/{lesson.path.name}') <= {zh}


@pytest.mark.parametrize('lesson', LESSONS, ids=lambda x: x.path.stem)
def test_the_minutes_are_counted_and_not_guessed(lesson: Lesson) -> None:
    (zh,) = (a for a, _ in promised(lesson) if a)
    assert int(zh) % 5 == 0
    # Five either way: another machine computes longer or shorter.
    assert abs(int(zh) - counted(lesson)) <= 5
