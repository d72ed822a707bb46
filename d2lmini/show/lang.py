"""The reader's language: the switch, words in it, and its memory.

Prose stands in `<div lang="zh">` or `<div lang="en">`, headings hold a
`<span>` of each, captions a `lang` attribute. One style rule beside the switch
hides what is not wanted, in its own notebook only: see `switch.js`. Where
that rule can't reach, both languages show.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from d2lmini.show.notebook import has_widgets, in_notebook, show_widget

Words = tuple[str, str]  # the same in Chinese and in English
LANGUAGES = {'zh': '中文', 'en': 'English', 'both': '中英对照'}

_chosen: str | None = None


class Fault(Exception):  # noqa: N818 - a finding, not an error
    """A fault that is no difference of numbers, told in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def _memory() -> Path:
    """Return the file that carries the choice to the next notebook."""
    import platformdirs

    return platformdirs.user_config_path('d2lmini') / 'language.txt'


def _remembered() -> str:
    try:
        return _memory().read_text(encoding='utf8').strip()
    except (OSError, RuntimeError, UnicodeDecodeError):  # no home, as well
        return ''


def get_language() -> str:
    """Return the reader's language.

    Returns
    -------
    'zh', 'en' or 'both': the one chosen in this session, else
    `$D2LMINI_LANG`, else the one chosen in an earlier notebook, else 'both'
    """
    if _chosen is not None:
        return _chosen
    for candidate in (os.environ.get('D2LMINI_LANG', ''), _remembered()):
        if candidate in LANGUAGES:
            return candidate
    return 'both'


def set_language(language: str) -> None:
    """Choose the language, here and for the notebooks opened later.

    Where the home folder can't be written, for this session only.

    Parameters
    ----------
    language : 'zh', 'en' or 'both'

    Raises
    ------
    ValueError : any other value
    """
    global _chosen
    if language not in LANGUAGES:
        raise ValueError(
            f"the language must be 'zh', 'en' or 'both', got {language!r}"
        )
    _chosen = language
    try:
        _memory().parent.mkdir(parents=True, exist_ok=True)
        _memory().write_text(language, encoding='utf8')
    except (OSError, RuntimeError):
        pass  # a read-only home, or none: nothing to remember it by


def tr(zh: str, en: str) -> str:
    """Return the words in the reader's language, or both, a line each.

    Parameters
    ----------
    zh, en : str, the same sentence in Chinese and in English

    Notes
    -----
    Where stdout lacks their letters, it prints `?` for them from now on.
    """
    told = {'zh': zh, 'en': en}.get(get_language(), f'{zh}\n{en}')
    try:
        told.encode(getattr(sys.stdout, 'encoding', None) or 'utf8')
    except UnicodeEncodeError:  # as on Windows, where a pipe takes cp1252
        with suppress(AttributeError):  # a stdout that is not Python's own
            sys.stdout.reconfigure(errors='replace')  # type: ignore[union-attr]
    return told


def words(zh: str, en: str) -> str:
    """Return HTML that holds both languages; the switch hides one.

    Parameters
    ----------
    zh, en : str, HTML; an empty pair gives an empty string
    """
    if not (zh or en):
        return ''
    return (
        f'<div class="d2l-words" lang="zh">{zh}</div>'
        f'<div class="d2l-words" lang="en">{en}</div>'
    )


def switch() -> None:
    """Show the buttons 中文 | English | 中英对照 and obey them at once.

    Outside a notebook it prints the language and how to change it.
    """
    if not in_notebook():
        name = LANGUAGES[get_language()]
        print(
            tr(
                f'语言：{name}。用d2lmini.show.set_language更换。',
                f'Language: {name}. Change it with d2lmini.show.set_language.',
            )
        )
        return
    if not has_widgets():
        print(
            tr(
                '缺少anywidget：两种语言都显示，滑块不能用，训练的图不会动，'
                '其余照常。装上它，再重启内核：%pip install anywidget',
                'anywidget is missing: both languages show, sliders will not '
                'work, pictures of trainings do not move; all else works. '
                'Install it and restart the kernel: %pip install anywidget',
            )
        )
        return
    from d2lmini.show.drawing import Switch

    widget: Any = Switch(language=get_language())
    widget.observe(lambda change: set_language(change['new']), 'language')
    show_widget(widget, f'<p>{" | ".join(LANGUAGES.values())}</p>')
