"""One worker: a process of its own."""

import os
import pickle
import queue
import socket
import sys
import threading
import traceback
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

LONG = timedelta(days=1)  # the notebook ends those who are late
# Where no code of the notebook stands.
LIBRARIES = (
    str(Path(__file__).parent),
    str(Path(torch.__file__).parent),
    str(Path(os.__file__).parent),
    '<frozen',
)


def join(store: Path, rank: int, workers: int) -> None:
    """Form the default group over gloo; the processes meet in a file.

    Nothing listens beyond this machine, on Linux and macOS.

    Parameters
    ----------
    store : path of a file that does not exist yet, the same for all
    rank, workers : int, this process's number and how many there are
    """
    for _, name in socket.if_nameindex():
        if name in ('lo', 'lo0'):  # the loopback of Linux, of macOS
            os.environ['GLOO_SOCKET_IFNAME'] = name
    dist.init_process_group(
        'gloo',
        store=dist.FileStore(str(store), workers),  # type: ignore[attr-defined]
        rank=rank,
        world_size=workers,
        timeout=LONG,
    )


def main(
    folder: Path, rank: int, workers: int, words: Any, home: dict[str, str]
) -> None:
    """Do the jobs that words name, until the notebook's process is gone."""
    os.environ.clear()
    os.environ.update(home)
    with open(folder / f'{rank}.err', 'wb') as err:
        for stream in (1, 2):  # what libraries say
            os.dup2(err.fileno(), stream)
    jobs: Any = queue.SimpleQueue()
    now = ['0']  # the number of the job
    args = words, jobs, now, folder, rank
    threading.Thread(target=_listen, args=args, daemon=True).start()
    torch.set_num_threads(1)
    join(folder / 'store', rank, workers)
    DistributedDataParallel(nn.Linear(1, 1))  # the first one takes seconds
    (folder / f'{rank}.here').touch()
    while True:
        now[0] = jobs.get()
        _do(folder, now[0], rank)


def _do(folder: Path, job: str, rank: int) -> None:
    mine = folder / f'{job}.{rank}'
    torch.manual_seed(0)  # as in a process that has just been started
    try:
        # It was written by the notebook's process just now.
        work, args = pickle.loads((folder / f'{job}.work').read_bytes())
        with (
            open(f'{mine}.out', 'w', encoding='utf8', buffering=1) as out,
            redirect_stdout(out),
        ):
            torch.save(work(rank, *args), f'{mine}.pt')
        torch.load(f'{mine}.pt', weights_only=True)
        dist.barrier()  # so that nobody's message meets the next job
        Path(f'{mine}.done').touch()
    except BaseException as e:
        place = _place(traceback.extract_tb(e.__traceback__))
        what = str(e).splitlines()[0] if str(e) else ''
        Path(f'{mine}.error').write_text(
            f'{type(e).__name__}: {what} ({place})', 'utf8'
        )
        # Without the library's farewells, which abort now and then.
        os._exit(1)


def _listen(
    words: Any, jobs: Any, now: list[str], folder: Path, rank: int
) -> None:
    """Hand on the numbers of jobs; asked, or left alone, end.

    Asked, it tells before where the work is.
    """
    try:
        while (word := words.recv()).isdigit():
            jobs.put(word)
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        place = _place(traceback.extract_stack(frame))
        (folder / f'{now[0]}.{rank}.error').write_text(place, 'utf8')
    finally:
        os._exit(1)


def _place(frames: traceback.StackSummary) -> str:
    """Return the last line of the notebook's code, '' where there is none."""
    own = [f for f in frames if not f.filename.startswith(LIBRARIES)]
    return f'{own[-1].name}(), line {own[-1].lineno}' if own else ''
