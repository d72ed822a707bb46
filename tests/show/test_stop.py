"""A loop that an interrupt ends after the round at work."""

import signal
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from d2lmini.show import stoppable


def interrupt(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


def handler() -> Any:
    return signal.getsignal(signal.SIGINT)


@pytest.fixture
def usual() -> Iterator[None]:
    """Let an interrupt raise KeyboardInterrupt, and see that it does after."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert handler() is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize('last', [1, 2, 5])
@pytest.mark.parametrize('where', ['body', 'iterator'])
def test_a_stoppable_loop_ends_after_the_round_at_work(
    last: int, where: str, usual: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def rounds() -> Iterator[int]:
        for k in range(1, 6):
            if where == 'iterator' and k == last:
                interrupt()
            yield k

    done = []
    for k in stoppable(rounds()):
        if where == 'body' and k == last:
            interrupt()
        done.append(k)
    assert done == [*range(1, last + 1)]
    assert f'Stopping after round {last}. Int' in capsys.readouterr().out


def test_a_second_interrupt_stops_at_once(usual: None) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):
        for k in stoppable(range(5)):
            interrupt(times=k)
            if k == 1:
                interrupt()
            done.append(k)
    assert done == [0]


@pytest.mark.parametrize('way', ['whole', 'break', 'error'])
def test_a_loop_that_is_left_leaves_the_handler_as_it_was(
    way: str, usual: None
) -> None:
    done = []
    try:
        for k in stoppable('abc'):
            assert handler() is not signal.default_int_handler
            done.append(k)
            if k == 'b' and way == 'break':
                break
            if k == 'b' and way == 'error':
                raise ValueError
    except ValueError:
        pass
    assert handler() is signal.default_int_handler
    assert ''.join(done) == ('abc' if way == 'whole' else 'ab')


def test_the_outer_of_two_loops_is_stopped(usual: None) -> None:
    done = []
    for outer in stoppable(range(3)):
        for inner in stoppable(range(3)):
            if (outer, inner) == (1, 1):
                interrupt()
            done.append((outer, inner))
    assert done == [(outer, inner) for outer in (0, 1) for inner in range(3)]


def test_elsewhere_it_is_a_loop_like_any_other(usual: None) -> None:
    done: list[int] = []
    thread = Thread(target=lambda: done.extend(stoppable(range(3))))
    thread.start()
    thread.join()
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: asked.append(1))
    for k in stoppable(range(3, 5)):
        interrupt()
        done.append(k)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert done == [*range(5)] and len(asked) == 2
