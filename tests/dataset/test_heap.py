"""What was freed goes back to the system, and a training sees to it."""

import ctypes
import platform
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from d2lmini import train
from d2lmini.dataset import heap


def resident() -> int:
    return int(Path('/proc/self/statm').read_text().split()[1])


@pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc',
    reason='only glibc gives memory back when asked',
)
def test_what_was_freed_is_given_back() -> None:
    pieces = [bytes(60_000) for _ in range(2_000)]  # 120 MB
    pieces = pieces[::100]  # what stays keeps the rest from being returned
    before = resident()
    heap.give_back()
    assert resident() < before - 50_000_000 // 4096 and len(pieces) == 20


@pytest.mark.parametrize('fault', [AttributeError, TypeError])
def test_other_systems_keep_what_was_freed(
    fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise fault

    monkeypatch.setattr(ctypes, 'CDLL', refuse)
    assert heap.give_back() is None
    assert heap.return_large_pieces() is None


def test_a_training_ends_by_giving_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(train, 'give_back', lambda: asked.append(1))
    batches = [(torch.rand(4, 3), torch.arange(4) % 2)]
    train.train_ch6(nn.Linear(3, 2), batches, batches, 1, 0.1, 'cpu')
    assert asked == [1]
