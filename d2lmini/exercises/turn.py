"""The exercises at the end of the lessons: how an answer is judged.

An answer runs on small cases and is held against a right one. Where it
differs, it is held against known mistakes too: the one that does the same
on every case is named.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from torch import Tensor

from d2lmini.exercises.turn_look import (
    Raised,
    apart,
    look_at,
    same,
    shown,
    untried,
)
from d2lmini.show.lang import tr, words

Words = tuple[str, str]  # the same in Chinese and in English


@dataclass(frozen=True)
class Case:
    """An input that an answer is tried on.

    Attributes
    ----------
    make : callable, returns a fresh tuple of arguments
    zh, en : str, what the input is; by default its numbers are shown
    """

    make: Callable[[], tuple[Any, ...]]
    zh: str = ''
    en: str = ''


@dataclass(frozen=True)
class Mistake:
    """A known mistake and what leads on from it.

    Attributes
    ----------
    key : str, its name
    wrong : an answer that makes this mistake
    zh, en : str, the hint
    """

    key: str
    wrong: Any
    zh: str
    en: str


@dataclass(frozen=True)
class Part:
    """One thing that an answer must do.

    Attributes
    ----------
    zh, en : str, what it is
    look : callable
        `look(answer, *arguments)` returns what is compared: numbers,
        tensors, strings, or lists and dicts of them.
    """

    zh: str
    en: str
    look: Callable[..., Any]


def value(answer: Callable[..., Any], *arguments: Any) -> Any:
    """Look at what the answer returns."""
    return answer(*arguments)


@dataclass(frozen=True)
class Report:
    """What came out for an answer; shown at the end of its cell.

    Attributes
    ----------
    tried, ok : bool
    mistake : str, the key of the mistake that it looks like, or empty
    lines : tuple of (Chinese, English)
    """

    tried: bool
    ok: bool
    mistake: str
    lines: tuple[Words, ...]

    def __repr__(self) -> str:
        return '\n'.join(tr(zh, en) for zh, en in self.lines)

    def _repr_html_(self) -> str:
        told = [''.join(map(_line, side)) for side in zip(*self.lines)]  # noqa: B905
        return words(*told)


@dataclass(frozen=True)
class Exercise:
    """The check of an exercise; it is called with the learner's answer.

    Attributes
    ----------
    right : an answer that is right: a function, or a number or list
    parts : tuple of Part, what an answer must do, in the order they are told
    cases : tuple of Case, the smallest first
    mistakes : tuple of Mistake
    outputs : int, how many values the answer returns
    keeps : bool, whether the tensors that come in must stay as they are
    tolerance : float, relative and absolute
    """

    right: Any
    parts: tuple[Part, ...]
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    outputs: int = 1
    keeps: bool = True
    tolerance: float = 1e-4

    def __call__(self, answer: Any) -> Report:
        """Judge an answer.

        Parameters
        ----------
        answer : the function, number or list that the exercise asks for

        Returns
        -------
        Report
            Whatever the answer does, nothing is raised, and the session's
            random numbers stay as they are.
        """
        if untried(answer):
            line = '○ 还没有做', '○ not tried yet'
            return Report(False, False, '', (line,))
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            fault = self._unfit(answer)
            if fault:
                return Report(True, False, '', (fault,))
            return self._judge(answer)

    def _unfit(self, answer: Any) -> Words | None:
        """Return what is wrong before any number is compared."""
        if not callable(self.right):
            return None
        if not callable(answer):
            kind = type(answer).__name__
            return f'✗ 要一个函数，得到{kind}', f'✗ not a function: {kind}'
        given, before = self.cases[0].make(), self.cases[0].make()
        got = look_at(lambda: answer(*given))
        if isinstance(got, Raised):
            return None  # told with its case
        if got is None:
            return '✗ 什么也没有返回', '✗ returns nothing'
        if self.outputs > 1 and not (
            isinstance(got, tuple | list) and len(got) == self.outputs
        ):
            n = self.outputs
            return f'✗ 要返回{n}个值', f'✗ should return {n} values'
        changed = [
            name
            for name, x, old in zip(self._names(), given, before)  # noqa: B905 - options follow
            if isinstance(x, Tensor) and not torch.equal(x, old)
        ]
        if self.keeps and changed:
            return (
                f'✗ 改动了输入{changed[0]}：就地的写法（+=、sub_）会这样',
                f'✗ changes its input {changed[0]}: writing in place '
                '(+=, sub_) does that',
            )
        return None

    def _judge(self, answer: Any) -> Report:
        lines: list[Words] = []
        seen: dict[Part, list[Any]] = {}
        failed: list[Part] = []
        for part in self.parts:
            want = self._seen(part, self.right)
            got = self._seen(part, answer)
            wrong = [
                i for i, w in enumerate(want) if not self._same(w, got[i])
            ]
            mark = '✗' if wrong else '✓'
            lines.append((f'{mark} {part.zh}', f'{mark} {part.en}'))
            if wrong:
                i = wrong[0]
                if not failed:
                    lines += self._example(self.cases[i], want[i], got[i])
                failed.append(part)
            seen[part] = got
        named = self._named(seen, failed) if failed else None
        if named:
            lines.append((f'→ {named.zh}', f'→ {named.en}'))
        key = named.key if named else ''
        return Report(True, not failed, key, (*lines,))

    def _seen(self, part: Part, answer: Any) -> list[Any]:
        """Return what the answer does on each case."""
        return [
            look_at(lambda case=case: part.look(answer, *case.make()))  # type: ignore[misc]
            for case in self.cases
        ]

    def _named(
        self, seen: dict[Part, list[Any]], failed: list[Part]
    ) -> Mistake | None:
        """Return the mistake that does as the answer does.

        Best in every part; else in those that fail, or the first of them.
        """
        for parts in ([*seen], failed, failed[:1]):
            for mistake in self.mistakes:
                if all(
                    self._same(self._seen(part, mistake.wrong), seen[part])
                    for part in parts
                ):
                    return mistake
        return None

    def _same(self, a: Any, b: Any) -> bool:
        return same(a, b, self.tolerance)

    def _names(self) -> list[str]:
        return [*inspect.signature(self.right).parameters]

    def _example(self, case: Case, want: Any, got: Any) -> Iterator[Words]:
        """Yield the input, what should come out, and what came out."""
        if not callable(self.right):  # the expected one is the answer
            yield f'  你写的是{shown(got)}', f'  you wrote {shown(got)}'
            return
        want, got = apart(want, got, self.tolerance)
        zh, en = case.zh, case.en
        if not en:
            pairs = zip(self._names(), case.make())  # noqa: B905
            zh = en = ', '.join(f'{name} = {shown(x)}' for name, x in pairs)
        yield f'  输入：{zh}', f'  input: {en}'
        yield f'  应得：{shown(want)}', f'  expected: {shown(want)}'
        yield f'  得到：{shown(got)}', f'  got: {shown(got)}'


def _line(text: str) -> str:
    indent = '1.5em' if text.startswith('  ') else '0'
    return f'<div style="margin-left:{indent}">{escape(text)}</div>'
