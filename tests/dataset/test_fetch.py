"""Finding, fetching and checking the four files, broken on purpose."""

import errno
import gzip
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mirror
import numpy as np
import pytest
from mirror import NAMES, bad, closed_port, listing, packed, serving, whole

from d2lmini.dataset import fetch, files, sources
from d2lmini.dataset.files import AbsentError, DataError
from d2lmini.show import lang

GOOD, MNIST = mirror.tiny(1), mirror.tiny(2)
KNOWN, KNOWN_MNIST = dict(files.FILES), set(files.MNIST)
TABLE = mirror.sums(GOOD)
RIGHT = mirror.arrays(GOOD)
RAW = 'FashionMNIST/raw'
FETCHED = ['FashionMNIST', RAW, *sorted(f'{RAW}/{name}' for name in NAMES)]
FAULTS = {
    'refused': 'No mirror could be reached',
    'silent': 'none answered in time',
    'html': 'is damaged, or not one of',
    '404': 'did not give the whole file',
    'closes half way': 'did not give the whole file',
    'silent half way': 'did not give the whole file',
    'truncated': 'is damaged, or not one of',
    'mnist': "is MNIST's file",
}

posix = pytest.mark.skipif(os.name != 'posix', reason='POSIX only')


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the tiny set for the real one, and leave no way out."""
    for name, pair in TABLE.items():
        monkeypatch.setitem(files.FILES, name, pair)
    known = {digest for pair in mirror.sums(MNIST).values() for digest in pair}
    monkeypatch.setattr(files, 'MNIST', known)
    monkeypatch.setattr(fetch, 'MIRRORS', ())
    monkeypatch.setattr(fetch, '_failed', {})
    monkeypatch.setattr(fetch, 'TIMEOUT', (5, 5))
    monkeypatch.setattr(lang, '_chosen', None)
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.delenv('D2LMINI_MIRROR', raising=False)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that everyone may enter; pytest's own is private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob('*')):
        path.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def bound() -> Iterator[None]:
    """Be nobody for a while where we are root, whom no mode binds."""
    import pooch  # noqa: F401  nobody may not be able to import it
    import tqdm  # noqa: F401

    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def same(got: tuple[np.ndarray, ...]) -> bool:
    return len(got) == 4 and all(map(np.array_equal, got, RIGHT))


def run_child(cache: Path, url: str, *orders: str) -> 'subprocess.Popen[str]':
    here = Path(__file__).parent
    path = os.pathsep.join(
        [str(here.parent), os.environ.get('PYTHONPATH', '')]
    )
    return subprocess.Popen(
        [
            sys.executable,
            str(here / 'mirror.py'),
            str(cache),
            url,
            json.dumps(TABLE),
            *orders,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding='utf8',
        env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
    )


def ended_well(process: 'subprocess.Popen[str]') -> bool:
    out, err = process.communicate(timeout=60)
    whole_set = mirror.md5(b''.join(a.tobytes() for a in RIGHT))
    return f'got {whole_set}' in out or pytest.fail(out + err)


# A folder that the reader names


@pytest.mark.parametrize('inside', [RAW, 'raw', '.'])
@pytest.mark.parametrize('form', ['plain', 'gz', 'mixed'])
def test_folder_is_read_and_left_alone(
    tmp_path: Path, inside: str, form: str
) -> None:
    mixed = dict([*GOOD.items()][:2] + [*packed(GOOD).items()][2:])
    held = {'plain': GOOD, 'gz': packed(GOOD), 'mixed': mixed}[form]
    mirror.write(tmp_path / inside, held)
    before = listing(tmp_path)
    got = files.from_folder(tmp_path)
    assert same(got)
    assert all(a.dtype == np.uint8 and a.flags.writeable for a in got)
    assert listing(tmp_path) == before


@posix
def test_read_only_folder_is_read(open_folder: Path) -> None:
    raw = mirror.write(open_folder / RAW, packed(GOOD))
    for folder in (raw, raw.parent, open_folder):
        folder.chmod(0o555)
    with bound():
        with pytest.raises(PermissionError):
            (raw / 'written').touch()
        assert same(files.from_folder(open_folder))


def test_folder_without_the_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match='does not hold train-images'):
        files.from_folder(tmp_path)
    with pytest.raises(AbsentError, match='does not hold train-images'):
        files.from_folder(tmp_path / 'missing')


def test_folder_without_one_file_names_it(tmp_path: Path) -> None:
    mirror.write(tmp_path, GOOD)
    (tmp_path / NAMES[3]).unlink()
    with pytest.raises(AbsentError, match=f'does not hold {NAMES[3]};'):
        files.from_folder(tmp_path)


def spoilt(kind: str, data: bytes, others: bytes) -> bytes:
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    return {
        'truncated': data[: len(data) // 2],
        'one byte short': data[:-1],
        'one bit flipped': bytes(flipped),
        'empty': b'',
        'html': b'<html>Log in first</html>',
        'mnist': others,
    }[kind]


@pytest.mark.parametrize(
    'name', [NAMES[0], f'{NAMES[0]}.gz', f'{NAMES[3]}.gz']
)
@pytest.mark.parametrize(
    'kind',
    [
        'truncated',
        'one byte short',
        'one bit flipped',
        'empty',
        'html',
        'mnist',
    ],
)
def test_wrong_file_in_folder_is_named(
    tmp_path: Path, kind: str, name: str
) -> None:
    held = GOOD if name in GOOD else packed(GOOD)
    others = MNIST if name in GOOD else packed(MNIST)
    mirror.write(tmp_path, held)
    (tmp_path / name).write_bytes(spoilt(kind, held[name], others[name]))
    what = "is MNIST's file" if kind == 'mnist' else 'is damaged'
    path = re.escape(str(tmp_path / name))
    with pytest.raises(DataError, match=f'{path} {what}.*Put a sound copy'):
        files.from_folder(tmp_path)


def test_damaged_plain_file_is_passed_over_for_a_sound_gz(
    tmp_path: Path,
) -> None:
    mirror.write(tmp_path, {**GOOD, **packed(GOOD), NAMES[0]: b'half'})
    assert same(files.from_folder(tmp_path))


def test_file_that_was_unpacked_under_its_packed_name_is_read(
    tmp_path: Path,
) -> None:
    """Some browsers unpack what they save and keep the name."""
    mirror.write(tmp_path, {f'{name}.gz': GOOD[name] for name in NAMES})
    assert same(files.from_folder(tmp_path))


@posix
def test_file_that_cannot_be_read_is_named(open_folder: Path) -> None:
    mirror.write(open_folder, GOOD)
    match = r"can't be read \(Permission denied"
    for hidden in (open_folder / NAMES[0], open_folder):
        hidden.chmod(0)
        with bound(), pytest.raises(DataError, match=match):
            files.from_folder(open_folder)


# One copy for all who read it


def raw_bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NAMES}


def test_plain_files_are_mapped_and_never_written(tmp_path: Path) -> None:
    mirror.write(tmp_path, GOOD)
    got = files.from_folder(tmp_path)
    assert all(isinstance(array, np.memmap) for array in got)
    for array in got:
        array[:] = 7
    assert raw_bytes(tmp_path) == GOOD
    assert same(files.from_folder(tmp_path))


@posix
def test_files_that_are_replaced_do_not_change_what_was_read(
    tmp_path: Path,
) -> None:
    mirror.write(tmp_path, GOOD)
    got = files.from_folder(tmp_path)
    for name in NAMES:
        with fetch.replacing(tmp_path / name) as temporary:
            temporary.write_bytes(MNIST[name])
    assert same(got)


def test_disk_that_maps_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENODEV, 'no such device')

    monkeypatch.setattr(np, 'memmap', refuse)
    mirror.write(tmp_path, GOOD)
    assert same(files.from_folder(tmp_path))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the place of a cache, and a folder `mine` with packed files."""
    monkeypatch.setenv('D2LMINI_CACHE', str(tmp_path / 'cache'))
    mirror.write(tmp_path / 'mine', packed(GOOD))
    return tmp_path / 'cache'


