"""Judges a learner's answer, and names the mistake in it.

The answer runs on small cases, and so does what is right. Where they differ,
each known mistake runs on the same cases: the one that gives what the
learner's code gave, in all of them, is the learner's.
"""

import copy
import dis
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import combinations
from textwrap import dedent
from time import monotonic
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.exercises.compare import difference, plain, show
from d2lmini.exercises.guard import (
    Changed,
    Nothing,
    Outcome,
    Trouble,
    Untried,
    expect,
    run,
    unpatched,
    untouched,
)
from d2lmini.exercises.report import (
    Example,
    Name,
    Report,
    Trial,
    lines_of,
    printed,
)
from d2lmini.show.lang import Fault, Words

Code = Callable[..., Any]
Results = dict[Name, Any]  # what an answer gives, by name


# What an exercise is made of.


@dataclass(frozen=True, eq=False)
class Case:
    """Arguments to try an answer on.

    Attributes
    ----------
    args : tuple, copied for each run, or a callable that makes one
    zh, en : str, the case in words, code in ticks; else the arguments show
    tolerance : float or None, for this case; None for the exercise's
    """

    args: Any
    zh: str = ''
    en: str = ''
    tolerance: float | None = None

    def fresh(self) -> tuple[Any, ...]:
        """Return arguments that may be written into."""
        if callable(self.args):  # a copy would lose the gradients in a net
            return tuple(self.args())
        return copy.deepcopy(self.args)


class Mistake:
    """A mistake that learners are known to make; one of the three below.

    It is written `mistake | zh | en | another way`: a hint each that says
    what to look at, code in ticks, and other ways to make the same mistake.

    Attributes
    ----------
    zh, en : str
    ways : tuple of Mistake, the other ways
    rough : bool
        True where only *which* cases go wrong tells the mistake, and not
        what comes out, as with rounding errors.
    """

    key = zh = en = ''  # the key is the exercise's to give
    rough = False
    ways: 'tuple[Mistake, ...]' = ()

    def __or__(self, more: 'str | Words | Mistake') -> 'Mistake':
        """Return it with a hint, a language at a time, or another way."""
        made = copy.copy(self)
        if isinstance(more, Mistake):
            made.ways = (*self.ways, more)
        elif isinstance(more, tuple):
            made.zh, made.en = more
        elif self.zh:
            made.en = more
        else:
            made.zh = more
        return made


class Edit(Mistake):
    """The right answer with words changed, a pair or tuples of as many."""

    def __init__(
        self,
        old: str | tuple[str, ...],
        new: str | tuple[str, ...],
        rough: bool = False,
    ) -> None:
        olds = (old,) if isinstance(old, str) else old
        news = (new,) if isinstance(new, str) else new
        self.changes = tuple(zip(olds, news, strict=True))
        self.rough = rough


class Wrong(Mistake):
    """Another answer, written out: code, or a value where one is asked."""

    def __init__(self, wrong: Any, rough: bool = False) -> None:
        self.wrong, self.rough = wrong, rough


class Seen(Mistake):
    """A mistake that a test of the answer itself finds, if no other fits."""

    def __init__(self, test: Callable[[Any], bool]) -> None:
        self.test = test


def returned(answer: Code, *args: Any) -> Results:
    """Look at what an answer returns: the usual `see` of an exercise."""
    return {'': answer(*args)}


def named(*names: Name) -> Callable[..., Results]:
    """Look at several values that an answer returns, by their names."""

    def see(answer: Code, *args: Any) -> Results:
        values, n = answer(*args), len(names)
        values = [values] if isinstance(values, Tensor) else listed(values)
        if len(values) != n:
            raise Fault(f'要返回{n}个值', f'it should return {n} values')
        return dict(zip(names, values, strict=True))

    return see


def listed(values: Any) -> list[Any]:
    """Return what an answer gives as a list, or raise a Fault."""
    kind = list if isinstance(values, (str, Mapping)) else Iterable
    expect(values, kind, '列表', 'a list')
    return [*values]


