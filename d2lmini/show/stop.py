"""How a long cell ends early without an error."""

from collections.abc import Generator, Iterable
from contextlib import suppress
from signal import SIGINT, default_int_handler, getsignal, signal
from typing import Any

from d2lmini.show.lang import tr


def stoppable(rounds: Iterable[Any]) -> Generator[Any, None, None]:
    """Give a loop its rounds; an interrupt ends it after the present one.

    逐个给出；按停止，循环做完手头这一次就结束，不报错；再按一次，立刻停。
    """
    number, noted = 1, []  # of the round at work; whether it is the last

    def note(*_: Any) -> None:
        noted.append(number)
        signal(SIGINT, default_int_handler)  # a second one raises
        zh = f'循环做完第{number}次就停。再按一次停止，立刻停。'
        en = f'Stopping after round {number}. Interrupt again to stop at once.'
        print(tr(zh, en))

    # Under other handlers, in other threads, it is a loop like any other.
    if getsignal(SIGINT) is default_int_handler:
        with suppress(ValueError):
            signal(SIGINT, note)
    try:
        for each in rounds:
            yield each
            if noted:
                break
            number += 1
    finally:
        if getsignal(SIGINT) is note:
            signal(SIGINT, default_int_handler)