def test_packed_files_are_mapped_from_the_cache(cache: Path) -> None:
    mine = cache.parent / 'mine'
    got = files.from_folder(mine, fetch.kept)
    assert same(got) and all(isinstance(array, np.memmap) for array in got)
    assert listing(cache) == FETCHED and raw_bytes(cache / RAW) == GOOD
    assert listing(mine) == sorted(packed(GOOD))
    written = [(cache / RAW / name).stat().st_ino for name in NAMES]
    assert same(files.from_folder(mine, fetch.kept))
    again = [(cache / RAW / name).stat().st_ino for name in NAMES]
    assert again == written


@pytest.mark.parametrize('kind', ['one bit flipped', 'empty', 'mnist'])
def test_what_the_cache_holds_is_checked(cache: Path, kind: str) -> None:
    for name in NAMES:
        wrong = spoilt(kind, GOOD[name], MNIST[name])
        mirror.write(cache / RAW, {name: wrong})
    assert same(files.from_folder(cache.parent / 'mine', fetch.kept))
    assert raw_bytes(cache / RAW) == GOOD


def test_cache_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.write_text('mine')
    assert same(files.from_folder(cache.parent / 'mine', fetch.kept))
    assert cache.read_text() == 'mine'


@posix
def test_two_that_unpack_at_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before one of them puts its file in place the other does it all."""
    plain = np.frombuffer(GOOD[NAMES[0]], np.uint8)
    real, others = Path.replace, []

    def replace(path: Path, target: Path) -> None:
        monkeypatch.setattr(Path, 'replace', real)
        others.append(fetch.kept(NAMES[0], lambda: plain))
        path.replace(target)

    monkeypatch.setattr(Path, 'replace', replace)
    got = fetch.kept(NAMES[0], lambda: plain)
    (other,) = others
    assert np.array_equal(got, plain) and np.array_equal(other, plain)
    assert listing(cache) == ['FashionMNIST', RAW, f'{RAW}/{NAMES[0]}']


@pytest.mark.parametrize('left', ['sound', 'damaged', 'empty', 'none'])
def test_what_was_unpacked_is_not_unpacked_again(
    cache: Path, left: str
) -> None:
    plain = np.frombuffer(GOOD[NAMES[0]], np.uint8)
    first = fetch.kept(NAMES[0], lambda: plain)
    path, calls = cache / RAW / NAMES[0], []
    assert np.array_equal(first, plain) and path.is_file()
    del first  # on Windows a mapped file stays
    if left == 'damaged':
        path.write_bytes(GOOD[NAMES[0]][:-1] + b'!')
    elif left == 'empty':
        path.write_bytes(b'')
    elif left == 'none':
        path.unlink()

    def unpack() -> np.ndarray:
        calls.append(left)
        return plain

    again = fetch.kept(NAMES[0], unpack)
    assert np.array_equal(again, plain)
    assert path.read_bytes() == GOOD[NAMES[0]]
    assert bool(calls) == (left != 'sound')


# Downloads that work


def test_download_is_kept_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(whole(GOOD)) as server:
        monkeypatch.setenv('D2LMINI_MIRROR', f'{server.url}/some/folder/')
        assert same(fetch.from_cache(tmp_path))
        assert server.asked == [f'{name}.gz' for name in NAMES]
        assert listing(tmp_path) == FETCHED
        assert same(fetch.from_cache(tmp_path))
        assert len(server.asked) == 4
    assert same(files.from_folder(tmp_path))


@pytest.mark.parametrize('kind', FAULTS)
def test_next_mirror_helps_or_none_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(fetch, 'TIMEOUT', (5, 0.1))
    helped, left = tmp_path / 'helped', tmp_path / 'left'
    broken = whole(GOOD) if kind == 'refused' else bad(kind, GOOD, MNIST)
    with serving(broken) as first, serving(whole(GOOD)) as second:
        url = closed_port() if kind == 'refused' else first.url
        monkeypatch.setattr(fetch, 'MIRRORS', (url, second.url))
        assert same(fetch.from_cache(helped))
        assert len(first.asked) == (kind != 'refused')
        assert listing(helped) == FETCHED
        monkeypatch.setattr(fetch, 'MIRRORS', (url,))
        with pytest.raises(DataError, match=FAULTS[kind]) as caught:
            fetch.from_cache(left)
    assert listing(left) == []
    monkeypatch.setenv('D2LMINI_LANG', 'zh')
    assert re.search('[一-鿿].*。$', str(caught.value))


def test_mirror_that_is_no_address_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(whole(GOOD)) as server:
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        monkeypatch.setenv('D2LMINI_MIRROR', 'my mirror')
        assert same(fetch.from_cache(tmp_path))


SOCKS = {'ALL_PROXY': 'socks5://127.0.0.1:9', 'no_proxy': ''}
PROXY = {'http_proxy': 'http://127.0.0.1:9', 'no_proxy': ''}
CAUSES = {  # the mirror, the environment, what is said
    'socks': ('http://{}', SOCKS, "The proxy can't be used"),
    'proxy': ('http://{}', PROXY, "The proxy can't be used"),
    'certificate': ('https://{}', {}, 'The certificate of https://{} was not'),
    'bundle': (
        'https://{}',
        {'REQUESTS_CA_BUNDLE': '/nope.pem'},
        'names a file of certificates that does not exist',
    ),
    'no scheme': ('{}', {}, r'must start with http:// or https://, got {}\.'),
    'another scheme': ('ftp://{}', {}, 'must start with http:// or https://'),
    'a folder': ('/data', {}, '/data is a folder: set D2LMINI_DATA to it'),
    'at home': ('~/data', {}, '~/data is a folder: set D2LMINI_DATA to it'),
    'here': ('./data', {}, 'is a folder: set D2LMINI_DATA to it'),
    'on Windows': ('C:\\data', {}, 'is a folder: set D2LMINI_DATA to it'),
    'as an address': ('file:///data', {}, 'is a folder: set D2LMINI_DATA'),
    'nobody': ('http://127.0.0.1:9', {}, 'No mirror could be reached'),
}


@contextmanager
def unknown_certificate() -> Iterator[str]:
    """Serve the files behind a certificate that nobody has signed for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name('localhost.pem'))
    with serving(whole(GOOD)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield f'localhost:{server.server_port}'


@pytest.mark.parametrize('cause', CAUSES)
def test_each_cause_of_a_failure_has_its_own_sentence(
    cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, environment, words = CAUSES[cause]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with unknown_certificate() as there:
        monkeypatch.setenv('D2LMINI_MIRROR', address.format(there))
        with pytest.raises(DataError, match=words.format(there)) as caught:
            fetch.from_cache(tmp_path)
    assert re.search('[一-鿿].*。$', caught.value.zh)


def test_mirrors_complete_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = {name: GOOD[name] for name in NAMES[:2]}
    rest = {**MNIST, **{name: GOOD[name] for name in NAMES[2:]}}

    def first(answers: mirror.Mirror, name: str) -> None:
        answers.give(packed(half).get(name, b'none'))

    with serving(first) as one, serving(whole(rest)) as two:
        monkeypatch.setattr(fetch, 'MIRRORS', (one.url, two.url))
        assert same(fetch.from_cache(tmp_path))
        assert two.asked == [f'{name}.gz' for name in NAMES[2:]]


def test_answer_says_more_than_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(bad('404', GOOD, MNIST)) as server:
        urls = (closed_port(), server.url, closed_port())
        monkeypatch.setattr(fetch, 'MIRRORS', urls)
        with pytest.raises(DataError, match=f'{server.url}/train-images'):
            fetch.from_cache(tmp_path)


def test_failure_is_remembered_until_the_mirror_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(bad('html', GOOD, MNIST)) as server:
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        for _ in range(2):
            with pytest.raises(DataError, match='is damaged'):
                fetch.from_cache(tmp_path)
        assert len(server.asked) == 1
    with serving(whole(GOOD)) as server:
        monkeypatch.setenv('D2LMINI_MIRROR', server.url)
        assert same(fetch.from_cache(tmp_path))


def test_damaged_file_in_the_cache_is_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.write(tmp_path / RAW, {**GOOD, NAMES[2]: GOOD[NAMES[2]][:99]})
    with serving(whole(GOOD)) as server:
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        assert same(fetch.from_cache(tmp_path))
        assert server.asked == [f'{NAMES[2]}.gz']
    assert same(files.from_folder(tmp_path))


def test_damaged_file_in_the_cache_is_named_offline(tmp_path: Path) -> None:
    mirror.write(tmp_path / RAW, {**GOOD, NAMES[2]: b'half'})
    path = re.escape(str(tmp_path / RAW / NAMES[2]))
    with pytest.raises(DataError, match=f'No mirror.* {path} is damaged'):
        fetch.from_cache(tmp_path)


@pytest.mark.parametrize('zh', [True, False])
def test_progress_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    zh: bool,
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', 'zh' if zh else 'en')
    with serving(whole(GOOD)) as server:
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        fetch.from_cache(tmp_path)
    out, err = capsys.readouterr()
    assert ('正在下载' if zh else 'Downloading') in out
    assert f'{NAMES[0]}: ' in out
    assert err == ''


# Disks and folders that refuse


@posix
def test_file_size_limit(tmp_path: Path) -> None:
    with serving(whole(GOOD)) as server:
        process = run_child(tmp_path, server.url, 'small')
        out, err = process.communicate(timeout=60)
    assert 'could not be kept' in out and 'the disk is full' in out, out + err
    assert mirror.md5(b''.join(a.tobytes() for a in RIGHT)) in out
    assert listing(tmp_path) == ['FashionMNIST', RAW]


def test_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    fetch._say_not_kept(Path('x'), OSError(errno.ENOSPC, ''))
    assert 'kept in x: the disk is full' in capsys.readouterr().out


@posix
def test_read_only_cache(
    open_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_folder.chmod(0o555)
    with serving(whole(GOOD)) as server, bound():
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        assert same(fetch.from_cache(open_folder))
    out = capsys.readouterr().out
    assert f"kept in {open_folder / RAW}: it can't be written" in out
    assert listing(open_folder) == []


def test_cache_that_is_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cache = tmp_path / 'cache'
    cache.write_text('mine')
    monkeypatch.setenv('D2LMINI_LANG', 'zh')
    with serving(whole(GOOD)) as server:
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        assert same(fetch.from_cache(cache))
    assert '这里不能写入' in capsys.readouterr().out
    assert cache.read_text() == 'mine'


# Interrupts and neighbours


@posix
def test_interrupted_download_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gz = packed(GOOD)
    main = threading.main_thread().ident

    def interrupting(answers: mirror.Mirror, name: str) -> None:
        if name.startswith('t10k-images'):
            answers.give(gz[name], 5_000)
            # Again where Python dropped it: what interrupts a destructor is
            # printed, and not raised.
            signal.pthread_kill(main, signal.SIGINT)
            while not answers.server.released.wait(2):
                signal.pthread_kill(main, signal.SIGINT)
        answers.give(gz[name])

    with serving(interrupting) as server:
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        with pytest.raises(KeyboardInterrupt):
            fetch.from_cache(tmp_path)
    assert listing(tmp_path) == [
        'FashionMNIST',
        RAW,
        *(f'{RAW}/{name}' for name in NAMES[:2]),
    ]
    with serving(whole(GOOD)) as server:
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        assert same(fetch.from_cache(tmp_path))
        assert len(server.asked) == 2


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'file'
    with pytest.raises(KeyboardInterrupt), fetch.replacing(path) as temporary:
        temporary.write_bytes(b'half')
        raise KeyboardInterrupt
    assert listing(tmp_path) == ['new']


@posix
def test_killed_download_leaves_nothing(tmp_path: Path) -> None:
    half = threading.Event()

    def stalling(answers: mirror.Mirror, name: str) -> None:
        answers.give(packed(GOOD)[name], 5_000)
        half.set()
        answers.server.released.wait()

    with serving(stalling) as server:
        process = run_child(tmp_path, server.url)
        assert half.wait(60)
        process.kill()
        process.communicate()
    assert listing(tmp_path) == []
    with serving(whole(GOOD)) as server:
        assert ended_well(run_child(tmp_path, server.url))
    assert listing(tmp_path) == FETCHED


@posix
def test_killed_writing_is_tidied_when_a_day_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(whole(GOOD)) as server:
        process = run_child(tmp_path, server.url, 'kill')
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        (left,) = (tmp_path / RAW).iterdir()
        assert left.name.startswith('.d2lmini-')
        monkeypatch.setattr(fetch, 'MIRRORS', (server.url,))
        assert same(fetch.from_cache(tmp_path))
        assert left.exists()  # young: it may be a neighbour's
        (tmp_path / RAW / NAMES[0]).unlink()
        os.utime(left, (0, 0))
        assert same(fetch.from_cache(tmp_path))
    assert listing(tmp_path) == FETCHED


def test_two_processes_at_once(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def together(answers: mirror.Mirror, name: str) -> None:
        both.wait(60)  # every file is asked for twice before it is given
        answers.give(packed(GOOD)[name])

    with serving(together) as server:
        pair = [run_child(tmp_path, server.url) for _ in range(2)]
        assert all([ended_well(process) for process in pair])
        assert len(server.asked) == 8
    assert listing(tmp_path) == FETCHED
    assert same(files.from_folder(tmp_path))


# The place of the cache, and the real files


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    monkeypatch.delenv('D2LMINI_CACHE', raising=False)
    assert fetch.cache_folder() == Path(pooch.os_cache('d2lmini'))
    monkeypatch.setenv('D2LMINI_CACHE', '~/elsewhere')
    assert fetch.cache_folder() == Path.home() / 'elsewhere'


def test_without_a_home_there_is_a_cache_and_no_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def homeless(*_: object) -> Path:
        raise RuntimeError('could not determine the home directory')

    monkeypatch.setattr('platformdirs.user_cache_path', homeless)
    monkeypatch.setattr(Path, 'expanduser', homeless)
    monkeypatch.delenv('D2LMINI_CACHE', raising=False)
    assert fetch.cache_folder() == Path(tempfile.gettempdir(), 'd2lmini')
    monkeypatch.setenv('D2LMINI_CACHE', '~nobody/x')
    assert fetch.cache_folder() == Path('~nobody/x')
    monkeypatch.delenv('D2LMINI_DATASET', raising=False)  # of `make test`
    monkeypatch.setenv('D2LMINI_DATA', '~nobody/x')
    _, (fault,) = sources.foresee()
    assert '~nobody' in fault.en and 'does not hold' in fault.en


def test_known_checksums_are_torchvisions() -> None:
    datasets = pytest.importorskip('torchvision.datasets')
    fashion = dict(datasets.FashionMNIST.resources)
    assert fashion == {f'{k}.gz': gz for k, (_, gz) in KNOWN.items()}
    assert {digest for _, digest in datasets.MNIST.resources} < KNOWN_MNIST


def test_real_files(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = os.environ.get('D2LMINI_DATA')
    if not folder:
        pytest.skip('D2LMINI_DATA names no real files')
    monkeypatch.undo()
    X, y, X_test, y_test = files.from_folder(Path(folder))
    assert X.shape == (60_000, 28, 28) and X_test.shape == (10_000, 28, 28)
    assert np.array_equal(np.bincount(y), [6_000] * 10)
    assert np.array_equal(np.bincount(y_test), [1_000] * 10)
    raw = next(Path(folder).rglob(f'{NAMES[0]}*'))
    opened = gzip.open if raw.suffix == '.gz' else open
    with opened(raw, 'rb') as file:
        file.seek(16 + 784 * 59_999)
        assert file.read() == X[-1].tobytes()