@dataclass(eq=False)
class Exercise:
    """What is asked, what is right, and what is known to go wrong.

    Called with a learner's answer it returns a `Report`.

    Attributes
    ----------
    name : str, as the learner writes it
    right : a right answer: a function or class, or the value asked for
    cases : sequence of Case, or of arguments: a tuple, or a single one
    mistakes : dict of Mistake, the one to be named first comes first
    tolerance : float, absolute and relative
    see : callable
        `see(answer, *args)` returns what is compared, by name.
    may_change : tuple of str, the arguments that may be written into
    source : str, what edits change; by default the solution's text
    text : str, the solution; by default the source of `right`
    """

    name: str
    right: Any
    cases: Sequence[Any] = ((),)
    mistakes: Mapping[str, Mistake] = field(default_factory=dict)
    tolerance: float = 1e-4
    see: Callable[..., Results] = returned
    may_change: tuple[str, ...] = ()
    source: str = ''
    text: str = ''

    def __post_init__(self) -> None:
        self.cases = tuple(map(_case, self.cases))
        self.known: list[Mistake] = []  # all ways to make all mistakes
        for key, first in self.mistakes.items():
            for way in map(copy.copy, (first, *first.ways)):
                way.key, way.zh, way.en = key, first.zh, first.en
                self.known.append(way)

    def __call__(self, answer: Any) -> Report:
        """Judge an answer; see `judge`."""
        return judge(self, answer)

    @property
    def answer(self) -> str:
        """The solution's text."""
        if not callable(self.right):
            return f'{self.name} = {show(self.right)}'
        return self.text or dedent(inspect.getsource(self.right))

    @property
    def arguments(self) -> list[str]:
        """The names of the right answer's arguments."""
        return [*inspect.signature(self.right).parameters]


def _case(given: Any) -> Case:
    if isinstance(given, Case):
        return given
    whole = isinstance(given, tuple) or callable(given)
    return Case(given if whole else (given,))


Changes = Sequence[tuple[str, str]]


def changed(exercise: Exercise, changes: Changes = ()) -> str:
    """Return the right answer's text with (old, new) words."""
    source = exercise.source or exercise.answer
    for old, new in changes:
        if old not in source:
            raise LookupError(f'{exercise.name}: no {old!r} in its answer')
        source = source.replace(old, new)
    return source


def edited(exercise: Exercise, changes: Changes) -> Code:
    """Return the right answer with (old, new) words, or raise LookupError."""
    source = changed(exercise, changes)
    module = inspect.getmodule(exercise.right)
    names = dict(vars(module)) if module else {}
    exec(compile(source, f'<{exercise.name}>', 'exec'), names)
    code: Code = names[exercise.right.__name__]
    return code


# Trying an answer.


def observe(
    exercise: Exercise, answer: Any, case: Case, spent: float = 0
) -> Outcome:
    """Run an answer on a copy of a case, under guard; see `results`."""
    is_class = isinstance(exercise.right, type)
    called = is_class and isinstance(answer, nn.Module)
    if callable(exercise.right) and (called or not callable(answer)):
        kind = type(answer).__name__
        zh, en = ('类', 'class') if is_class else ('函数', 'function')
        zh = f'要的是{zh}本身，来的是`{kind}`。名字后面不要写括号。'
        en = f'Write its name without brackets: a {en} is asked, not `{kind}`.'
        return Outcome(trouble=Trouble('kind', zh, en))
    if not is_class and _misplaced(exercise, answer):
        order = ', '.join(f'`{name}`' for name in exercise.arguments)
        zh = f'参数是这几个，按这个次序：{order}。'
        en = f'The arguments should be these, in this order: {order}.'
        return Outcome(trouble=Trouble('arguments', zh, en))
    return run(lambda: results(exercise, answer, case), spent=spent)


def _misplaced(exercise: Exercise, answer: Any) -> bool:
    """Tell whether a function takes other arguments, or in another order."""
    names = exercise.arguments if callable(exercise.right) else []
    try:
        own = [*inspect.signature(answer).parameters]
        inspect.signature(answer).bind(*names)
    except (TypeError, ValueError) as e:  # of one built in nothing is told
        return isinstance(e, TypeError) and bool(names)
    return own != names and {*own} == {*names}


