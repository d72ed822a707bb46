"""The check of the reader's machine, with what it looks at broken."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mirror
import psutil
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mirror import bad, closed_port, listing, packed, serving, whole
from packaging.version import Version

from d2lmini import data
from d2lmini.dataset import fetch, files, sources
from d2lmini.dataset.files import DataError
from d2lmini.machine import findings, folders, system
from d2lmini.machine import memory as memory_module
from d2lmini.machine.findings import Finding
from d2lmini.machine.memory import memory
from d2lmini.show import lang, notebook

GOOD, MNIST = mirror.tiny(1), mirror.tiny(2)
RAW = 'FashionMNIST/raw'
GB = 2**30
ROWS = [en for _, en in findings.CHECKS]


@pytest.fixture(autouse=True)
def alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> Path:
    """Make all fine: the tiny set, much memory, folders of one's own.

    Returns the folder that `$D2LMINI_DATA` names.
    """
    for name in [key for key in os.environ if key.startswith('D2LMINI_')]:
        monkeypatch.delenv(name)
    for name, pair in mirror.sums(GOOD).items():
        monkeypatch.setitem(files.FILES, name, pair)
    known = {digest for pair in mirror.sums(MNIST).values() for digest in pair}
    monkeypatch.setattr(files, 'MNIST', known)
    monkeypatch.setattr(fetch, 'MIRRORS', ())
    monkeypatch.setattr(fetch, '_failed', {})
    monkeypatch.setattr(system, 'memory', lambda: (8 * GB, 16 * GB))
    given = tmp_path / 'given'
    mirror.write(given / RAW, packed(GOOD))
    monkeypatch.setenv('D2LMINI_DATA', str(given))
    monkeypatch.setenv('D2LMINI_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    here = tmp_path / 'here'
    here.mkdir()
    monkeypatch.chdir(here)
    sources._kept.cache_clear()
    request.addfinalizer(sources._kept.cache_clear)
    return given


def row(en: str) -> Finding:
    """Return the row of that name; all the others must be fine."""
    found = {finding.what[1]: finding for finding in findings.findings()}
    others = [name for name in found if name != en and found[name].advice]
    assert not others, found[others[0]]
    return found[en]


def advice(en: str) -> str:
    """Return what the row says to do; it must say so in both languages."""
    todo = row(en).advice
    assert todo and re.search('[\u4e00-\u9fff]', todo[0])
    return todo[1]


def test_a_fine_machine_has_a_tick_in_each_row() -> None:
    found = findings.findings()
    assert [(f.what[1], f.mark) for f in found] == [(n, '✓') for n in ROWS]


# Python and packages


@pytest.mark.parametrize('version', ['2.7.18', '3.9.25', '3.8.0rc1'])
def test_an_old_python_is_named(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, 'python_version', lambda: version)
    assert '3.10 or newer' in advice('Python')
    assert row('Python').found == (version, version)


@pytest.mark.parametrize('version', ['3.10.0', '3.14.0rc1', '3.100.2', '4.0'])
def test_a_new_python_is_fine(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, 'python_version', lambda: version)
    assert row('Python').advice is None


def installed(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str | None
) -> None:
    """Pretend that the package has that version, or is not there."""
    real = system.metadata.version

    def pretended(asked: str) -> str:
        if asked != name:
            return real(asked)
        if version is None:
            raise system.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(system.metadata, 'version', pretended)


@pytest.mark.parametrize('version', ['2.1.9', '1.13.1+cpu', '2.0', None])
def test_a_package_that_is_too_old_or_missing_is_named(
    version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, 'torch', version)
    todo = advice('packages')
    assert f'`"{sys.executable}" -m pip install "torch>=2.2"`' in todo
    monkeypatch.setattr(system, 'in_notebook', lambda: True)
    assert '`%pip install "torch>=2.2"`, then restart' in advice('packages')


@pytest.mark.parametrize('version', ['2.2', '2.2.0', '2.13.1+cpu', '10.0a0'])
def test_a_package_from_the_floor_on_is_fine(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, 'torch', version)
    assert f'torch {version}' in row('packages').found[1]
    assert row('packages').advice is None


def test_a_numpy_that_torch_can_not_use_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: torch.Tensor) -> Any:
        raise RuntimeError('Numpy is not available')

    monkeypatch.setattr(torch.Tensor, 'numpy', fail)
    assert 'install "numpy<2"`, then restart' in advice('packages')


RELEASE = st.lists(st.integers(0, 30), min_size=1, max_size=4)


@given(RELEASE, RELEASE, st.sampled_from(['', '+cpu', '+cu128']))
@example([2, 2], [2, 2, 0], '')
@settings(max_examples=100, deadline=None, derandomize=True)
def test_versions_are_ordered_as_pip_orders_them(
    a: list[int], b: list[int], local: str
) -> None:
    here, floor = ('.'.join(map(str, numbers)) for numbers in (a, b))
    told = system._numbers(here + local) >= system._numbers(floor)
    assert told == (Version(here) >= Version(floor))


# The device and the memory


def test_a_gpu_that_is_broken_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(device: Any) -> str:
        raise RuntimeError('CUDA error: no kernel image\nmore, and more')

    gpu = torch.device('cuda', 0)
    monkeypatch.setattr(system, 'try_gpu', lambda: gpu)
    monkeypatch.setattr(torch.cuda, 'get_device_name', broken)
    assert 'set `CUDA_VISIBLE_DEVICES` to `-1`' in advice('device')
    assert row('device').found[1].endswith('`CUDA error: no kernel image`')


def test_the_cpu_is_told_with_its_threads_and_apples_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system, 'try_gpu', lambda: torch.device('cpu'))
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 3)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: False)
    assert row('device').found == ('CPU，3个线程', 'CPU, 3 threads')
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: True)
    assert 'torch.device("mps")' in row('device').found[1]


def test_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, 'memory', lambda: (GB // 2, 2 * GB))
    assert 'close other programs' in advice('memory')
    assert row('memory').found[1] == '0.5 GB free of 2.0 GB'
    assert row('memory').found[0] == '空闲0.5GB，共2.0GB'


def test_memory_is_known_here() -> None:
    free, total = memory()
    assert total and total > GB // 4
    assert free is None or 0 <= free <= total


def write_groups(
    root: Path, own: str, version: int, sizes: dict[str, tuple[Any, int]]
) -> None:
    """Write control groups: their limit, what they use, a third cached."""
    names = {
        1: ('memory.limit_in_bytes', 'memory.usage_in_bytes'),
        2: ('memory.max', 'memory.current'),
    }[version]
    for group, (limit, used) in sizes.items():
        folder = root / ('memory' if version == 1 else '.') / group
        folder.mkdir(parents=True)
        none = {1: 2**63 - 4096, 2: 'max'}[version]
        (folder / names[0]).write_text(f'{limit or none}\n')
        (folder / names[1]).write_text(f'{used}\n')
        word = 'total_inactive_file' if version == 1 else 'inactive_file'
        text = f'anon 5\n{word} {used // 3}\nfile 9\n'
        (folder / 'memory.stat').write_text(text)
    root.mkdir(exist_ok=True)
    lines = {
        1: f'4:cpu,cpuacct:/another\n3:memory:{own}\n',
        2: f'0::{own}',
    }
    (root / 'own').write_text(lines[version])


FOUR = {'.': (4 * GB, 3 * GB)}
NESTED = {
    'a': (8 * GB, 3 * GB),
    'a/b': (2 * GB, GB * 3 // 2),
    'a/b/c': (None, GB),
    'another': (1000, 1),
}


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize(
    ('own', 'sizes', 'free', 'total'),
    [
        ('/', FOUR, 2, 4),
        ('/not/seen/here', FOUR, 2, 4),
        ('/a/b/c', NESTED, 1, 2),  # the tightest above
        ('/', {'.': (4 * GB, 9 * GB)}, 0, 4),  # more in use than allowed
        ('/', {'.': (None, 3 * GB)}, 20, 64),  # no limit: the machine's
        ('', {}, 20, 64),  # no control groups
    ],
)
def test_a_containers_limit_counts(
    own: str,
    sizes: dict[str, tuple[Any, int]],
    free: int,
    total: int,
    version: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / 'groups'
    write_groups(root, own, version, sizes)
    monkeypatch.setattr(memory_module, 'GROUPS', root)
    there = root / ('own' if own else 'nothing')
    monkeypatch.setattr(memory_module, 'OWN', there)
    plenty = SimpleNamespace(available=20 * GB, total=64 * GB)
    monkeypatch.setattr(psutil, 'virtual_memory', lambda: plenty)
    assert memory() == (free * GB, total * GB)


# The data


def spoil(folder: Path, kind: str) -> None:
    """Break the images to test on, in that folder."""
    path = folder / RAW / 't10k-images-idx3-ubyte.gz'
    if kind == 'missing':
        path.unlink()
    elif kind == 'truncated':
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_bytes(packed(MNIST)[path.name])


PLAY = {  # the case -> what is foreseen
    'given': 'folder',
    'given, cache damaged': 'folder',
    'given and the cache': 'folder',
    'cache': 'cache',
    'given without a file, cache': 'cache',
    'nothing': 'download',
    'cache lacks a file': 'download',
    'cache truncated': 'download',
    'cache is mnist': 'download',
    'given without a file': 'download',
    'drawn': 'drawn',
    'given truncated': 'error',
    'given is mnist': 'error',
}


def play(case: str, given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the files where the case wants them."""
    cache = Path(os.environ['D2LMINI_CACHE'])
    if 'cache' in case:
        mirror.write(cache / RAW, packed(GOOD))
    if 'given' not in case:
        monkeypatch.delenv('D2LMINI_DATA')
    for folder, word in ((given, 'given'), (cache, 'cache')):
        for kind, words in {
            'missing': ('without a file', 'lacks a file'),
            'truncated': ('truncated', 'damaged'),
            'mnist': ('is mnist',),
        }.items():
            if any(f'{word} {w}' in case for w in words):
                spoil(folder, kind)
    if case == 'drawn':
        monkeypatch.setenv('D2LMINI_DATASET', 'drawn')


