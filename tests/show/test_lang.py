"""The reader's language: chosen, remembered, obeyed at once."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d2lmini.show import lang, notebook

WIDGET = 'application/vnd.jupyter.widget-view+json'


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Remember in a temporary place; choose nothing yet."""
    monkeypatch.setattr(
        'platformdirs.user_config_path', lambda name: tmp_path / name
    )
    monkeypatch.setattr(lang, '_chosen', None)
    monkeypatch.delenv('D2LMINI_LANG', raising=False)
    return tmp_path / 'd2lmini' / 'language.txt'


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a new session: only what was written down is known."""
    monkeypatch.setattr(lang, '_chosen', None)


def test_both_until_one_is_chosen() -> None:
    assert lang.get_language() == 'both'
    assert lang.tr('你好', 'hello') == '你好\nhello'


@pytest.mark.parametrize('language', lang.LANGUAGES)
def test_a_choice_is_remembered_by_the_next_session(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lang.set_language('both' if language == 'zh' else 'zh')
    lang.set_language(language)
    assert lang.get_language() == language
    forget(monkeypatch)
    assert lang.get_language() == language


def test_session_before_environment_before_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lang.set_language('zh')
    forget(monkeypatch)
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    assert lang.get_language() == 'en'
    monkeypatch.setenv('D2LMINI_LANG', 'klingon')
    assert lang.get_language() == 'zh'
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    lang.set_language('both')
    assert lang.get_language() == 'both'


@pytest.mark.parametrize('wrong', ['', 'ZH', 'fr', None])
def test_another_language_is_refused_and_changes_nothing(
    wrong: Any, memory: Path
) -> None:
    lang.set_language('en')
    with pytest.raises(ValueError, match="'zh', 'en' or 'both', got"):
        lang.set_language(wrong)
    assert lang.get_language() == memory.read_text() == 'en'


@pytest.mark.parametrize(
    'garbage', [b'', b'fr', b'\xff\xfe\x00', b'zh en', b'\x00' * 99]
)
def test_garbage_in_the_memory_is_passed_over(
    garbage: bytes, memory: Path
) -> None:
    memory.parent.mkdir()
    memory.write_bytes(garbage)
    assert lang.get_language() == 'both'
    memory.write_bytes(b' en\r\n')
    assert lang.get_language() == 'en'


def test_a_memory_that_can_be_neither_read_nor_written(memory: Path) -> None:
    memory.mkdir(parents=True)  # a folder where the file should be
    assert lang.get_language() == 'both'
    lang.set_language('en')
    assert lang.get_language() == 'en'


def test_a_folder_that_can_not_be_made(memory: Path) -> None:
    memory.parent.write_text('a file where the folder should be')
    assert lang.get_language() == 'both'
    lang.set_language('zh')
    assert lang.tr('你好', 'hello') == '你好'


def test_words_hold_both_and_nothing_for_nothing() -> None:
    html = lang.words('均值', 'mean')
    assert '<div class="d2l-words" lang="zh">均值</div>' in html
    assert '<div class="d2l-words" lang="en">mean</div>' in html
    assert lang.words('', '') == ''


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Pretend to be in a notebook; keep the widget and what is shown."""
    kept: list[Any] = []
    monkeypatch.setattr(lang, 'in_notebook', lambda: True)
    monkeypatch.setattr(notebook, '_replace', kept.append)
    monkeypatch.setattr(
        notebook, 'publish', lambda bundle, **_: kept.append(bundle)
    )
    return kept


def test_the_switch_shows_buttons_and_text_for_readers_without_a_kernel(
    shown: list[Any],
) -> None:
    lang.set_language('en')
    lang.switch()
    widget, view, twin = shown
    assert widget.language == 'en' and widget.model_id in str(view[WIDGET])
    assert '<p>中文 | English | 中英对照</p>' in twin['text/html']
    assert f'd2l-rest-{widget.rest}' in twin['text/html']


def test_pressing_a_button_changes_the_language(
    shown: list[Any], memory: Path
) -> None:
    lang.switch()
    for language in ('zh', 'en', 'both', 'zh'):
        shown[0].language = language
        assert lang.get_language() == memory.read_text() == language


def test_without_anywidget_it_says_so_and_the_lesson_goes_on(
    shown: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lang, 'has_widgets', lambda: False)
    lang.switch()
    assert shown == []
    assert '%pip install anywidget' in capsys.readouterr().out


CODE = """
import sys
import d2lmini
from d2lmini.show import lang, notebook
for lang._chosen in ('zh', 'en'):
    lang.switch()
heavy = {
    'matplotlib', 'ipywidgets', 'anywidget', 'IPython', 'torchvision', 'pooch'
}
print(sorted(heavy & set(sys.modules)))
"""


def test_outside_a_notebook_the_switch_prints_a_line() -> None:
    run = subprocess.run(
        [sys.executable, '-c', CODE],
        env=dict(os.environ, PYTHONIOENCODING='utf8'),
        capture_output=True,
        encoding='utf8',
        check=True,
    )
    assert run.stdout.splitlines() == [
        '语言：中文。用d2lmini.show.set_language更换。',
        'Language: English. Change it with d2lmini.show.set_language.',
        '[]',  # what costs time is imported where it is used
    ]


@pytest.mark.parametrize('encoding', ['ascii', 'cp1252', 'gbk', 'utf8'])
def test_a_stdout_that_lacks_letters_prints_question_marks(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', 'both')
    into = io.BytesIO()
    stdout = io.TextIOWrapper(into, encoding)
    monkeypatch.setattr(sys, 'stdout', stdout)
    print(lang.tr('中✓', 'é✗'))
    stdout.flush()
    want = '中✓\né✗'.encode(encoding, 'replace')
    assert into.getvalue().splitlines() == want.splitlines()
    assert stdout.errors == ('strict' if encoding == 'utf8' else 'replace')


@pytest.mark.parametrize('stdout', [None, io.StringIO(), object()])
def test_any_other_stdout_does_no_harm(
    stdout: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', 'zh')
    monkeypatch.setattr(sys, 'stdout', stdout)
    assert lang.tr('中', 'en') == '中'


def test_without_a_home_the_language_is_for_this_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def homeless(name: str) -> None:
        raise RuntimeError('could not determine the home directory')

    monkeypatch.setattr('platformdirs.user_config_path', homeless)
    assert lang.get_language() == 'both'
    lang.set_language('zh')
    assert lang.tr('中', 'en') == '中'
