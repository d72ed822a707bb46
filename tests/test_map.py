"""The maps of the lessons say what the lessons say of themselves."""

import re
from pathlib import Path

import pytest
from notebook_lint import Lesson

ROOT = Path(__file__).parents[1]
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


@pytest.mark.parametrize('lesson', LESSONS[1:], ids=lambda x: x.path.stem)
def test_readme_gives_no_other_minutes(lesson: Lesson) -> None:
    (zh,) = (a for a, _ in promised(lesson) if a)
    assert minutes(README, f'notebooks/{lesson.path.name}') <= {zh}
