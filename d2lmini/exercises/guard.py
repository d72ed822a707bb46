"""Runs a learner's code so that nothing it does harms the session.

What it raises becomes a sentence, what never ends is stopped, on every system
and in every thread; what it prints is kept, and the session's settings stay.
"""

import builtins
import ctypes
import io
import math
import random
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from operator import is_
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import d2lmini
from d2lmini import norm
from d2lmini.norm import TENSORS
from d2lmini.show.lang import Fault

LIMIT = 5.0  # seconds that one run may take
AGAIN = 0.2  # seconds until a run that swallowed the stop is stopped again
MOST = 10_000  # letters kept of what is printed
# Frames of these are not the learner's: packages, Python's own, the course.
_OTHERS = (
    str(Path(torch.__file__).parents[1]),
    str(Path(traceback.__file__).parent),
    str(Path(__file__).parent),
)
# What is put back when code has run: how it is asked for, how it is set.
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_default_dtype, torch.set_default_dtype),
    (
        lambda: torch.empty(0).device.type.replace('cpu', '') or None,
        torch.set_default_device,
    ),
    (torch.get_num_threads, torch.set_num_threads),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
)
# What every cell shares, and none should replace.
_OWNERS = nn, norm, nn.modules.batchnorm
_SHARED = {
    *(d2lmini, norm, torch, nn, nn.functional, math, builtins, Tensor),
    *(
        x
        for owner in _OWNERS
        for x in vars(owner).values()
        if isinstance(x, type)
    ),
}


class TooLong(SystemExit):
    """Raised in code that runs too long: `except Exception` lets it by.

    A thread that ends with a SystemExit does so in silence.
    """


class _Watch:
    """A thread that stops the one that made it, after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._watched = threading.get_ident()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(
            target=self._wait, args=(seconds,), daemon=True
        )
        self._thread.start()

    def _wait(self, seconds: float) -> None:
        while not self._over.wait(seconds):
            with self._lock:
                if not self._over.is_set():
                    _interrupt(self._watched)
            seconds = AGAIN  # a bare `except:` may have swallowed it

    def end(self) -> None:
        with self._lock:
            self._over.set()  # one on its way is raised by now
        self._thread.join()


def _interrupt(thread: int) -> None:
    """Raise `TooLong` in another thread.

    It works in every thread and on every system; signals, and `alarm` above
    all, do not. Taking it back, with None, would leave Python's own flag up,
    and the next profiler or debugger would hang.
    """
    stop = ctypes.pythonapi.PyThreadState_SetAsyncExc
    stop(ctypes.c_ulong(thread), ctypes.py_object(TooLong))


def limited(call: Callable[[], Any], seconds: float) -> Any:
    """Return what `call` returns; raise TooLong if it still runs then."""
    watch = _Watch(seconds)
    try:
        return call()
    finally:
        try:
            watch.end()
        except TooLong:  # it came just now: the next one is AGAIN away
            watch.end()
            raise


class Changed(Fault):
    """An input, called `name`, was written into."""

    key = 'changed'

    def __init__(self, name: str) -> None:
        super().__init__(
            f'它改动了输入`{name}`。算出新的张量，不要写进来的那个',
            f'it changes its input `{name}`: make a new tensor, and do not '
            'write into the one that came in',
        )


def expect(value: Any, kind: type, zh: str, en: str) -> Any:
    """Return a value of a kind, or raise a Fault that says what came."""
    if not isinstance(value, kind):
        came = type(value).__name__
        raise Fault(
            f'要的是{zh}，来的是`{came}`', f'it should be {en} and is `{came}`'
        )
    return value


def layer_of(make: Callable[..., Any], *sizes: int, **options: Any) -> Any:
    """Return a layer that trains, or raise a Fault if it is none."""
    name = '`nn.Module`'
    layer = expect(make(*sizes, **options), nn.Module, name, f'an {name}')
    if layer.train() is not layer:
        raise Fault(
            '`train`要收`mode`，并返回这一层：不写它，`nn.Module`已经有了',
            '`train` should take `mode` and return the layer: leave it out, '
            '`nn.Module` has one',
        )
    return layer


def fits(Y: Any, X: Tensor) -> Any:
    """Return an output, or raise a Fault if it is no tensor like X."""
    expect(Y, Tensor, '张量', 'a tensor')
    for zh, en, ours, want in (
        ('形状', 'shape', tuple(Y.shape), tuple(X.shape)),
        ('类型', 'dtype', Y.dtype, X.dtype),
    ):
        if ours != want:
            raise Fault(
                f'输出的{zh}是`{ours}`，`X`是`{want}`',
                f'the output has the {en} `{ours}` and `X` `{want}`',
            )
    return Y


def output_of(layer: Callable[..., Any], X: Tensor) -> Any:
    """Return what a layer gives for X, or a Fault if it is not like X."""
    given = X.clone()
    Y: object = layer(given)
    if Y is None or Y is ...:
        raise Nothing
    if not torch.equal(given, X):
        raise Changed('X')
    return fits(Y, X)


def tensor_of(layer: nn.Module, what: str) -> Tensor:
    """Return a tensor of a layer, or of one inside it, by its norm.TENSORS."""
    for module in layer.modules():
        for name in TENSORS[what]:
            tensor = getattr(module, name, None)
            if isinstance(tensor, Tensor):
                return tensor
    known = [f'`{name}`' for name in TENSORS[what]]
    zh, en = '或'.join(known), ' or '.join(known)
    raise Fault(f'层里没有{zh}', f'the layer has no {en}')


def fill(layer: nn.Module, what: str, values: Tensor) -> Tensor:
    """Give a layer's gamma or beta other numbers, and return it."""
    tensor, n = tensor_of(layer, what), len(values)
    if tensor.numel() != n:
        shape = tuple(tensor.shape)
        raise Fault(
            f'`{what}`应该每个通道一个数，共{n}个，形状却是`{shape}`',
            f'`{what}` should hold a number a channel, {n} in all, but has '
            f'the shape `{shape}`',
        )
    tensor.data.copy_(values.reshape(tensor.shape))
    return tensor


