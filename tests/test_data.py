"""Batches, the choice of a data set, and what the reader is told."""

import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mirror
import numpy as np
import pytest
import torch
from mirror import NAMES, bad, closed_port, listing, packed, serving, whole

import d2lmini as d2l
from d2lmini import data
from d2lmini.data import Batches
from d2lmini.dataset import fetch, files, sources
from d2lmini.show import lang

GOOD = mirror.tiny(1)
RAW = 'FashionMNIST/raw'
REAL, DRAWN = 'Fashion-MNIST', 'drawn garments'
KNOWN = dict(files.FILES)


@pytest.fixture(autouse=True)
def alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> list[int]:
    """Take the tiny set for the real one, draw little, stay at home.

    Returns the sizes that were drawn.
    """
    drawn: list[int] = []

    def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        drawn.append(n)
        rng = np.random.default_rng(seed)
        shape = (n // 1000, 28, 28)
        return rng.integers(0, 256, shape, 'u1'), rng.integers(
            0, 10, shape[:1], 'u1'
        )

    for name in [key for key in os.environ if key.startswith('D2LMINI_')]:
        monkeypatch.delenv(name)
    monkeypatch.setenv('D2LMINI_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setattr(lang, '_chosen', None)
    monkeypatch.setattr(fetch, 'MIRRORS', ())
    monkeypatch.setattr(fetch, '_failed', {})
    monkeypatch.setattr(sources, 'draw_garments', draw)
    for name, pair in mirror.sums(GOOD).items():
        monkeypatch.setitem(files.FILES, name, pair)
    sources._kept.cache_clear()
    data._say_quick.cache_clear()
    request.addfinalizer(sources._kept.cache_clear)
    return drawn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that holds the tiny set."""
    mirror.write(tmp_path / 'mine' / RAW, packed(GOOD))
    return tmp_path / 'mine'


def ramp(n: int, **kwargs: Any) -> Batches:
    """Return images that say which they are: image i is grey level i."""
    levels = torch.arange(n, dtype=torch.uint8)
    images = levels[:, None, None].expand(n, 28, 28).contiguous()
    return Batches(images, levels % 10, 4, REAL, **kwargs)


# Batches


def test_batch_is_as_the_book_has_it(folder: Path) -> None:
    train_iter, test_iter = d2l.load_data_fashion_mnist(16, root=folder)
    X, y = next(iter(train_iter))
    assert X.shape == (16, 1, 28, 28) and X.dtype == torch.float32
    assert y.shape == (16,) and y.dtype == torch.int64
    assert X.min() >= 0 and X.max() <= 1 and X.device.type == 'cpu'
    assert (len(train_iter), len(test_iter)) == (4, 2)
    assert (train_iter.num_examples, train_iter.batch_size) == (60, 16)
    assert train_iter.dataset_name == REAL
    assert repr(test_iter) == (
        "Batches('Fashion-MNIST', 20 images, 2 batches of 16)"
    )


def test_values_are_the_files(folder: Path) -> None:
    images, labels = mirror.arrays(GOOD)[2:]
    _, test_iter = d2l.load_data_fashion_mnist(7, root=folder)
    X, y = map(torch.cat, zip(*test_iter, strict=True))
    assert torch.equal(X[:, 0], torch.tensor(images) / 255)
    assert y.tolist() == labels.tolist()


@pytest.mark.parametrize('n', [1, 3, 4, 5, 8, 9])
@pytest.mark.parametrize('shuffle', [True, False])
def test_each_image_comes_once_with_its_label(n: int, shuffle: bool) -> None:
    batches = ramp(n, shuffle=shuffle)
    for _ in range(2):
        pairs = list(batches)
        assert len(pairs) == len(batches) == -(-n // 4)
        assert all(len(y) == 4 for _, y in pairs[:-1])
        levels = torch.cat([X[:, 0, 3, 3] for X, _ in pairs]) * 255
        y = torch.cat([y for _, y in pairs])
        assert torch.equal(levels.round().long() % 10, y)
        assert sorted(levels.round().tolist()) == list(range(n))


def test_order() -> None:
    def order(batches: Batches) -> list[int]:
        return torch.cat([y for _, y in batches]).tolist()

    train, test = ramp(100, shuffle=True), ramp(100)
    assert order(test) == order(test) == [i % 10 for i in range(100)]
    d2l.set_seed(3)
    first, second = order(train), order(train)
    assert first != second
    d2l.set_seed(3)
    assert [order(train), order(train)] == [first, second]


def test_to_moves_the_memory_and_the_batches() -> None:
    batches = ramp(10, shuffle=True, size=(5, 6))
    moved = batches.to('meta')
    X, y = next(iter(moved))
    assert X.device.type == y.device.type == 'meta'
    assert X.shape == (4, 1, 5, 6)
    assert moved.dataset_name == REAL and len(moved) == len(batches)
    assert batches.images.device.type == 'cpu'
    assert batches.to('cpu').images is batches.images


@pytest.mark.parametrize(
    'resize', [1, 14, 27, 28, 29, 43, 96, 224, (14, 56), (96, 20), [40, 30]]
)
def test_resize_agrees_with_torchvision(folder: Path, resize: Any) -> None:
    transforms = pytest.importorskip('torchvision.transforms')
    from PIL import Image

    resized = transforms.Compose(
        [transforms.Resize(resize), transforms.ToTensor()]
    )
    images = mirror.arrays(GOOD)[2]
    white = np.full((1, 28, 28), 255, np.uint8)
    _, test_iter = d2l.load_data_fashion_mnist(20, resize, root=folder)
    whites = Batches(
        torch.tensor(white),
        torch.zeros(1).byte(),
        1,
        REAL,
        size=data._size(resize),
    )
    for X, expected in (
        (next(iter(test_iter))[0], images),
        (next(iter(whites))[0], white),
    ):
        theirs = torch.stack([resized(Image.fromarray(i)) for i in expected])
        assert X.shape == theirs.shape
        # Theirs is rounded twice, to half a level: along rows, then columns.
        assert (X - theirs).abs().max() <= 1.001 / 255
        assert X.min() >= 0 and X.max() <= 1


def test_resize_keeps_the_images_small(folder: Path) -> None:
    train_iter, _ = d2l.load_data_fashion_mnist(2, 224, root=folder)
    next(iter(train_iter))
    images = train_iter.images
    assert images.dtype == torch.uint8 and images.shape == (60, 28, 28)


@pytest.mark.parametrize('value', [0, -1, 2.0, True, None, '32', [32]])
def test_batch_size_is_checked(value: Any) -> None:
    with pytest.raises(ValueError, match='batch_size must be an int of at'):
        d2l.load_data_fashion_mnist(value)


@pytest.mark.parametrize(
    'value', [0, -1, 2.5, True, 'big', (1,), (1, 2, 3), (1, 0), (2.0, 2), []]
)
def test_resize_is_checked(value: Any) -> None:
    with pytest.raises(ValueError, match='resize must be None, an int of at'):
        d2l.load_data_fashion_mnist(32, value)


# Memory


# In a process of its own: what tests before it freed could take in 20 MB.
LARGE_AND_SMALL = """
import torch, d2lmini as d2l
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * 4096
d2l.load_data_fashion_mnist(4)
before, small = resident(), []
for _ in range(4):
    large = torch.ones(5 << 20)  # 20 MB: glibc would come to keep them
    small.append(torch.ones(5_000))
    del large
more = resident() - before
assert more < 10 << 20, more
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='glibc only')
def test_what_a_large_tensor_took_is_given_back() -> None:
    env = os.environ | {'D2LMINI_QUICK': '1', 'D2LMINI_DATASET': 'drawn'}
    words = [sys.executable, '-c', LARGE_AND_SMALL]
    assert subprocess.run(words, timeout=60, env=env).returncode == 0


@pytest.mark.parametrize('fault', [AttributeError, TypeError])
def test_systems_without_glibc_load_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def refuse(_: Any) -> None:
        raise fault

    monkeypatch.setattr(ctypes, 'CDLL', refuse)
    assert len(d2l.load_data_fashion_mnist(4, root=folder)) == 2


# Which data set


def test_second_call_reads_nothing_and_shares_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = d2l.load_data_fashion_mnist(4, root=folder)
    monkeypatch.setattr(files, 'read', None)
    second = d2l.load_data_fashion_mnist(8, 32, root=str(folder))
    for a, b in zip(first, second, strict=True):
        assert a.images.data_ptr() == b.images.data_ptr()
        assert a.labels.data_ptr() == b.labels.data_ptr()


def test_order_of_the_places(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The root comes first, then the variable, the cache, the network."""
    places = []
    read = files.read

    def watched(place: Path, *keep: Any) -> Any:
        arrays, faults = read(place, *keep)
        if arrays:
            places.append(place.parent.parent.name)
        return arrays, faults

    monkeypatch.setattr(files, 'read', watched)
    monkeypatch.setattr(fetch, 'read', watched)
    monkeypatch.setenv('D2LMINI_DATA', str(tmp_path / 'class'))
    for place in ('class', 'cache'):
        mirror.write(tmp_path / place / RAW, GOOD)
    d2l.load_data_fashion_mnist(4, root=folder)
    d2l.load_data_fashion_mnist(4)
    assert capsys.readouterr().out == ''
    d2l.load_data_fashion_mnist(4, root=tmp_path / 'none')
    assert capsys.readouterr().out.startswith(f'{tmp_path / "none"} does not')
    sources._kept.cache_clear()
    (tmp_path / 'class' / RAW / NAMES[0]).unlink()
    d2l.load_data_fashion_mnist(4)
    assert f'does not hold {NAMES[0]};' in capsys.readouterr().out
    assert places == ['mine', 'class', 'class', 'cache']


def test_damaged_file_is_never_passed_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.write(tmp_path / 'cache' / RAW, GOOD)
    (folder / RAW / f'{NAMES[2]}.gz').write_bytes(b'half')
    with pytest.raises(files.DataError, match=rf'{NAMES[2]}\.gz is damaged'):
        d2l.load_data_fashion_mnist(4, root=folder)
    monkeypatch.setenv('D2LMINI_DATA', str(folder))
    with pytest.raises(RuntimeError, match=rf'{NAMES[2]}\.gz is damaged'):
        d2l.load_data_fashion_mnist(4)


@pytest.mark.parametrize(
    ('language', 'said', 'unsaid'),
    [
        ('en', ['stand in for it.', 'Why: ', 'To get'], ['原因']),
        ('zh', ['代替。', '原因：', '想用真实数据'], ['Why']),
        ('both', ['代替。', 'stand in for it.', '原因：', 'Why: '], []),
    ],
)
@pytest.mark.parametrize(
    ('kind', 'en', 'zh'),
    [
        ('refused', 'No mirror could be reached', '下载源都连不上'),
        ('html', 'is damaged, or not one of', '已损坏，或者不是'),
        ('404', 'did not give the whole file', '没有给出完整的文件'),
    ],
)
def test_stand_in_is_never_silent(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    language: str,
    said: list[str],
    unsaid: list[str],
    kind: str,
    en: str,
    zh: str,
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', language)
    with serving(bad(kind, GOOD, GOOD)) as server:
        url = closed_port() if kind == 'refused' else server.url
        monkeypatch.setenv('D2LMINI_MIRROR', url)
        for _ in range(2):
            train_iter, test_iter = d2l.load_data_fashion_mnist(4)
            out = capsys.readouterr().out
            assert all(words in out for words in said)
            assert not any(words in out for words in unsaid)
            assert (en in out) == (language != 'zh')
            assert (zh in out) == (language != 'en')
            assert train_iter.dataset_name == DRAWN
            assert test_iter.dataset_name == DRAWN


def test_files_that_come_later_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name() -> str:
        return d2l.load_data_fashion_mnist(4)[0].dataset_name

    monkeypatch.setenv('D2LMINI_DATA', str(tmp_path / 'mine'))
    assert name() == DRAWN
    mirror.write(tmp_path / 'mine', GOOD)
    assert name() == REAL
    monkeypatch.delenv('D2LMINI_DATA')
    assert name() == DRAWN
    with serving(whole(GOOD)) as server:
        monkeypatch.setenv('D2LMINI_MIRROR', server.url)
        assert name() == REAL


def test_looking_ahead_keeps_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_DATA', str(folder))
    assert sources.foresee() == ('folder', [])
    assert not (tmp_path / 'cache').exists()
    d2l.load_data_fashion_mnist(4)
    assert len(listing(tmp_path / 'cache' / RAW)) == 4


@pytest.mark.parametrize(
    ('language', 'said'),
    [('en', 'asks for the real data.*Why: No'), ('zh', '要真实数据.*原因：')],
)
def test_real_data_forced(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    alone: list[int],
    language: str,
    said: str,
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', language)
    monkeypatch.setenv('D2LMINI_DATASET', 'fashion-mnist')
    with pytest.raises(files.DataError, match=f'(?s){said}'):
        d2l.load_data_fashion_mnist(4)
    assert alone == []
    train_iter, _ = d2l.load_data_fashion_mnist(4, root=folder)
    assert train_iter.dataset_name == REAL


def test_drawn_forced(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / RAW / f'{NAMES[2]}.gz').write_bytes(b'half')
    monkeypatch.setenv('D2LMINI_DATASET', 'drawn')
    with serving(whole(GOOD)) as server:
        monkeypatch.setenv('D2LMINI_MIRROR', server.url)
        train_iter, _ = d2l.load_data_fashion_mnist(4, root=folder)
        assert server.asked == []
    assert train_iter.dataset_name == DRAWN
    out = capsys.readouterr().out
    assert out == 'D2LMINI_DATASET=drawn: garments drawn by code are used.\n'


def test_unknown_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('D2LMINI_DATASET', 'mnist')
    match = "'fashion-mnist', 'drawn' or 'auto', got 'mnist'"
    with pytest.raises(ValueError, match=match):
        d2l.load_data_fashion_mnist(4)


# The drawn garments' cache


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[np.ndarray]]:
    """Return a call that loads the drawn set as a fresh process would."""
    monkeypatch.setenv('D2LMINI_DATASET', 'drawn')

    def load() -> list[np.ndarray]:
        sources._kept.cache_clear()
        pair = d2l.load_data_fashion_mnist(4)
        return [t.numpy() for view in pair for t in (view.images, view.labels)]

    return load


Drawn = Callable[[], list[np.ndarray]]


def test_drawn_set_is_kept(
    tmp_path: Path, drawn: Drawn, alone: list[int]
) -> None:
    first, second = drawn(), drawn()
    assert alone == [60_000, 10_000]
    assert all(map(np.array_equal, first, second))
    assert not np.array_equal(first[0][:10], first[2][:10])
    kept = f'garments-{sources.VERSION}.npz'
    assert listing(tmp_path / 'cache') == [kept]


def test_new_version_is_drawn_anew(
    drawn: Drawn, alone: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn()
    monkeypatch.setattr(sources, 'VERSION', sources.VERSION + 1)
    drawn()
    assert alone == [60_000, 10_000] * 2


def test_damaged_drawn_set_is_drawn_anew(
    tmp_path: Path, drawn: Drawn, alone: list[int]
) -> None:
    """Whatever byte is wrong or missing, the data never is."""
    right = drawn()
    (path,) = (tmp_path / 'cache').iterdir()
    whole_file = path.read_bytes()
    cut = [whole_file[:n] for n in range(0, len(whole_file), 5_000)]
    for i in [*range(0, len(whole_file), 997), *range(-300, 0)]:
        flipped = bytearray(whole_file)
        flipped[i] ^= 0x11
        cut.append(bytes(flipped))
    for broken in cut:
        path.write_bytes(broken)
        assert all(map(np.array_equal, right, drawn()))
    assert len(alone) > len(cut)
    assert listing(tmp_path / 'cache') == [path.name]


def test_drawn_set_stays_in_memory_where_it_cannot_be_kept(
    tmp_path: Path, drawn: Drawn, alone: list[int]
) -> None:
    (tmp_path / 'cache').write_text('mine')
    assert len(drawn()) == 4
    assert (tmp_path / 'cache').read_text() == 'mine'


# Quick mode


@pytest.mark.parametrize(
    ('language', 'said'), [('en', 'Quick mode'), ('zh', '快速模式')]
)
def test_quick_mode_takes_the_first_images_and_says_so_once(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    language: str,
    said: str,
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', language)
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    monkeypatch.setattr(data, 'QUICK_SIZES', (12, 5))
    for _ in range(2):
        train_iter, test_iter = d2l.load_data_fashion_mnist(4, root=folder)
    assert (train_iter.num_examples, test_iter.num_examples) == (12, 5)
    assert torch.equal(
        train_iter.images, torch.tensor(mirror.arrays(GOOD)[0][:12])
    )
    assert capsys.readouterr().out.count(said) == 1
    monkeypatch.setenv('D2LMINI_QUICK', '0')
    train_iter, _ = d2l.load_data_fashion_mnist(4, root=folder)
    assert train_iter.num_examples == 60


def test_quick_mode_draws_no_more_than_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: list[int]
) -> None:
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    monkeypatch.setenv('D2LMINI_DATASET', 'drawn')
    d2l.load_data_fashion_mnist(4)
    assert alone == [2_560, 1_000]
    assert listing(tmp_path) == []


# The book's other helpers


def test_labels() -> None:
    names = d2l.get_fashion_mnist_labels(torch.arange(10))
    assert names == [
        't-shirt', 'trouser', 'pullover', 'dress', 'coat',
        'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot',
    ]  # fmt: skip
    assert d2l.get_fashion_mnist_labels([9, 0]) == ['ankle boot', 't-shirt']


@pytest.mark.parametrize(
    'imgs',
    [
        torch.rand(3, 28, 28, requires_grad=True),
        torch.rand(3, 1, 28, 28),
        np.random.default_rng(0).random((3, 28, 28)),
        [torch.rand(28, 28), np.zeros((28, 28)), np.ones((8, 9, 3))],
    ],
)
def test_show_images(imgs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(
        data, 'show_figure', lambda fig, alt: shown.append((fig, alt))
    )
    titles = ['coat', 'bag', 'dress']
    axes = d2l.show_images(imgs, 2, 2, titles=titles, scale=2)
    assert axes.shape == (4,)
    assert [ax.get_title() for ax in axes] == [*titles, '']
    assert [len(ax.images) for ax in axes] == [1, 1, 1, 0]
    first = axes[0].images[0].get_array()
    expected = (
        imgs[0].detach() if isinstance(imgs[0], torch.Tensor) else imgs[0]
    )
    assert np.allclose(first, np.squeeze(np.asarray(expected)))
    fig, alt = shown[0]
    assert alt == '3 images: coat, bag, dress'
    assert fig.get_size_inches().tolist() == [4, 4]
    d2l.show_images(imgs, 1, 2)
    d2l.show_images(imgs, 1, 2, titles=titles)
    assert [alt for _, alt in shown[1:]] == ['2 images', '2 images: coat, bag']


def test_real_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The mean and spread that everyone normalizes with."""
    monkeypatch.undo()
    if not os.environ.get('D2LMINI_DATA'):
        pytest.skip('D2LMINI_DATA names no real files')
    monkeypatch.setattr(fetch, 'MIRRORS', ())
    monkeypatch.setenv('D2LMINI_CACHE', str(tmp_path))
    monkeypatch.setenv('D2LMINI_DATASET', 'fashion-mnist')
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    monkeypatch.delenv('D2LMINI_MIRROR', raising=False)
    assert files.FILES == KNOWN
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    assert (len(train_iter), len(test_iter)) == (235, 40)
    X = torch.cat([X for X, _ in train_iter])
    assert X.mean().item() == pytest.approx(0.2860, abs=1e-4)
    assert X.std().item() == pytest.approx(0.3530, abs=1e-4)
