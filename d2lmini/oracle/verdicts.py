"""The oracle: a layer against torch's batch normalization, the verdicts."""

import math
from dataclasses import dataclass
from html import escape
from textwrap import shorten
from unicodedata import east_asian_width

import torch

from d2lmini.oracle.columns import COLUMNS, Column, Make
from d2lmini.show.figure import COLORS
from d2lmini.show.lang import Fault, tr, words


@dataclass(frozen=True)
class Verdict:
    """What came out for one layer in one column.

    Attributes
    ----------
    column : Column
    difference : float, the largest absolute one; inf where none was taken
    zh, en : str, why none was taken; else empty
    """

    column: Column
    difference: float
    zh: str = ''
    en: str = ''

    @property
    def ok(self) -> bool:
        """Whether the difference is within the column's tolerance."""
        return self.difference <= self.column.tolerance

    def _short(self) -> tuple[str, str]:
        """Return the verdict in a word or two, in both languages."""
        if self.ok:
            return '✓ 一致', '✓ ok'
        if self.en:
            return '✗ 不一致', '✗ fails'
        return f'✗ 差{self.difference:.1e}', f'✗ off {self.difference:.1e}'

    def _cell(self) -> str:
        """Return the verdict as a cell of an HTML table."""
        zh, en = self._short()
        if self.en:
            zh, en = f'{zh}：{escape(self.zh)}', f'{en}: {escape(self.en)}'
        # A tint, so that the words keep the theme's own contrast.
        tint = COLORS[2 if self.ok else 1] + '33'
        return (
            f'<td style="text-align:left;background:{tint}">'
            f'{words(zh, en)}</td>'
        )


@dataclass(frozen=True)
class Table:
    """Verdicts by the layer's name: a row a column of the oracle."""

    results: dict[str, list[Verdict]]

    def _repr_html_(self) -> str:
        names = ''.join(
            f'<th scope="col">{escape(name)}</th>' for name in self.results
        )
        allowed = f'<th scope="col">{words("容差", "allowed")}</th>'
        body = ''
        for row in zip(*self.results.values(), strict=True):
            column = row[0].column
            zh, en = escape(column.zh), escape(column.en)
            name = zh if zh == en else words(zh, en)
            cells = ''.join(verdict._cell() for verdict in row)
            body += (
                f'<tr><th scope="row" style="text-align:left">{name}</th>'
                f'<td>{column.tolerance:g}</td>{cells}</tr>'
            )
        return (
            f'<table><thead><tr><td></td>{allowed}{names}</tr></thead>'
            f'<tbody>{body}</tbody></table>'
        )

    def __repr__(self) -> str:
        lines = [['', *self.results]]
        notes = []
        for row in zip(*self.results.values(), strict=True):
            what = _say(row[0].column.zh, row[0].column.en)
            lines.append([what, *(_say(*verdict._short()) for verdict in row)])
            notes += [
                f'{name}, {what}: {_say(verdict.zh, verdict.en)}'
                for name, verdict in zip(self.results, row, strict=True)
                if verdict.en
            ]
        widths = [
            max(map(_width, texts)) for texts in zip(*lines, strict=True)
        ]
        told = [
            '  '.join(map(_padded, texts, widths)).rstrip() for texts in lines
        ]
        return '\n'.join(told + notes)


def compare(make: Make) -> list[Verdict]:
    """Compare a layer with `nn.BatchNorm1d` and `2d` in every column.

    Parameters
    ----------
    make : callable
        `make(num_features, num_dims, **options)` builds the layer, as the
        class `BatchNorm` itself does; the options are `eps` and `momentum`.

    Returns
    -------
    list of Verdict, one a column
        A layer that raises, or returns something of another kind, gets a
        verdict that says so. The random numbers of the session stay as
        they are.
    """
    with torch.random.fork_rng(devices=[]):  # a layer may draw numbers
        return [_judge(column, make) for column in COLUMNS]


def table(results: dict[str, list[Verdict]]) -> Table:
    """Show the verdicts of several layers side by side.

    Parameters
    ----------
    results : dict, by the layer's name, what `compare` returned
    """
    if not results:
        raise ValueError(
            'table needs at least one layer, as in '
            "table({'ours': compare(BatchNorm)})"
        )
    return Table(results)


def _judge(column: Column, make: Make) -> Verdict:
    """Take a measure; what is raised on the way becomes the verdict."""
    try:
        with torch.enable_grad():
            return Verdict(column, column.measure(make))
    except Fault as e:
        return Verdict(column, math.inf, e.zh, e.en)
    except Exception as e:  # whatever a layer under test may raise
        why = shorten(f'{type(e).__name__}: {e}', 90, placeholder=' …')
        return Verdict(column, math.inf, why, why)


def _say(zh: str, en: str) -> str:
    """Return the words in the reader's language, on one line."""
    return zh if zh == en else tr(zh, en).replace('\n', ' · ')


def _width(text: str) -> int:
    """Return how many cells of a terminal the text takes."""
    return len(text) + sum(east_asian_width(letter) in 'WF' for letter in text)


def _padded(text: str, width: int) -> str:
    return text + ' ' * (width - _width(text))
