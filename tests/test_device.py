"""Devices, seeds, and whether this is a notebook."""

import random
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from d2lmini import set_seed, try_all_gpus, try_gpu
from d2lmini.show.notebook import in_notebook, publish


@pytest.mark.parametrize('i', [-1, 0, 1, 2, 7])
@pytest.mark.parametrize('count', [0, 1, 2])
def test_try_gpu_gives_that_gpu_or_the_cpu(
    i: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    want = f'cuda:{i}' if 0 <= i < count else 'cpu'
    assert try_gpu(i) == torch.device(want)


@pytest.mark.parametrize('count', [0, 1, 3])
def test_try_all_gpus_is_never_empty(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    want = [f'cuda:{i}' for i in range(count)] or ['cpu']
    assert try_all_gpus() == [torch.device(name) for name in want]


def draw() -> list[Any]:
    numpy = np.random.rand(3).tolist()
    return [torch.rand(3).tolist(), numpy, random.random()]


def test_a_seed_repeats_torch_numpy_and_python() -> None:
    set_seed(7)
    first = draw()
    set_seed(8)
    other = draw()
    set_seed(7)
    assert draw() == first
    assert all(a != b for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ('shell', 'answer'),
    [
        (None, False),  # a script that has IPython loaded
        (SimpleNamespace(), False),  # IPython in a terminal
        (SimpleNamespace(kernel=object()), True),
    ],
)
def test_in_notebook(
    shell: Any, answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, 'IPython', ipython)
    assert in_notebook() is answer


def test_without_ipython_it_is_no_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, 'IPython', raising=False)
    assert in_notebook() is False
    assert 'IPython' not in sys.modules  # not loaded only to ask


def test_publish_shows_the_bundle_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    monkeypatch.setattr(
        'IPython.display.display',
        lambda *args, **how: calls.append((args, how)) or 'handle',
    )
    bundle = {'text/plain': 'words'}
    assert publish(bundle, display_id=True) == 'handle'
    assert calls == [((bundle,), {'raw': True, 'display_id': True})]
