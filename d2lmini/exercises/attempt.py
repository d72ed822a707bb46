"""An exercise, and how an answer is tried on its cases."""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from d2lmini.exercises.alike import Words, difference
from d2lmini.exercises.guard import Changed, Outcome, Trouble, run


@dataclass(frozen=True, eq=False)
class Case:
    """Arguments to try an answer on.

    Attributes
    ----------
    args : tuple, copied for each run; empty where a value is asked for
    zh, en : str, the case in words, code in ticks; else the arguments show
    tolerance : float or None, for this case; None for the exercise's
    """

    args: tuple[Any, ...]
    zh: str = ''
    en: str = ''
    tolerance: float | None = None


@dataclass(frozen=True, eq=False)
class Mistake:
    """A mistake that learners are known to make.

    Attributes
    ----------
    key : str
    zh, en : str, one hint each that says what to look at; code in ticks
    wrong : callable with the reference's signature, that makes it
    seen : callable, in place of `wrong`
        Takes the answer and returns whether the mistake is in it; asked
        where no `wrong` explains what went wrong first.
    rough : bool
        True where only *which* cases go wrong tells the mistake, and not
        what comes out, as with rounding errors.
    """

    key: str
    zh: str
    en: str
    wrong: Callable[..., Any] | None = None
    seen: Callable[[Any], bool] | None = None
    rough: bool = False


def _call(attempt: Callable[..., Any], *args: Any) -> Any:
    return attempt(*args)


@dataclass(frozen=True, eq=False)
class Exercise:
    """What is asked, what is right, and what is known to go wrong.

    Attributes
    ----------
    name : str, as the learner writes it
    reference : callable, a right answer; or a value, which is then asked for
    cases : sequence of Case or of tuples of arguments, smallest first
    mistakes : sequence of Mistake, the one to be named first comes first
    tolerance : float, as in `alike.difference`
    answer : str, the solution's text, shown only when asked for
    run : callable
        `run(attempt, *args)` returns what is compared, by default what the
        attempt returns. A dict gives several results, which are told apart
        by their names; a tuple is one result.
    may_change : tuple of str, the reference's arguments that may be changed
    together : callable or None
        Takes two mistakes and returns code that makes both.
    """

    name: str
    reference: Any
    cases: Sequence[Any]
    mistakes: Sequence[Mistake] = ()
    tolerance: float = 1e-4
    answer: str = ''
    run: Callable[..., Any] = _call
    may_change: tuple[str, ...] = ()
    together: Callable[[Mistake, Mistake], Any] | None = None

    def __post_init__(self) -> None:
        cases = [c if isinstance(c, Case) else Case(c) for c in self.cases]
        object.__setattr__(self, 'cases', tuple(cases))


@dataclass(frozen=True)
class Trial:
    """An answer on one case: what came, and which results are wrong."""

    case: Case
    want: dict[str, Any]
    got: dict[str, Any]
    trouble: Trouble | None
    printed: str
    wrong: dict[str, Words]

    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether everything came, and is right."""
        return self.trouble is None and not self.wrong

    def apart(self, got: Any, want: Any) -> Words | None:
        """Tell in what two results differ, as `alike.difference` does."""
        return difference(got, want, self.tolerance)


def observe(exercise: Exercise, code: Any, case: Case) -> Outcome:
    """Run code on a copy of a case, under guard.

    Parameters
    ----------
    exercise : Exercise
    code : the learner's answer, or any other
    case : Case

    Returns
    -------
    Outcome
    """
    if case.args and not callable(code):
        kind = type(code).__name__
        trouble = Trouble(
            'kind',
            f'要的是函数本身，来的是`{kind}`。名字后面不要写括号。',
            f'This asks for the function itself and got `{kind}`. Write its '
            'name without brackets.',
        )
        return Outcome(trouble=trouble)
    return run(lambda: results(exercise, code, case))


def results(exercise: Exercise, code: Any, case: Case) -> dict[str, Any]:
    """Return the results of code on a copy of a case, by name.

    Parameters
    ----------
    exercise : Exercise
    code : callable, or a value that is the result
    case : Case

    Raises
    ------
    NotImplementedError : it returns nothing
    Changed : it writes into an argument
    Exception : whatever else the code raises
    """
    args = copy.deepcopy(case.args)
    value = exercise.run(code if callable(code) else lambda: code, *args)
    if value is None or value is ...:
        raise NotImplementedError
    names = argument_names(exercise, len(args))
    for name, old, new in zip(names, case.args, args, strict=True):
        fixed = name not in exercise.may_change and _is_data(old)
        if fixed and difference(new, old, 0) is not None:
            raise Changed(name)
    return value if isinstance(value, dict) else {'': value}


def argument_names(exercise: Exercise, number: int) -> list[str]:
    """Return the names of the reference's arguments.

    Parameters
    ----------
    exercise : Exercise
    number : int, how many a case has
    """
    try:
        names = [*inspect.signature(exercise.reference).parameters]
    except (TypeError, ValueError):
        names = []
    return (names + [f'#{i + 1}' for i in range(len(names), number)])[:number]


def _is_data(value: Any) -> bool:
    """Tell whether an argument is data, which can be compared."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_data, value))
    return hasattr(value, 'shape') or isinstance(
        value, (bool, int, float, str)
    )


def try_case(exercise: Exercise, attempt: Any, case: Case) -> Trial:
    """Try an answer on a case, and hold it against what is right.

    Raises
    ------
    RuntimeError : the exercise's own reference fails
    """
    came, want = observe(exercise, attempt, case), _right(exercise, case)
    tolerance = case.tolerance
    if tolerance is None:
        tolerance = exercise.tolerance
    got: dict[str, Any] = {}
    wrong: dict[str, Words] = {}
    if came.trouble is None:
        got = came.value
        if got.keys() != want.keys():  # it made the dict itself, or none
            got = {key: got.get(key, got.get('')) for key in want}
        for key in want:
            told = difference(got[key], want[key], tolerance)
            if told is not None:
                wrong[key] = told
    return Trial(case, want, got, came.trouble, came.printed, wrong, tolerance)


@cache
def _right(exercise: Exercise, case: Case) -> dict[str, Any]:
    """Return what is right for a case; it is computed once."""
    right = observe(exercise, exercise.reference, case)
    if right.trouble is not None:
        raise RuntimeError(
            f'{exercise.name}: the reference fails a case: {right.trouble.en}'
        )
    value: dict[str, Any] = right.value
    return value