def gradients_of(Y: Tensor, sources: dict[str, Tensor]) -> dict[Any, Any]:
    """Return the gradients of an uneven sum of Y; of a plain one, X's is 0."""
    seen: dict[Any, Any] = dict.fromkeys(f'{name}.grad' for name in sources)
    asked = {name: x for name, x in sources.items() if x.requires_grad}
    if not Y.requires_grad:
        return seen
    total = (Y * torch.arange(Y.numel()).cos().reshape(Y.shape)).sum()
    found = torch.autograd.grad(total, [*asked.values()], allow_unused=True)
    for name, each in zip(asked, found, strict=True):
        seen[f'{name}.grad'] = None if each is None else each.flatten()
    return seen


class Untried(Exception):  # noqa: N818 - no error
    """The answer is the stub as it stands."""


class Nothing(Fault):
    """An answer came back without a result."""

    key = 'nothing'

    def __init__(self) -> None:
        super().__init__(
            '什么也没有返回：检查最后有没有`return`',
            'it returns nothing: look for the `return` at its end',
        )


@dataclass(frozen=True)
class Trouble:
    """Why a run gave nothing to compare, in a sentence with code in ticks.

    Its key is 'untried', 'nothing', 'raised', 'looped', 'changed', 'patched'
    or 'kind'.
    """

    key: str
    zh: str
    en: str
    what: str = ''  # the error alone, the same wherever it was raised


@dataclass(frozen=True)
class Outcome:
    """What came of a run: a value or trouble, and what was printed."""

    value: Any = None
    trouble: Trouble | None = None
    printed: str = ''


def run(
    call: Callable[[], Any], limit: float | None = None, spent: float = 0
) -> Outcome:
    """Run code that may do anything, and tell what it did.

    It is stopped after `limit` seconds, else `LIMIT`, of which some are
    `spent`; but not code that never comes back to Python, or swallows
    whatever is raised anywhere in it. Only the reader's own
    KeyboardInterrupt gets through.
    """
    limit = LIMIT if limit is None else limit
    printed, value, trouble = _Kept(), None, None
    threads = {*threading.enumerate()}
    with untouched(), redirect_stdout(printed), redirect_stderr(_Kept()):
        try:
            value = limited(call, max(limit - spent, AGAIN))
        except TooLong:
            trouble = Trouble(
                'looped',
                f'代码跑了{limit:g}秒还没有停。看看循环的条件会不会变成假。',
                f'The code was still running after {limit:g} seconds. Look '
                'at whether the condition of its loop ever becomes false.',
            )
        except Untried:
            trouble = Trouble('untried', '还没有做', 'not tried yet')
        except Fault as e:
            key = getattr(e, 'key', 'kind')
            trouble = Trouble(
                key, f'{e.zh}。', f'{e.en[0].upper()}{e.en[1:]}.', what_of(e)
            )
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            trouble = _raised(e)
        for thread in {*threading.enumerate()} - threads:
            _end(thread)
    return Outcome(value, trouble, printed.getvalue())


