"""Start workers from a notebook, and leave none of them behind."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import torch

from d2lmini.show.lang import tr

LOOK = 0.02  # seconds between two looks at the workers
START = 60  # seconds that they may take to start
Team = list[subprocess.Popen[bytes]]


class WorkerError(RuntimeError):
    """A worker died, or the workers did not finish in time."""


def run(
    work: Callable[..., Any],
    *args: Any,
    workers: int = 2,
    seconds: float = 60,
) -> list[Any]:
    """Run a function in several processes that can talk, and wait for them.

    Parameters
    ----------
    work : function, called as `work(rank, *args)` in each process
        It and what it uses may be defined in the notebook. The processes
        form `torch.distributed`'s default group, over gloo, a thread each.
        What they print comes out with the number of the worker before it.
    *args : whatever can be pickled, the same for all workers
    workers : int, at least 1
    seconds : float, above 0, how long they may work before they are ended

    Returns
    -------
    list, what each worker returned, by rank: numbers, strings, tensors, and
    tuples, lists and dicts of these

    Raises
    ------
    ValueError : `workers` or `seconds` is none of these
    WorkerError : a worker raised an error or died, or time ran out; it says
        which worker, and where it was

    Notes
    -----
    The processes meet in a file, without any port. Whatever happens, an
    interrupt included, all of them are ended before this returns; should
    the notebook's own process be killed, they end by themselves.
    """
    if not isinstance(workers, int) or workers < 1 or not seconds > 0:
        raise ValueError(
            'workers must be an int of at least 1 and seconds above 0, got '
            f'{workers!r} and {seconds!r}'
        )
    import cloudpickle

    # On Windows the files of a process that was ended are held for a moment.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / 'work').write_bytes(cloudpickle.dumps((work, args)))
        team: Team = []
        try:
            for rank in range(workers):
                team.append(_start(folder, rank, workers, seconds))
            _wait(team, folder, seconds)
        finally:
            for each in team:
                each.kill()
                each.wait()
                with contextlib.suppress(OSError):  # it has closed its end
                    each.stdin.close()  # type: ignore[union-attr]
        for rank in range(workers):
            for line in _read(folder / f'{rank}.out').splitlines():
                print(f'[{rank}] {line}')
        return [
            torch.load(folder / f'{rank}.pt', weights_only=True)
            for rank in range(workers)
        ]


def _start(
    folder: Path, rank: int, workers: int, seconds: float
) -> subprocess.Popen[bytes]:
    asked = folder, rank, workers, seconds
    with (
        open(folder / f'{rank}.out', 'wb') as out,
        open(folder / f'{rank}.err', 'wb') as err,
    ):
        return subprocess.Popen(
            [sys.executable, '-m', 'd2lmini.workers.child', *map(str, asked)],
            stdin=subprocess.PIPE,  # closed, it tells the worker to end
            stdout=out,
            stderr=err,
            env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONUTF8': '1'},
        )


def _wait(team: Team, folder: Path, seconds: float) -> None:
    """Wait until all have finished; say who did not, and where it was."""
    limit, end = float(START), monotonic() + START
    starting = True
    while (codes := [each.poll() for each in team]).count(0) < len(team):
        if any(codes):
            _fail(codes, folder)
        if starting and len([*folder.glob('*.here')]) == len(team):
            starting, limit, end = False, seconds, monotonic() + seconds
        if monotonic() > end:
            _late(team, codes, folder, limit)
        sleep(LOOK)


def _fail(codes: list[int | None], folder: Path) -> None:
    """Tell of the worker that died first; the others die of its silence."""

    def when(rank: int) -> float:
        told = folder / f'{rank}.error'
        return told.stat().st_mtime_ns if told.exists() else 0

    rank = min((n for n, code in enumerate(codes) if code), key=when)
    code = codes[rank]
    why = _read(folder / f'{rank}.error')
    raise WorkerError(
        tr(
            f'进程{rank}中途结束：{why or f"退出码{code}"}。其余进程已停止。',
            f'worker {rank} died: {why or f"exit code {code}"}. The others '
            'were ended.',
        )
    )


def _late(
    team: Team, codes: list[int | None], folder: Path, seconds: float
) -> None:
    """Ask those still at work where they are, and tell it."""
    waiting = [rank for rank, code in enumerate(codes) if code is None]
    for rank in waiting:
        with contextlib.suppress(OSError):
            team[rank].stdin.write(b'where?\n')  # type: ignore[union-attr]
            team[rank].stdin.flush()  # type: ignore[union-attr]
    places = []
    for rank in waiting:
        with contextlib.suppress(subprocess.TimeoutExpired):
            team[rank].wait(2)
        places.append((rank, _read(folder / f'{rank}.error')))
    zh = '；'.join(
        f'进程{rank}{f"停在{place}" if place else "做完了，在等别的进程"}'
        for rank, place in places
    )
    en = '; '.join(
        f'worker {rank} was {f"at {place}" if place else "done and waiting"}'
        for rank, place in places
    )
    raise WorkerError(
        tr(
            f'{seconds:g}秒后还没有做完，已全部停止：{zh}。',
            f'not finished after {seconds:g} s, all were ended: {en}.',
        )
    )


def _read(path: Path) -> str:
    """Return what a file holds, '' where there is none."""
    if not path.exists():
        return ''
    return path.read_text(encoding='utf8', errors='replace').strip()