def results(exercise: Exercise, answer: Any, case: Case) -> Results:
    """Return what an answer gives on a copy of a case, by name."""
    if not callable(exercise.right):
        return {'': plain(answer)}
    args = case.fresh()
    before = copy.deepcopy([x if _is_data(x) else None for x in args])
    seen: Results = plain(exercise.see(_watched(answer), *args))
    for name, old, new in zip(exercise.arguments, before, args, strict=False):
        fixed = name not in exercise.may_change and old is not None
        if fixed and difference(plain(new), plain(old), 0) is not None:
            raise Changed(name)
    return seen


def _watched(answer: Any) -> Any:
    """Return an answer that says so when it has no result."""
    if isinstance(answer, type):
        forward = getattr(answer, 'forward', None)
        missing = forward is nn.Module.forward
        if missing and '__init__' in vars(answer):
            raise Fault(
                '类里没有方法`forward`：看看名字和缩进',
                'the class has no method `forward`: look at its name and its '
                'indent',
            )
        if missing or _does_nothing(forward):
            raise Untried
        return answer

    def watched(*args: Any, **options: Any) -> Any:
        value = answer(*args, **options)
        if value is None or value is ...:
            raise Untried if _does_nothing(answer) else Nothing
        # What runs as it is gone through runs here, under guard.
        return plain(value) if isinstance(value, Iterator) else value

    return watched


def _does_nothing(answer: Any) -> bool:
    """Tell whether a function is a stub: it holds a constant at most."""
    code = getattr(answer, '__code__', None)
    return code is not None and _is_idle(code)


@cache
def _is_idle(code: CodeType) -> bool:
    idle = {'RESUME', 'NOP', 'LOAD_CONST', 'RETURN_VALUE', 'RETURN_CONST'}
    return idle >= {step.opname for step in dis.get_instructions(code)}


def _is_stub(answer: Any) -> bool:
    """Tell whether `...` still stands where a value should."""
    if isinstance(answer, (list, tuple)) and answer:
        return all(each is ... for each in answer)
    return answer is None or answer is ...


def _is_data(value: Any) -> bool:
    """Tell whether an argument is data, which can be compared."""
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, (list, tuple)):
        return all(map(_is_data, value))
    return hasattr(value, 'shape') or isinstance(
        value, (bool, int, float, str)
    )


def try_case(
    exercise: Exercise, answer: Any, case: Case, spent: float = 0
) -> Trial:
    """Try an answer on a case, and hold it against what is right."""
    want = _right(exercise, case)
    came = unpatched(lambda: observe(exercise, answer, case, spent))
    tolerance = _tolerance(exercise, case)
    got: Results = {}
    wrong: dict[Name, Words] = {}
    if came.trouble is None:
        # A name that is missing, because another way was taken, is wrong.
        got = {key: came.value.get(key) for key in want}
        for key in want:
            told = difference(got[key], want[key], tolerance)
            if told is not None:
                wrong[key] = told
    return Trial(case, want, got, came.trouble, came.printed, wrong, tolerance)


def _tolerance(exercise: Exercise, case: Case) -> float:
    return exercise.tolerance if case.tolerance is None else case.tolerance


@cache
def _right(exercise: Exercise, case: Case) -> Results:
    """Return what is right for a case; it is computed once."""
    right = observe(exercise, exercise.right, case)
    if right.trouble is not None:
        raise RuntimeError(
            f'{exercise.name}: the right answer fails a case: '
            f'{right.trouble.en}'
        )
    value: Results = right.value
    return value


# Judging it.


def judge(exercise: Exercise, answer: Any) -> Report:
    """Judge an answer.

    Code that raises, never ends, prints, returns another kind or shape, or
    changes its arguments gets a sentence. Nothing that it does to the session
    stays; all its cases together have `guard.LIMIT` seconds.
    """
    with untouched():
        torch.set_num_threads(1)  # more only slow small tensors down
        return _judged(exercise, answer)


