"""Stops code that runs too long, on every system and in every thread."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

AGAIN = 0.2  # seconds until a run that swallowed the stop is stopped again


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
                    _interrupt(self._watched, ctypes.py_object(TooLong))
            seconds = AGAIN  # a bare `except:` may have swallowed it

    def end(self) -> None:
        with self._lock:
            self._over.set()
            _interrupt(self._watched, None)  # one that is not raised yet


def _interrupt(thread: int, error: Any) -> None:
    """Raise an exception in another thread, or take it back with None.

    It works in every thread and on every system; signals, and `alarm` above
    all, do not.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error)


def limited(call: Callable[[], Any], seconds: float) -> Any:
    """Return what `call` returns, or stop it.

    Parameters
    ----------
    call : callable without arguments
    seconds : float

    Raises
    ------
    TooLong : it was still running then
    Exception : what `call` raises
    """
    watch = _Watch(seconds)
    try:
        return call()
    finally:
        try:
            watch.end()
        except TooLong:  # it came just now: the next one is AGAIN away
            watch.end()
            raise
