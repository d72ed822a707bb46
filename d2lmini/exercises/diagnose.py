"""Names the mistake in an answer, by what it does on the cases."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import combinations
from typing import Any, NamedTuple

from torch import Tensor

from d2lmini.exercises.attempt import Case, Exercise, Mistake, Trial, results
from d2lmini.exercises.guard import run, untouched, what_of


class _Made(NamedTuple):
    """What a mistake gives on a case: results by name, or an error."""

    got: dict[str, Any]
    error: str = ''


_Fit = tuple[Mistake, list[tuple[Trial, _Made]]]


def name_mistake(
    exercise: Exercise, attempt: Any, trials: list[Trial]
) -> Mistake | None:
    """Return the known mistake that an answer makes.

    Parameters
    ----------
    exercise : Exercise
    attempt : the answer
    trials : list of Trial, of which at least one went wrong

    Returns
    -------
    Mistake or None
        The one that gives the same in every case. Else the one that gives
        what was wrong first, best without spoiling what is right. Else one
        that is seen in the answer, or spoils the cases that are wrong. Else
        the first of two that, made together, give the same in every case.
    """
    # Those that went wrong come first: they tell most mistakes apart, and
    # a mistake that explains the first of them is told with it.
    trials = sorted(trials, key=lambda trial: trial.ok)
    trouble = trials[0].trouble
    if trouble is not None and trouble.key in ('looped', 'changed'):
        return None  # the trouble's own sentence says it all
    fits: list[_Fit] = []
    for mistake in exercise.mistakes:
        if mistake.wrong is None:
            continue
        first = _made(exercise, mistake, trials[0].case)
        if not _explains_first(mistake, trials[0], first):
            continue
        rest = [_made(exercise, mistake, t.case) for t in trials[1:]]
        made = list(zip(trials, [first, *rest], strict=True))
        if all(_explains(mistake, *pair) for pair in made):
            return mistake
        if not mistake.rough:
            fits.append((mistake, made))
    return (
        _best_of(fits)
        or _seen(exercise, attempt)
        or _roughly(exercise, trials)
        or _of_two(exercise, trials)
    )


def _make(exercise: Exercise, code: Callable[..., Any], case: Case) -> _Made:
    try:
        with untouched():
            return _Made(results(exercise, code, case))
    except Exception as e:  # a mistake may well raise
        return _Made({}, what_of(e))


@lru_cache(maxsize=4096)
def _made(exercise: Exercise, mistake: Mistake, case: Case) -> _Made:
    """Return what a mistake gives on a case; it is the same for everybody."""
    assert mistake.wrong is not None
    return _make(exercise, mistake.wrong, case)


def _explains(mistake: Mistake, trial: Trial, made: _Made) -> bool:
    """Tell whether a mistake gives what the answer gave."""
    if mistake.rough:
        return trial.ok == _is_right(trial, made)
    if trial.trouble is not None or made.error:
        what = '' if trial.trouble is None else trial.trouble.what
        return what == made.error
    return all(_same(trial, made, key, trial.got) for key in trial.want)


def _is_right(trial: Trial, made: _Made) -> bool:
    return not made.error and all(
        _same(trial, made, key, trial.want) for key in trial.want
    )


def _same(trial: Trial, made: _Made, key: str, other: dict[str, Any]) -> bool:
    return key in made.got and (trial.apart(made.got[key], other[key]) is None)


def _best_of(fits: list[_Fit]) -> Mistake | None:
    """Return, of the mistakes that give what was wrong first, the best.

    Best one that spoils nothing which is right; one that does must give
    wrong numbers, which don't agree by chance.
    """
    best, named = (False, -math.inf), None
    for mistake, given in fits:
        explained, spoiled = 0, 0
        for trial, made in given:
            if trial.trouble is not None or made.error:
                explained += _explains(mistake, trial, made)
                spoiled += trial.ok
                continue
            for key in trial.want:
                same = _same(trial, made, key, trial.got)
                explained += same and key in trial.wrong
                spoiled += not same and key not in trial.wrong
        score = (not spoiled, explained - spoiled)
        if score > best and (not spoiled or _is_number(given[0][0])):
            best, named = score, mistake
    return named


def _explains_first(mistake: Mistake, trial: Trial, made: _Made) -> bool:
    """Tell whether a mistake gives the first result that is wrong."""
    if mistake.rough or trial.trouble is not None or made.error:
        return _explains(mistake, trial, made)
    return _same(trial, made, next(iter(trial.wrong)), trial.got)


def _is_number(trial: Trial) -> bool:
    """Tell whether the first result that is wrong is a tensor of numbers."""
    return trial.trouble is None and isinstance(
        trial.got[next(iter(trial.wrong))], Tensor
    )


def _seen(exercise: Exercise, attempt: Any) -> Mistake | None:
    """Return the first mistake whose own look at the answer finds it."""
    for mistake in exercise.mistakes:
        if mistake.seen is not None:
            look: Callable[[], bool] = partial(mistake.seen, attempt)
            if run(look).value is True:
                return mistake
    return None


def _roughly(exercise: Exercise, trials: list[Trial]) -> Mistake | None:
    """Return a rough mistake that spoils the first case, and none right."""
    for mistake in exercise.mistakes:
        if mistake.rough and mistake.wrong is not None:
            spoiled = [
                not _is_right(t, _made(exercise, mistake, t.case))
                for t in trials
            ]
            if spoiled[0] and not any(
                bad and trial.ok
                for bad, trial in zip(spoiled, trials, strict=True)
            ):
                return mistake
    return None


def _of_two(exercise: Exercise, trials: list[Trial]) -> Mistake | None:
    """Return the first of two mistakes that the answer makes together.

    Only those are asked that spoil nothing which the answer has right.
    """
    nothing_runs = all(trial.trouble for trial in trials)
    if exercise.together is None or nothing_runs:
        return None
    apart = [
        mistake
        for mistake in exercise.mistakes
        if mistake.wrong is not None
        and not mistake.rough
        and all(
            _is_right(t, _made(exercise, mistake, t.case))
            for t in trials
            if t.ok
        )
    ]
    for one, other in combinations(apart, 2):
        both = exercise.together(one, other)
        if one.key != other.key and all(
            _explains(one, trial, _make(exercise, both, trial.case))
            for trial in trials
        ):
            return one
    return None
