"""Judges a learner's answer, and names the mistake in it.

The answer runs on small cases, and so does what is right. Where they differ,
each known mistake runs on the same cases: the one that gives what the
learner's code gave, in all of them, is the learner's.
"""

from typing import Any

from d2lmini.exercises.alike import Words, show
from d2lmini.exercises.attempt import (
    Case,
    Exercise,
    Mistake,
    Trial,
    argument_names,
    try_case,
)
from d2lmini.exercises.diagnose import name_mistake
from d2lmini.exercises.report import Example, Report

__all__ = ['Case', 'Exercise', 'Mistake', 'Report', 'judge']


def judge(exercise: Exercise, attempt: Any) -> Report:
    """Judge an answer.

    Parameters
    ----------
    exercise : Exercise
    attempt : the learner's function or class, or a value where one is asked

    Returns
    -------
    Report
        Code that raises, never ends, prints, returns another kind or shape,
        or changes its arguments gets a sentence. The random numbers and the
        gradients' mode of the session stay as they are.
    """
    untried = Report(exercise.name, tried=False, _answer=exercise.answer)
    if attempt is None or attempt is ...:
        return untried
    trials = []
    for case in exercise.cases:
        trials.append(try_case(exercise, attempt, case))
        trouble = trials[-1].trouble
        if trouble is not None and trouble.key == 'untried':
            return untried
        if trouble is not None and trouble.key == 'looped':
            break  # each of the others would take as long
    failed = next((trial for trial in trials if not trial.ok), None)
    if failed is None:
        return Report(
            exercise.name,
            ok=True,
            lines=(('✓ 全对', '✓ all right'), *_printed(trials)),
            _answer=exercise.answer,
        )
    mistake, trouble = name_mistake(exercise, attempt, trials), failed.trouble
    example = _example(exercise, failed)
    lines = [*_right(exercise, trials), *_wrong(failed), *example.lines()]
    lines += _printed(trials)
    if mistake is not None:
        lines.append((f'→ {mistake.zh}', f'→ {mistake.en}'))
    return Report(
        exercise.name,
        mistake=None if mistake is None else mistake.key,
        trouble=None if trouble is None else trouble.key,
        case=example,
        lines=tuple(lines),
        _answer=exercise.answer,
    )


def _printed(trials: list[Trial]) -> list[Words]:
    """Say that the answer prints, which the check does not show."""
    for trial in trials:
        lines = trial.printed.strip().splitlines()
        if lines:
            first = lines[0][:60].replace('`', "'")
            return [
                (
                    f'它还会打印（`{first}`），检查时没有显示出来。',
                    f'It prints too (`{first}`); the check keeps that back.',
                )
            ]
    return []


def _right(exercise: Exercise, trials: list[Trial]) -> list[Words]:
    """Say what is right already: how many cases, and which results."""
    good, n = sum(trial.ok for trial in trials), len(exercise.cases)
    failed = next(trial for trial in trials if not trial.ok)
    wrong = {key for trial in trials for key in trial.wrong}
    troubled = any(trial.trouble for trial in trials)
    fine = [] if troubled else [k for k in failed.want if k not in wrong]
    zh, en = f'✓ {n}个例子对了{good}个', f'✓ {good} of {n} cases'
    if fine:
        names = [f'`{key}`' for key in fine]
        zh += f'；处处都对：{"、".join(names)}'
        en += f'; right in all: {", ".join(names)}'
    return [(zh, en)] if good or fine else []


def _wrong(trial: Trial) -> list[Words]:
    """Say what is wrong, in a sentence where there is one."""
    if trial.trouble is not None:
        return [(f'✗ {trial.trouble.zh}', f'✗ {trial.trouble.en}')]
    key, (zh, en) = next(iter(trial.wrong.items()))
    name = f'`{key}`' if key else ''
    if name and zh:
        return [(f'✗ {name}：{zh}', f'✗ {name}: {en}')]
    if name or zh:
        return [(f'✗ {name}{zh}', f'✗ {name}{en}')]
    return [('✗ 数不对', '✗ other numbers')]


def _example(exercise: Exercise, trial: Trial) -> Example:
    case = trial.case
    names = argument_names(exercise, len(case.args))
    lines = [
        f'`{name} = {show(value)}`'
        for name, value in zip(names, case.args, strict=True)
    ]
    told = (case.zh or '\n'.join(lines), case.en or '\n'.join(lines))
    if trial.trouble is not None:
        key, value = next(iter(trial.want.items()))
        return Example(told, value, None, key)
    key = next(iter(trial.wrong))
    return Example(told, trial.want[key], trial.got[key], key)