def _judged(exercise: Exercise, answer: Any) -> Report:
    report = partial(Report, exercise.name, _answer=lambda: exercise.answer)
    if _is_stub(answer):
        return report(tried=False)
    trials: list[Trial] = []
    spent = 0.0
    for case in exercise.cases:
        _right(exercise, case)  # in its own time
        began = monotonic()
        trials.append(try_case(exercise, answer, case, spent))
        spent += monotonic() - began
        trouble = trials[-1].trouble
        key, what = (trouble.key, trouble.what) if trouble else ('', '')
        raises = len(trials) == 1 and what.startswith('NotImplementedError')
        if key == 'untried' or raises:
            return report(tried=False)
        if key == 'looped':
            break  # each of the others would take as long
    failed = next((trial for trial in trials if not trial.ok), None)
    if failed is None:
        right = ('✓ 全对', '✓ all right')
        return report(ok=True, lines=(right, *printed(trials)))
    mistake, trouble = name_mistake(exercise, answer, trials), failed.trouble
    example = _example(exercise, failed)
    hint = None if mistake is None else (mistake.zh, mistake.en)
    return report(
        mistake=None if mistake is None else mistake.key,
        trouble=None if trouble is None else trouble.key,
        case=example,
        lines=lines_of(trials, len(exercise.cases), example, hint),
    )


def _example(exercise: Exercise, trial: Trial) -> Example:
    case = trial.case
    if not callable(exercise.right):  # what is expected is the answer
        return Example(('', ''), None, trial.got.get(''))
    with untouched():  # a case may make its own random numbers
        args = case.fresh()
    pairs = zip(exercise.arguments, args, strict=False)
    shown = '\n'.join(f'`{name} = {show(value)}`' for name, value in pairs)
    words = case.zh or shown, case.en or shown
    key = trial.first_wrong
    told = trial.trouble is None or trial.trouble.key == 'raised'
    want = trial.want[key] if told else None
    return Example(words, want, trial.got.get(key), key)


# Naming the mistake, by what it does on the cases.


def name_mistake(
    exercise: Exercise, answer: Any, trials: list[Trial]
) -> Mistake | None:
    """Return the known mistake that an answer makes, if it makes one.

    The one that gives the same in every case. Else the one that gives what
    was wrong first, best without spoiling what is right. Else one that is
    seen in the answer, or spoils the cases that are wrong. Else the first of
    two that, made together, give the same in every case.
    """
    # Those that went wrong come first: they tell most mistakes apart, and
    # a mistake that explains the first of them is told with it.
    trials = sorted(trials, key=lambda trial: trial.ok)
    trouble = trials[0].trouble
    told = 'arguments', 'looped', 'changed', 'patched', 'nothing'
    if trouble is not None and trouble.key in told:
        return None  # the trouble's own sentence says it all
    fits: list[tuple[Mistake, list[Outcome]]] = []
    for mistake in exercise.known:
        if isinstance(mistake, Seen):
            continue
        first = _made(exercise, mistake, trials[0].case)
        if not _explains(mistake, trials[0], first, first_only=True):
            continue
        made = [_made(exercise, mistake, trial.case) for trial in trials]
        if all(map(partial(_explains, mistake), trials, made)):
            return mistake
        if not mistake.rough:
            fits.append((mistake, made))
    return (
        _best_of(fits, trials)
        or _seen(exercise, answer)
        or _roughly(exercise, trials)
        or _of_two(exercise, trials)
    )


@cache
def code_of(exercise: Exercise, mistake: Mistake) -> Any:
    """Return an answer that makes a mistake."""
    if isinstance(mistake, Edit):
        return edited(exercise, mistake.changes)
    return mistake.wrong if isinstance(mistake, Wrong) else None


@cache
def _made(exercise: Exercise, mistake: Mistake, case: Case) -> Outcome:
    """Return what a mistake gives on a case; it is the same for everybody."""
    return observe(exercise, code_of(exercise, mistake), case)


def _explains(
    mistake: Mistake, trial: Trial, made: Outcome, first_only: bool = False
) -> bool:
    """Tell whether a mistake gives what the answer gave, or what went first.

    A rough one has to fail where the answer fails.
    """
    if mistake.rough:
        return trial.ok == trial.agrees(made, trial.want, *trial.want)
    if trial.trouble is not None or made.trouble is not None:
        return _what(trial.trouble) == _what(made.trouble)
    keys = [trial.first_wrong] if first_only else trial.want
    return trial.agrees(made, trial.got, *keys)