def _end(thread: threading.Thread) -> None:
    """End a thread that was left running, or wait a little for it."""
    for _ in range(10):
        if thread.is_alive() and thread.ident is not None:
            _interrupt(thread.ident)
            thread.join(0.05)


@contextmanager
def untouched() -> Iterator[None]:
    """Keep the session as it is: random numbers, modes and settings.

    Inside, random numbers start at 0 and gradients are on.
    """
    used: Any = torch.cuda.is_initialized  # it has no types
    gpus = range(torch.cuda.device_count()) if used() else ()
    kept = [(get, put, get()) for get, put in _SETTINGS]
    ask, builtins.input = builtins.input, _no_input
    try:
        with (
            torch.random.fork_rng(devices=gpus),
            torch.inference_mode(False),
            torch.enable_grad(),
            warnings.catch_warnings(),
            np.errstate(),
            np.printoptions(),
        ):
            warnings.simplefilter('ignore')
            random.seed(0)
            np.random.seed(0)
            torch.default_generator.manual_seed(0)  # GPUs' are left alone
            torch.set_default_dtype(torch.float32)
            torch.set_default_device(None)
            yield
    finally:
        builtins.input = ask
        for get, put, value in kept:
            # What is as it was is not set: the first call may take seconds.
            if isinstance(value, tuple) or get() != value:
                put(value)


def _no_input(*_: Any) -> str:
    raise Fault(
        '检查时没有人能回答`input`', 'nobody answers `input` in a check'
    )


def unpatched(outcome: Callable[[], Outcome]) -> Outcome:
    """Put back what an answer replaced for every cell, and say so."""
    before = [(owner, {**vars(owner)}) for owner in _SHARED]
    came, found = outcome(), []
    for owner, old in before:
        now = vars(owner)
        if len(now) == len(old) and all(map(is_, now.values(), old.values())):
            continue  # most are as they were
        for name, value in {**now}.items():
            if name in old and old[name] is not value:
                setattr(owner, name, old[name])
            elif name not in old and isinstance(owner, type):
                delattr(owner, name)
            else:
                continue
            if not name.startswith('_'):
                found.append(f'{getattr(owner, "__name__", "")}.{name}')
    if not found:
        return came
    trouble = Trouble(
        'patched',
        f'它换掉了`{min(found)}`，别的单元格也跟着变。检查后已经还原。',
        f'It replaces `{min(found)}` for all other cells too. The check has '
        'put it back.',
    )
    return Outcome(trouble=trouble, printed=came.printed)


class _Kept(io.StringIO):
    """Keeps the first of what is printed: an endless loop prints much."""

    def write(self, text: str) -> int:
        if self.tell() < MOST:
            super().write(text[:MOST])
        return len(text)


def what_of(error: BaseException) -> str:
    """Return an error's kind and words, the same wherever it was raised."""
    if isinstance(error, Fault):
        return error.en
    what = f'{type(error).__name__}: {error}'.strip(' :.')
    return shorten(what.replace('`', "'"), 160, placeholder=' …')


def _raised(error: BaseException) -> Trouble:
    """Say in a sentence what was raised, and at which of the own lines."""
    what = what_of(error)
    frames = traceback.extract_tb(error.__traceback__, limit=-99)
    lines = [
        frame.line.strip().replace('`', "'")
        for frame in frames
        if frame.line and not frame.filename.startswith(_OTHERS)
    ]
    line = shorten(lines[-1], 79, placeholder=' …') if lines else ''
    zh, en = f'运行到`{line}`这一行出错了', f'The line `{line}` raises'
    if not lines:
        zh, en = '出错了', 'It raises'
    elif isinstance(error, RecursionError):  # any line may be the last straw
        line = Counter(lines).most_common(1)[0][0]
        zh, en = (
            f'`{line}`没完没了地调用自己',
            f'`{line}` calls itself on and on:',
        )
    return Trouble('raised', f'{zh}：`{what}`。', f'{en} `{what}`.', what)
