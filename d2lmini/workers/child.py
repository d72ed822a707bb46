"""One worker: python -m d2lmini.workers.child FOLDER RANK WORKERS SECONDS."""

import os
import pickle
import socket
import sys
import threading
import traceback
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

# Where no code of the notebook stands.
LIBRARIES = (
    str(Path(__file__).parent),
    str(Path(torch.__file__).parent),
    str(Path(os.__file__).parent),
    '<frozen',
)


def join(store: Path, rank: int, workers: int, seconds: float) -> None:
    """Form the default group over gloo; the processes meet in a file.

    Nothing listens beyond this machine.

    Parameters
    ----------
    store : path of a file that does not exist yet, the same for all
    rank, workers : int, this process's number and how many there are
    seconds : float, how long a worker waits for the others
    """
    for _, name in socket.if_nameindex():
        if name in ('lo', 'lo0'):  # the loopback of Linux, of macOS
            os.environ.setdefault('GLOO_SOCKET_IFNAME', name)
    dist.init_process_group(
        'gloo',
        store=dist.FileStore(str(store), workers),  # type: ignore[attr-defined]
        rank=rank,
        world_size=workers,
        timeout=timedelta(seconds=seconds),
    )


def main(folder: Path, rank: int, workers: int, seconds: float) -> None:
    """Do what stands in the folder's file 'work' and save what comes out."""
    told = folder / f'{rank}.error'
    threading.Thread(target=_obey, args=(told,), daemon=True).start()
    torch.set_num_threads(1)
    try:
        # It was written by the notebook's process just now.
        work, args = pickle.loads((folder / 'work').read_bytes())
        # The notebook is to find those who are late first, and ask them.
        join(folder / 'store', rank, workers, seconds + 60)
        (folder / f'{rank}.here').touch()
        torch.save(work(rank, *args), folder / f'{rank}.pt')
        torch.load(folder / f'{rank}.pt', weights_only=True)
        dist.barrier()  # else one may leave while others still talk
    except BaseException as e:
        place = _place(traceback.extract_tb(e.__traceback__))
        what = str(e).splitlines()[0] if str(e) else ''
        told.write_text(f'{type(e).__name__}: {what} ({place})', 'utf8')
        raise
    # Without the farewells of the library, which abort now and then.
    sys.stdout.flush()
    os._exit(0)


def _obey(told: Path) -> None:
    """Wait for the notebook's process: asked, or left alone, end.

    Asked, it tells before where the work is.
    """
    if sys.stdin.readline():
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        told.write_text(_place(traceback.extract_stack(frame)), 'utf8')
    os._exit(1)


def _place(frames: traceback.StackSummary) -> str:
    """Return the last line of the notebook's code, '' where there is none."""
    own = [f for f in frames if not f.filename.startswith(LIBRARIES)]
    return f'{own[-1].name}(), line {own[-1].lineno}' if own else ''


if __name__ == '__main__':
    folder, rank, workers, seconds = sys.argv[1:]
    main(Path(folder), int(rank), int(workers), float(seconds))