def _what(trouble: Trouble | None) -> str:
    return '' if trouble is None else trouble.what or trouble.key


def _best_of(
    fits: list[tuple[Mistake, list[Outcome]]], trials: list[Trial]
) -> Mistake | None:
    """Return, of the mistakes that give what was wrong first, the best.

    Best one that spoils nothing which is right; one that does must give
    wrong numbers. None that explains one case of several: numbers of a
    single case agree by chance.
    """
    first, failed = trials[0], sum(not trial.ok for trial in trials)
    numbers = first.trouble is None and isinstance(
        first.got[first.first_wrong], Tensor
    )
    best: tuple[bool, float] = (False, float('-inf'))
    name = None
    for mistake, made in fits:
        explained: list[Case] = []  # once for each result
        spoiled = 0
        for trial, came in zip(trials, made, strict=True):
            if trial.trouble is not None or came.trouble is not None:
                explained += [trial.case] * _explains(mistake, trial, came)
                spoiled += trial.ok
                continue
            for key in trial.want:
                same = trial.agrees(came, trial.got, key)
                explained += [trial.case] * (same and key in trial.wrong)
                spoiled += not same and key not in trial.wrong
        score = (not spoiled, len(explained) - spoiled)
        chance = len({*explained}) < min(2, failed)
        if score > best and not chance and (not spoiled or numbers):
            best, name = score, mistake
    return name


def _seen(exercise: Exercise, answer: Any) -> Mistake | None:
    """Return the first mistake whose own look at the answer finds it."""
    for mistake in exercise.known:
        if isinstance(mistake, Seen):
            look = partial(mistake.test, answer)
            if run(look).value is True:
                return mistake
    return None


def _roughly(exercise: Exercise, trials: list[Trial]) -> Mistake | None:
    """Return a rough mistake that spoils the first case, and none right."""
    failed = [trial for trial in trials if not trial.ok]
    may = {(trial.case, key) for trial in failed for key in trial.want}
    for mistake in exercise.known:
        if mistake.rough:
            spots = _spoiled(exercise, mistake, trials, may)
            first = any(case is trials[0].case for case, _ in spots)
            if spots <= may and first:
                return mistake
    return None


def _of_two(exercise: Exercise, trials: list[Trial]) -> Mistake | None:
    """Return the first of two edits that the answer makes together.

    Only those are asked that spoil nothing which the answer has right, and
    between them all that it has wrong.
    """
    if all(trial.trouble for trial in trials):
        return None
    wrong = {
        (trial.case, key)
        for trial in trials
        for key in (trial.want if trial.trouble else trial.wrong)
    }
    edits = [m for m in exercise.known if isinstance(m, Edit) and not m.rough]
    spoiled = {m: _spoiled(exercise, m, trials, wrong) for m in edits}
    apt = [mistake for mistake in edits if spoiled[mistake] <= wrong]
    for one, other in combinations(apt, 2):
        if one.key == other.key or spoiled[one] | spoiled[other] != wrong:
            continue
        try:
            both = edited(exercise, one.changes + other.changes)
        except (LookupError, SyntaxError):  # they change the same words
            continue
        if all(
            _explains(one, trial, observe(exercise, both, trial.case))
            for trial in trials
        ):
            return one
    return None


def _spoiled(
    exercise: Exercise,
    mistake: Mistake,
    trials: list[Trial],
    wrong: set[tuple[Case, Name]],
) -> set[tuple[Case, Name]]:
    """Return what a mistake makes wrong, until it is none of those given."""
    spots: set[tuple[Case, Name]] = set()
    for trial in (trials[0], *reversed(trials)):  # the soonest to tell
        spots |= _spoils(exercise, mistake, trial.case)
        if not spots <= wrong:
            break
    return spots


@cache
def _spoils(
    exercise: Exercise, mistake: Mistake, case: Case
) -> frozenset[tuple[Case, Name]]:
    """Return what a mistake makes wrong in a case; it is the same for all."""
    made, want = _made(exercise, mistake, case), _right(exercise, case)
    right = Trial(case, want, want, None, '', {}, _tolerance(exercise, case))
    return frozenset(
        (case, key) for key in want if not right.agrees(made, want, key)
    )
