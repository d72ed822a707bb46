"""What a check tells the learner, in both languages, as text and as HTML."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from d2lmini.exercises.compare import difference, show
from d2lmini.exercises.guard import Outcome, Trouble
from d2lmini.show.figure import COLORS
from d2lmini.show.lang import Words, tr, words

Name = str | Words  # of a result: as in code, or in both languages


@dataclass(frozen=True)
class Trial:
    """An answer on one case: what came, and which results are wrong."""

    case: Any  # of the engine
    want: dict[Name, Any]
    got: dict[Name, Any]
    trouble: Trouble | None
    printed: str
    wrong: dict[Name, Words]
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether everything came, and is right."""
        return self.trouble is None and not self.wrong

    @property
    def first_wrong(self) -> Name:
        """The name of the first result that is wrong; of all, if none came."""
        return next(iter(self.wrong or self.want))

    def agrees(
        self, made: Outcome, other: dict[Name, Any], *keys: Name
    ) -> bool:
        """Tell whether an outcome gave what `other` holds under some names."""
        return made.trouble is None and all(
            key in made.value
            and difference(made.value[key], other[key], self.tolerance) is None
            for key in keys
        )


@dataclass(frozen=True)
class Example:
    """The smallest case that goes wrong.

    Attributes
    ----------
    input : (zh, en), the arguments, a line each, or the case in words
    expected, got : any; None where nothing came, or it is not to be told
    item : str or (zh, en), which of several results; '' if there is one
    """

    input: Words
    expected: Any
    got: Any
    item: Name = ''

    def lines(self) -> list[Words]:
        """Return the example as lines; they begin with two spaces."""
        found = []
        if self.input[1]:
            zh, en = (text.replace('\n', '\n  ') for text in self.input)
            found.append((f'  输入：{zh}', f'  input: {en}'))
        want, got = show(self.expected), show(self.got)
        if want == got:  # alike in the digits shown
            want, got = str(self.expected), str(self.got)
        if self.expected is None:
            return [*found, (f'  你写的是`{got}`', f'  you wrote `{got}`')]
        of = (
            f'`{self.item}` = '
            if isinstance(self.item, str) and self.item
            else ''
        )
        found.append((f'  应得：{of}`{want}`', f'  expected: {of}`{want}`'))
        if self.got is not None:
            found.append((f'  得到：{of}`{got}`', f'  got: {of}`{got}`'))
        return found


@dataclass(frozen=True)
class Report:
    """What came of a check; shown at the end of its cell.

    Attributes
    ----------
    name : str, the exercise's
    tried : bool, False for a stub
    ok : bool, everything is right
    mistake : str or None, the key of the known mistake in it
    trouble : str or None, the key of what kept a result from coming
    case : Example or None, the smallest one that goes wrong
    lines : tuple of (zh, en), what is told; code stands between ticks
    """

    name: str
    tried: bool = True
    ok: bool = False
    mistake: str | None = None
    trouble: str | None = None
    case: Example | None = None
    lines: tuple[Words, ...] = ()
    _answer: Callable[[], str] = str

    def answer(self) -> None:
        """Print the solution."""
        nothing = tr('这道题没有写好的答案。', 'No answer is written here.')
        print(self._answer().strip('\n') or nothing)

    def _told(self) -> tuple[Words, ...]:
        if self.tried:
            return self.lines
        return (('○ 还没有做', '○ not tried yet'),)

    def __repr__(self) -> str:
        zh, en = map('\n'.join, zip(*self._told(), strict=True))
        return tr(zh, en).replace('`', '')

    def _repr_html_(self) -> str:
        zh, en = (
            ''.join(map(_html, side))
            for side in zip(*self._told(), strict=True)
        )
        color = COLORS[2 if self.ok else 1] if self.tried else '#888888'
        # An edge: the words keep the theme's own contrast.
        edge = f'border-left:3px solid {color};padding-left:0.8em'
        return f'<div style="{edge}">{words(zh, en)}</div>'


def _html(line: str) -> str:
    """Return a line as HTML, code where ticks are."""
    text = re.sub('`(.+?)`', r'<code>\1</code>', escape(line))
    indent = '1.5em' if line.startswith('  ') else '0'
    return (
        f'<div style="margin-left:{indent}">{text.replace(chr(10), "<br>")}'
        '</div>'
    )


def lines_of(
    trials: list[Trial], n: int, example: Example, hint: Words | None
) -> tuple[Words, ...]:
    """Return what is told where an example, of n cases, went wrong first."""
    failed = next(trial for trial in trials if not trial.ok)
    found = [*_right(trials, n), *_wrong(failed), *example.lines()]
    found += printed(trials)
    if hint:
        found.append((f'→ {hint[0]}', f'→ {hint[1]}'))
    return tuple(found)


def printed(trials: list[Trial]) -> list[Words]:
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


def _told_name(name: Name) -> Words:
    """Return a result's name in both languages, code in ticks."""
    if isinstance(name, tuple):
        return name
    return (f'`{name}`',) * 2 if name else ('', '')


def _right(trials: list[Trial], n: int) -> list[Words]:
    """Say what is right already: how many cases, and which results."""
    good = sum(trial.ok for trial in trials)
    wrong = {key for trial in trials for key in trial.wrong}
    troubled = any(trial.trouble for trial in trials)
    fine = [] if troubled else [k for k in trials[0].want if k not in wrong]
    zh, en = f'✓ {n}个例子对了{good}个', f'✓ {good} of {n} cases'
    if fine:
        names = [_told_name(key) for key in fine]
        zh += f'；处处都对：{"、".join(name for name, _ in names)}'
        en += f'; right in all: {", ".join(name for _, name in names)}'
    return [(zh, en)] if good or fine else []


def _wrong(trial: Trial) -> list[Words]:
    """Say what is wrong, in a sentence where there is one."""
    if trial.trouble is not None:
        return [(f'✗ {trial.trouble.zh}', f'✗ {trial.trouble.en}')]
    name_zh, name_en = _told_name(trial.first_wrong)
    zh, en = trial.wrong[trial.first_wrong]
    if name_en and en:
        return [(f'✗ {name_zh}：{zh}', f'✗ {name_en}: {en}')]
    if name_en or en:
        return [(f'✗ {name_zh}{zh}', f'✗ {name_en}{en}')]
    return [('✗ 数不对', '✗ other numbers')]
