"""What lesson 00 says of this computer: what is fine, what to do otherwise."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Any

from d2lmini.machine import folders, system
from d2lmini.machine.system import Found
from d2lmini.show.lang import Words, tr, words
from d2lmini.show.notebook import in_notebook, publish, show_widget

CHECKS: dict[Words, Callable[[], Found]] = {
    ('Python', 'Python'): system.python,
    ('软件包', 'packages'): system.packages,
    ('设备', 'device'): system.device,
    ('内存', 'memory'): system.free_memory,
    ('数据', 'data'): folders.data,
    ('控件', 'widgets'): system.widgets,
    ('写入', 'writing'): folders.writing,
}


@dataclass(frozen=True)
class Finding:
    """What was found about one thing; code stands between ticks.

    advice says what to do about it, None where it is fine.
    """

    what: Words
    found: Words
    advice: Words | None

    @property
    def mark(self) -> str:
        """A tick where it is fine, else an exclamation mark."""
        return '✓' if self.advice is None else '!'


def check() -> None:
    """Show what is fine on this machine, and what to do about the rest.

    Never raises, needs no network, leaves nothing behind. A notebook shows a
    table, and under it a slider, since only the reader can see whether
    widgets are drawn; elsewhere lines are printed.
    """
    found = findings()
    plain = tr(_text(found, 0), _text(found, 1))
    if in_notebook():
        publish({'text/html': _table(found), 'text/plain': plain})
        with suppress(Exception):  # the table says so already
            _show_slider()
        return
    try:
        print(plain)
    except UnicodeEncodeError:  # a terminal without these letters
        print(plain.encode('ascii', 'replace').decode())


def findings() -> list[Finding]:
    """Run every check; one that fails gives a row that says so."""
    return [_finding(what, run) for what, run in CHECKS.items()]


def _finding(what: Words, run: Callable[[], Found]) -> Finding:
    try:
        return Finding(what, *run())
    except Exception as e:  # whatever is broken, the other rows still help
        why = f'`{type(e).__name__}: {e}`'
        return Finding(
            what,
            (f'没查成：{why}', f'could not be checked: {why}'),
            (
                '先往下学；哪里出错，再回来看这一行。',
                'Go on; if something fails later, come back to this row.',
            ),
        )


def _verdict(found: list[Finding]) -> Words:
    bad = sum(finding.advice is not None for finding in found)
    if not bad:
        return '这台机器准备好了。', 'This machine is ready.'
    return f'有{bad}处要看一看，标着“!”。', f'{bad} to look at, marked "!".'


def _text(found: list[Finding], i: int) -> str:
    """Return the findings as lines, in language 0 or 1."""
    lines = [_verdict(found)[i]]
    for finding in found:
        name = finding.what[i] + ('：', ': ')[i]
        lines.append(f'{finding.mark} {name}{finding.found[i]}')
        if finding.advice:
            lines.append(f'    -> {finding.advice[i]}')
    return '\n'.join(lines)


def _table(found: list[Finding]) -> str:
    """Return the findings as HTML that holds both languages."""
    start = '<td style="text-align:left; vertical-align:top">'
    rows = ''
    for finding in found:
        color = '#009E73' if finding.advice is None else '#D55E00'
        mark = f'<b style="color:{color}">{finding.mark}</b>'
        told = _html(finding.found)
        if finding.advice:
            told += f'<b>{_html(finding.advice)}</b>'
        cells = (mark, _html(finding.what), told)
        rows += f'<tr>{"".join(f"{start}{cell}</td>" for cell in cells)}</tr>'
    return f'{_html(_verdict(found))}<table>{rows}</table>'


def _html(pair: Words) -> str:
    """Return both languages as HTML, with code where ticks are."""
    zh, en = (
        re.sub('`(.+?)`', r'<code>\1</code>', escape(text)) for text in pair
    )
    return words(zh, en)


def _show_slider() -> None:
    """Show a slider, and below it what the kernel hears of it."""
    from d2lmini.show.drawing import Drawing

    def heard(n: int) -> dict[str, str]:
        return {'zh': f'内核收到了{n}', 'en': f'the kernel got {n}'}

    widget: Any = Drawing(
        sliders=[{'name': 'n', 'places': [*range(11)], 'least': 0,
                  'most': 10, 'whole': True}],
        values={'n': 5},
        starts={'n': 5},
        frame=heard(5),
    )  # fmt: skip
    widget.observe(
        lambda change: widget.set_trait('frame', heard(**change['new'])),
        'values',
    )
    show_widget(
        widget,
        words(
            '（运行之后，这里是一个滑块。）',
            '(Run the cell: here is a slider.)',
        ),
    )
