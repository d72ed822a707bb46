"""Every rule on every notebook; the messages say how to mend it."""

from collections.abc import Callable
from pathlib import Path

import notebook_chinese
import notebook_code
import notebook_lint
import notebook_words
import pytest
from notebook_lint import Faults, Lesson

FOLDER = Path(__file__).parents[2] / 'notebooks'
LESSONS = [Lesson(path) for path in sorted(FOLDER.glob('*.ipynb'))]
RULES = (
    *notebook_lint.RULES,
    *notebook_code.RULES,
    *notebook_words.RULES,
    *notebook_chinese.RULES,
)


def test_there_is_a_notebook() -> None:
    assert LESSONS


def test_notebooks_are_numbered_and_named() -> None:
    assert not [
        lesson.path.name
        for lesson in LESSONS
        if not notebook_lint.NAME.fullmatch(lesson.path.name)
    ]


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize('lesson', LESSONS, ids=lambda x: x.path.stem)
def test_notebook(lesson: Lesson, rule: Callable[[Lesson], Faults]) -> None:
    faults = list(rule(lesson))
    clean = not faults  # the list itself would be shown twice
    assert clean, '\n'.join([lesson.path.name, *faults])
