"""Start workers from a notebook, and leave none of them behind."""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from types import ModuleType
from typing import Any

import torch

from d2lmini.show.lang import tr
from d2lmini.workers import child

LOOK = 0.02  # seconds between two looks at the workers
START = 60  # seconds that they may take to start
IDLE = 30  # seconds that they wait for more work


def _context() -> Any:
    """Return how to start processes: at once by a fork, where that is safe.

    What they are forked from has imported what takes seconds.
    """
    if sys.platform != 'linux':
        return multiprocessing.get_context('spawn')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['torch._dynamo', child.__name__])
    return context


class WorkerError(RuntimeError):
    """A worker died, or the workers did not finish in time."""


class Team:
    """Worker processes that have formed a group and wait for work.

    They talk to us by files in a folder of their own, named by job and rank:
    what is to be done, what came out, what was printed, what went wrong.

    Parameters
    ----------
    workers : int
    """

    def __init__(self, workers: int) -> None:
        # On Windows what an ended process had open is held for a moment.
        self._place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.folder, self.jobs = Path(self._place.name), 0
        self.processes: list[BaseProcess] = []
        self._words: list[Any] = []  # closed, they tell a worker to end
        self._rest = threading.Timer(0, lambda: None)
        try:
            for rank in range(workers):
                self._start(rank, workers)
        except BaseException:
            self.end()
            raise

    def _start(self, rank: int, workers: int) -> None:
        context = _context()
        theirs, ours = context.Pipe(duplex=False)
        self._words.append(ours)
        args = self.folder, rank, workers, theirs, {**os.environ}
        process = context.Process(target=child.main, args=args, daemon=True)
        main = sys.modules['__main__']
        sys.modules['__main__'] = ModuleType('__main__')  # no script runs anew
        try:
            process.start()
        finally:
            sys.modules['__main__'] = main
        self.processes.append(process)
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether every worker still runs."""
        return bool(self.processes) and {*self.codes()} == {None}

    def codes(self) -> list[int | None]:
        """Return the exit codes, None for those that run."""
        return [each.exitcode for each in self.processes]

    def say(self, rank: int, word: str) -> None:
        """Send a word to a worker, unless it is gone."""
        with contextlib.suppress(OSError):
            self._words[rank].send(word)

    def read(self, rank: int, what: str) -> str | None:
        """Return a text that a worker wrote in this job, None for none."""
        path = self.folder / f'{self.jobs}.{rank}.{what}'
        if not path.exists():
            return None
        return path.read_text(encoding='utf8', errors='replace').strip()

    def run(self, packed: bytes, seconds: float) -> list[Any]:
        """Let all do a job; return what came out, by rank."""
        self._rest.cancel()
        self.jobs += 1
        (self.folder / f'{self.jobs}.work').write_bytes(packed)
        for rank in range(len(self.processes)):
            self.say(rank, str(self.jobs))
        try:
            self._wait(seconds)
        finally:
            for rank in range(len(self.processes)):
                for line in (self.read(rank, 'out') or '').splitlines():
                    print(f'[{rank}] {line}')
        self._rest = threading.Timer(IDLE, self.end)
        self._rest.daemon = True
        self._rest.start()
        return [
            torch.load(
                self.folder / f'{self.jobs}.{rank}.pt', weights_only=True
            )
            for rank in range(len(self.processes))
        ]

    def _all(self, files: str) -> bool:
        """Tell whether each worker has made such a file."""
        return len([*self.folder.glob(files)]) == len(self.processes)

    def _wait(self, seconds: float) -> None:
        """Wait until all have finished; say who did not, and where it was."""
        starting = not self._all('*.here')
        limit = START if starting else seconds
        end = monotonic() + limit
        while not self._all(f'{self.jobs}.*.done'):
            if any(code is not None for code in self.codes()):
                self._fail()
            if starting and self._all('*.here'):
                starting, limit, end = False, seconds, monotonic() + seconds
            if monotonic() > end:
                self._late(limit)
            sleep(LOOK)

    def _fail(self) -> None:
        """Tell of the worker that died first; others die of its silence."""

        def when(rank: int) -> float:
            told = self.folder / f'{self.jobs}.{rank}.error'
            return told.stat().st_mtime_ns if told.exists() else 0

        dead = [n for n, code in enumerate(self.codes()) if code is not None]
        rank = min(dead, key=when)
        code = self.codes()[rank]
        why = self.read(rank, 'error')
        raise WorkerError(
            tr(
                f'进程{rank}中途结束：{why or f"退出码{code}"}。'
                '其余进程已停止。',
                f'worker {rank} died: {why or f"exit code {code}"}. The '
                'others were ended.',
            )
        )

    def _late(self, limit: float) -> None:
        """Ask those still at work where they are, and tell it."""
        zh, en = [], []
        for rank, code in enumerate(self.codes()):
            if code is None:
                self.say(rank, 'where?')
        for rank, process in enumerate(self.processes):
            process.join(2)
            place = self.read(rank, 'error')
            if place is None:
                zh.append(f'进程{rank}没有回答')
                en.append(f'worker {rank} gave no answer')
            elif place:
                zh.append(f'进程{rank}停在{place}')
                en.append(f'worker {rank} was at {place}')
            else:
                zh.append(f'进程{rank}做完了，在等别的进程')
                en.append(f'worker {rank} was done and waiting')
        raise WorkerError(
            tr(
                f'{limit:g}秒后还没有做完，已全部停止：{"；".join(zh)}。',
                f'not finished after {limit:g} s, all were ended: '
                f'{"; ".join(en)}.',
            )
        )

    def end(self) -> None:
        """End all workers and remove their folder."""
        self._rest.cancel()
        for process in self.processes:
            process.kill()
            process.join()
            process.close()
        for words in self._words:
            words.close()
        self.processes, self._words = [], []
        self._place.cleanup()


_team: Team | None = None


def run(
    work: Callable[..., Any], *args: Any, workers: int = 2, seconds: float = 60
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
    The processes meet in a file, without any port. They stay for half a
    minute in case there is more to do, so that the next call starts at once.
    After an error or an interrupt all of them are ended before this returns;
    should the notebook's own process be killed, they end by themselves.
    """
    if not isinstance(workers, int) or workers < 1 or not seconds > 0:
        raise ValueError(
            'workers must be an int of at least 1 and seconds above 0, got '
            f'{workers!r} and {seconds!r}'
        )
    import cloudpickle

    global _team
    packed = cloudpickle.dumps((work, args))
    if _team is None or not _team.alive or len(_team.processes) != workers:
        if _team is not None:
            _team.end()
        _team = Team(workers)
    try:
        return _team.run(packed, seconds)
    except BaseException:
        _team.end()
        raise
