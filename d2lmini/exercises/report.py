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
    """The smallest case that goes wrong, and which of its results."""

    input: Words  # the arguments, a line each, or the case in words
    expected: Any  # None where it is not to be told
    got: Any
    item: Name = ''

    def lines(self) -> list[Words]:
        """Return the example as lines; they begin with two spaces."""
        found = []
        if self.input[1]:
            zh, en = (text.replace('\n', '\n  ') for text in self.input)
            found.append((f'  输入：{zh}', f'  input: {en}'))
        values = self.expected, self.got
        want, got = ([show(x, k) for k in (0, 1)] for x in values)
        if want == got:  # alike in the digits shown
            want, got = ([str(x)] * 2 for x in values)
        named = isinstance(self.item, str) and self.item
        of = f'`{self.item}` = ' if named else ''
        told = (
            ('应得：', 'expected: ', self.expected, want),
            (
                '得到：' if self.expected is not None else '你写的是',
                'got: ' if self.expected is not None else 'you wrote ',
                self.got,
                got,
            ),
        )
        for zh, en, value, (mine, yours) in told:
            if value is not None:
                found.append((f'  {zh}{of}`{mine}`', f'  {en}{of}`{yours}`'))
        return found


@dataclass(frozen=True)
class Report:
    """What came of a check; shown at the end of its cell."""

    name: str
    tried: bool = True  # False for a stub
    ok: bool = False
    mistake: str | None = None  # the key of the known mistake in it
    trouble: str | None = None  # the key of what kept results from coming
    case: Example | None = None  # the smallest that goes wrong
    lines: tuple[Words, ...] = ()  # what is told; code stands between ticks
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
    texts = [trial.printed.strip() for trial in trials]
    first = next((text.splitlines()[0] for text in texts if text), '')
    said = f'`{first[:60].replace("`", chr(39))}`'
    zh = f'它还会打印（{said}），检查时没有显示出来。'
    en = f'It prints too ({said}); the check keeps that back.'
    return [(zh, en)] if first else []


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
    told = [(f'{n}个例子对了{good}个', f'{good} of {n} cases')] if good else []
    if fine:
        names = [*zip(*map(_told_name, fine), strict=True)]
        told.append(
            (
                f'处处都对：{"、".join(names[0])}',
                f'right in all: {", ".join(names[1])}',
            )
        )
    zh, en = '；'.join(z for z, _ in told), '; '.join(e for _, e in told)
    return [(f'✓ {zh}', f'✓ {en}')] if told else []


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
