"""What a check tells the learner, in both languages, as text and as HTML."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from d2lmini.exercises.compare import show
from d2lmini.show.figure import COLORS
from d2lmini.show.lang import Words, tr, words

Name = str | Words  # of a result: as in code, or in both languages


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