@pytest.mark.parametrize('online', [True, False])
@pytest.mark.parametrize('case', PLAY)
def test_what_is_foreseen_is_what_is_found(
    case: str,
    online: bool,
    alone: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play(case, alone, monkeypatch)
    drawn = [array.copy() for array in mirror.arrays(GOOD)[2:]]
    monkeypatch.setattr(sources, 'draw_garments', lambda n, seed: drawn)
    with serving(whole(GOOD)) as server:
        url = server.url if online else closed_port()
        monkeypatch.setenv('D2LMINI_MIRROR', url)
        try:
            where = sources.foresee()[0]
        except DataError:
            where = 'error'
        assert server.asked == []
        try:
            name = sources.find(None, (60, 20))[0]
        except DataError:
            name = 'error'
        asked = bool(server.asked)
    assert where == PLAY[case]
    real = name == sources.REAL
    assert asked == (where == 'download' and online)
    assert real == (where in ('folder', 'cache') or asked)
    assert (name == 'error') == (where == 'error')


TOLD = {
    'given truncated': 't10k-images-idx3-ubyte.gz is damaged',
    'given is mnist': "is MNIST's file, not Fashion-MNIST's",
    'given without a file': 'does not hold t10k-images-idx3-ubyte',
    'given without a file, cache': 'Check `D2LMINI_DATA`.',
    'cache truncated': 'is damaged, or not one of',
    'cache is mnist': "is MNIST's file, not Fashion-MNIST's",
}


@pytest.mark.parametrize('case', TOLD)
def test_data_that_are_not_fine_are_told(
    case: str, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(case, alone, monkeypatch)
    assert TOLD[case] in advice('data')


@pytest.mark.parametrize('case', [k for k in PLAY if k not in TOLD])
def test_data_that_are_fine_need_no_advice(
    case: str, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(case, alone, monkeypatch)
    assert row('data').advice is None
    assert (
        row('data')
        .found[1]
        .startswith('garments' if case == 'drawn' else 'Fashion-MNIST')
    )


def test_a_wrong_choice_of_the_data_set_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('D2LMINI_DATASET', 'mnist')
    assert 'Mend this environment variable' in advice('data')
    assert "got 'mnist'" in row('data').found[1]


def test_quick_mode_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'quick' not in row('data').found[1]
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    assert row('data').found[1].endswith('quick mode, fewer images')
    assert data.quick()


def test_the_cache_is_named_from_home(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play('cache', alone, monkeypatch)
    cache = Path(os.environ['D2LMINI_CACHE'])
    monkeypatch.setattr(Path, 'home', lambda: cache / 'elsewhere')
    assert f'`{cache}`' in row('data').found[1]
    monkeypatch.setattr(Path, 'home', lambda: cache.parent)
    assert f'`~{os.sep}cache`' in row('data').found[1]


# Widgets and folders


@pytest.mark.parametrize('name', ['ipywidgets', 'comm', 'anywidget'])
def test_missing_widgets_are_told(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert 'install "ipywidgets' in advice('widgets')


@pytest.mark.parametrize('name', ['the cache', 'the settings'])
@pytest.mark.parametrize('depth', ['file', 'file/below', 'file/far/below'])
def test_a_folder_that_can_not_be_written_is_told(
    name: str, depth: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'file').write_text('a file where a folder should be')
    path = tmp_path / depth
    monkeypatch.setenv('D2LMINI_DATA', os.environ['D2LMINI_DATA'])
    if name == 'the cache':
        monkeypatch.setenv('D2LMINI_CACHE', str(path))
    else:
        monkeypatch.setattr('platformdirs.user_config_path', lambda _: path)
    told = {
        'the cache': 'set `D2LMINI_CACHE` to a folder',
        'the settings': 'nothing else is affected',
    }
    assert advice('writing').count('.') == 1 and told[name] in advice(
        'writing'
    )
    assert f'{name} `{path}: ' in row('writing').found[1]


@pytest.mark.skipif(os.name != 'posix', reason='Windows keeps it')
def test_a_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / 'gone'
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert 'copy the course to a folder of your own' in advice('writing')


def test_a_home_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def homeless(name: str) -> Path:
        raise RuntimeError('could not determine the home directory')

    for kind in ('cache', 'config'):
        monkeypatch.setattr(f'platformdirs.user_{kind}_path', homeless)
    monkeypatch.delenv('D2LMINI_CACHE')
    assert 'nothing else is affected' in advice('writing')
    assert '`.: could not determine the home' in row('writing').found[1]


def test_the_settings_folder_is_the_one_that_remembers_the_language() -> None:
    assert folders._settings() == lang._memory().parent


# All together


def test_nothing_is_left_behind_and_nobody_is_asked(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play('nothing', alone, monkeypatch)
    before = listing(tmp_path)
    with serving(bad('html', GOOD, MNIST)) as server:
        monkeypatch.setenv('D2LMINI_MIRROR', server.url)
        findings.check()
        assert server.asked == []
    assert listing(tmp_path) == before
    assert not lang._memory().parent.exists()


@pytest.mark.parametrize('language', ['zh', 'en', 'both'])
def test_in_a_terminal_lines_are_printed_in_the_readers_language(
    language: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', language)
    monkeypatch.setattr(system, 'memory', lambda: (GB // 2, 2 * GB))
    findings.check()
    lines = capsys.readouterr().out.splitlines()
    zh = ['有1处要看一看，标着“!”。', '! 内存：空闲0.5GB，共2.0GB']
    en = ['1 to look at, marked "!".', '! memory: 0.5 GB free of 2.0 GB']
    for language_lines, shown in ((zh, 'zh'), (en, 'en')):
        there = [line in lines for line in language_lines]
        assert there == [language in (shown, 'both')] * 2
    assert any(line.startswith('    -> ') for line in lines)


def test_an_old_terminal_gets_question_marks() -> None:
    run = subprocess.run(
        [sys.executable, '-m', 'd2lmini.machine'],
        env=dict(os.environ, PYTHONIOENCODING='ascii', D2LMINI_LANG='zh'),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0 and run.stderr == ''
    assert '? Python?3.' in run.stdout


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Pretend to be in a notebook and keep what is shown there."""
    kept: list[dict[str, Any]] = []
    for module in (findings, system):
        monkeypatch.setattr(module, 'in_notebook', lambda: True)
    monkeypatch.setattr(findings, 'publish', kept.append)
    monkeypatch.setattr(notebook, '_replace', lambda _: None)
    monkeypatch.setattr(
        notebook, 'publish', lambda bundle, **_: kept.append(bundle)
    )
    return kept


def test_a_notebook_shows_a_table_in_both_languages_and_a_slider(
    shown: list[dict[str, Any]],
) -> None:
    findings.check()
    table, slider, twin = shown
    html = table['text/html']
    assert html.count('<tr>') == html.count('#009E73">✓') == len(ROWS)
    assert lang.words('内存', 'memory') in html
    assert 'This machine is ready.' in table['text/plain']
    assert 'application/vnd.jupyter.widget-view+json' in slider
    assert '这里是一个滑块' in twin['text/html']


def test_what_comes_from_outside_is_escaped(
    shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_DATASET', '<b>&')
    findings.check()
    assert 'got &#x27;&lt;b&gt;&amp;&#x27;</code>' in shown[0]['text/html']


def test_the_kernel_answers_the_slider(
    shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(notebook, '_replace', made.append)
    findings._show_slider()
    (widget,) = made
    for value in (7, 0, 10):
        widget.values = {'n': value}
        said = {'zh': f'内核收到了{value}', 'en': f'the kernel got {value}'}
        assert widget.frame == said


def test_without_widgets_there_is_still_the_table(
    shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'anywidget', None)
    monkeypatch.delitem(sys.modules, 'd2lmini.show.drawing', raising=False)
    findings.check()
    (table,) = shown
    assert '%pip install &quot;ipywidgets' in table['text/html']


@pytest.mark.parametrize('name', ROWS)
@pytest.mark.parametrize('error', [OSError, StopIteration, MemoryError])
def test_a_look_that_fails_leaves_the_other_rows(
    name: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise error('on purpose')

    for what in findings.CHECKS:
        if what[1] == name:
            monkeypatch.setitem(findings.CHECKS, what, fail)
    assert 'come back to this row' in advice(name)
    assert f'`{error.__name__}: on purpose`' in row(name).found[1]


def test_a_course_that_is_not_installed_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> Any:
        raise system.metadata.PackageNotFoundError(name)

    for function in ('requires', 'metadata', 'version'):
        monkeypatch.setattr(system.metadata, function, absent)
    findings.check()
    assert capsys.readouterr().out.startswith('2 to look at')
