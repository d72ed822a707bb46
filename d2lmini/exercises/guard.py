"""Runs a learner's code so that nothing it does harms the session.

What it raises becomes a sentence, what never ends is stopped, on every system
and in every thread; what it prints is kept, and random numbers, gradients'
mode and the default type stay.
"""

import ctypes
import io
import random
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

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


class TooLong(BaseException):
    """Raised in code that runs too long; `except Exception` lets it by."""


class _Watch:
    """A thread that stops the one that made it, after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._watched = threading.get_ident()
        self._lock, self._over = threading.Lock(), threading.Event()
        threading.Thread(
            target=self._wait, args=(seconds,), daemon=True
        ).start()

    def _wait(self, seconds: float) -> None:
        while not self._over.wait(seconds):
            with self._lock:
                if not self._over.is_set():
                    _interrupt(self._watched)
            seconds = AGAIN  # a bare `except:` may have swallowed it

    def end(self) -> None:
        with self._lock:
            self._over.set()  # one on its way is raised by now


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


def output_of(layer: Callable[..., Any], X: Tensor) -> Tensor:
    """Return what a layer gives for a copy of X, which must stay as it is.

    Raises
    ------
    NotImplementedError : nothing, or `...`: not tried yet
    Fault : no tensor
    Changed : the copy was written into
    """
    given = X.clone()
    Y: object = layer(given)
    if Y is None or Y is ...:
        raise NotImplementedError
    if not isinstance(Y, Tensor):
        kind = type(Y).__name__
        raise Fault(
            f'`forward`要返回一个张量，返回的是`{kind}`',
            f'`forward` should return a tensor and returns `{kind}`',
        )
    if not torch.equal(given, X):
        raise Changed('X')
    return Y


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
    """Give a layer's gamma or beta other numbers, and return it.

    Raises
    ------
    Fault : it is not there, or not for as many channels
    """
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
    """Why a run gave nothing to compare.

    Attributes
    ----------
    key : 'untried', 'nothing', 'raised', 'looped', 'changed' or 'kind'
    zh, en : str, one sentence; code stands between ticks
    what : str, the error alone, the same wherever it was raised
    """

    key: str
    zh: str
    en: str
    what: str = ''


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    value : what was returned; None where there is trouble
    trouble : Trouble or None
    printed : str
    """

    value: Any = None
    trouble: Trouble | None = None
    printed: str = ''


def run(call: Callable[[], Any], limit: float | None = None) -> Outcome:
    """Run code that may do anything, and tell what it did.

    Parameters
    ----------
    call : callable without arguments
    limit : float, seconds, else `LIMIT`; code that never comes back to
        Python (one endless call of a C function), or swallows whatever is
        raised anywhere in it, can't be stopped

    Returns
    -------
    Outcome

    Raises
    ------
    KeyboardInterrupt : the reader's own; nothing else that `call` raises
    """
    printed = _Kept()
    limit = LIMIT if limit is None else limit
    value, trouble = None, None
    with untouched(), redirect_stdout(printed):
        try:
            value = limited(call, limit)
        except TooLong:
            trouble = Trouble(
                'looped',
                f'代码跑了{limit:g}秒还没有停。看看循环的条件会不会变成假。',
                f'The code was still running after {limit:g} seconds. Look '
                'at whether the condition of its loop ever becomes false.',
            )
        except NotImplementedError:
            trouble = Trouble('untried', '还没有做', 'not tried yet')
        except Fault as e:
            key = getattr(e, 'key', 'kind')
            trouble = Trouble(
                key, f'{e.zh}。', f'{e.en[0].upper()}{e.en[1:]}.', what_of(e)
            )
        except (Exception, SystemExit) as e:
            trouble = _raised(e)
    return Outcome(value, trouble, printed.getvalue())


@contextmanager
def untouched() -> Iterator[None]:
    """Keep the session as it is: random numbers, gradients, default type.

    Notes
    -----
    Inside, random numbers start at 0 and gradients are on. GPUs that the
    session has used are kept too.
    """
    used: Any = torch.cuda.is_initialized  # it has no types
    gpus = range(torch.cuda.device_count()) if used() else ()
    python, numpy = random.getstate(), np.random.get_state()
    dtype = torch.get_default_dtype()
    try:
        with (
            torch.random.fork_rng(devices=gpus),
            torch.enable_grad(),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter('ignore')
            random.seed(0)
            np.random.seed(0)
            torch.default_generator.manual_seed(0)  # GPUs' are left alone
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_default_dtype(dtype)


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
    what = f'{type(error).__name__}: {error}'.strip().removesuffix(':')
    return shorten(what.replace('`', "'"), 160, placeholder=' …')


def _raised(error: BaseException) -> Trouble:
    """Say in a sentence what was raised, and at which of the own lines."""
    what = what_of(error)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        frame.line.strip().replace('`', "'")
        for frame in frames
        if frame.line and not frame.filename.startswith(_OTHERS)
    ]
    if not lines:
        return Trouble(
            'raised', f'出错了：`{what}`。', f'It raises `{what}`.', what
        )
    line = shorten(lines[-1], 79, placeholder=' …')
    return Trouble(
        'raised',
        f'运行到`{line}`这一行出错了：`{what}`。',
        f'The line `{line}` raises `{what}`.',
        what,
    )
