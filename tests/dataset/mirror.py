"""A tiny data set in Fashion-MNIST's files, and mirrors good and bad.

Run as a script it is a child process that loads from a mirror:
`python mirror.py CACHE URL SUMS [kill]`.
"""

import gzip
import hashlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

NAMES = (
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
)
Files = dict[str, bytes]


def tiny(seed: int) -> Files:
    """Return name -> plain bytes of 60 + 20 images and their labels."""
    rng = np.random.default_rng(seed)
    files = {}
    for name in NAMES:
        n = 60 if name.startswith('train') else 20
        shape = (n, 28, 28) if 'images' in name else (n,)
        high = 256 if 'images' in name else 10
        header = bytes((0, 0, 8, len(shape))) + b''.join(
            size.to_bytes(4, 'big') for size in shape
        )
        files[name] = header + rng.integers(0, high, shape, 'u1').tobytes()
    return files


def packed(files: Files) -> Files:
    """Return name.gz -> bytes."""
    return {
        f'{name}.gz': gzip.compress(data, mtime=0)
        for name, data in files.items()
    }


def sums(files: Files) -> dict[str, tuple[str, str]]:
    """Return the table of checksums, in the form of `files.FILES`."""
    gz = packed(files)
    return {name: (md5(files[name]), md5(gz[f'{name}.gz'])) for name in files}


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def arrays(files: Files) -> list[np.ndarray]:
    """Return what a loader must give, by another way of reading."""
    return [
        np.frombuffer(files[name], 'u1')[16:].reshape(-1, 28, 28)
        if 'images' in name
        else np.frombuffer(files[name], 'u1')[8:]
        for name in NAMES
    ]


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def listing(folder: Path) -> list[str]:
    """Return every path under a folder, hidden ones too."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*'))


class Mirror(BaseHTTPRequestHandler):
    """Answers as its server's `answer` says, and keeps what was asked."""

    server: Any

    def do_GET(self) -> None:
        name = self.path.rpartition('/')[2]
        self.server.asked.append(name)
        if '//' in self.path:  # a file store takes it for another name
            self.send_error(404)
        else:
            self.server.answer(self, name)

    def give(
        self, body: bytes, upto: int | None = None, status: int = 200
    ) -> None:
        """Announce the whole body; send it, or its beginning."""
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[:upto])
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


Answer = Callable[[Mirror, str], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer) -> None:
        super().__init__(('127.0.0.1', 0), Mirror)
        self.answer, self.asked = answer, list[str]()
        self.released = threading.Event()  # lets silent answers end
        self.url = f'http://127.0.0.1:{self.server_port}'

    def handle_error(self, *_: Any) -> None:
        pass  # a client that hangs up is part of the play


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    with Server(answer) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()


def closed_port() -> str:
    """Return a URL at which nobody listens."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return f'http://127.0.0.1:{s.getsockname()[1]}'


def whole(files: Files) -> Answer:
    gz = packed(files)
    return lambda mirror, name: mirror.give(gz[name])


def bad(kind: str, files: Files, others: Files) -> Answer:
    """Return a mirror that does not give the files, in one of many ways."""
    gz, wrong = packed(files), packed(others)

    def answer(mirror: Mirror, name: str) -> None:
        body = gz[name]
        half = len(body) // 2
        if kind == 'html':
            mirror.give(b'<html><body>Log in first</body></html>')
        elif kind == '404':
            mirror.give(b'not here', status=404)
        elif kind == 'closes half way':
            mirror.give(body, half)
        elif kind == 'truncated':
            mirror.give(body[:half])
        elif kind == 'mnist':
            mirror.give(wrong[name])
        elif kind == 'silent half way':
            mirror.give(body, half)
            if not mirror.server.released.wait(5):  # nobody lost patience
                mirror.wfile.write(body[half:])
        elif kind == 'silent':
            if not mirror.server.released.wait(5):
                mirror.give(body)
        else:
            raise ValueError(kind)

    return answer


def child(cache: str, url: str, table: str, *orders: str) -> None:
    from d2lmini.dataset import fetch, files

    fetch.MIRRORS = (url,)
    files.FILES.update(json.loads(table))
    if 'kill' in orders:  # the power fails between writing and renaming
        Path.replace = lambda *_: os.kill(os.getpid(), 9)
    if 'small' in orders:  # the disk is full after so many bytes
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    got = fetch.from_cache(Path(cache))
    print('got', md5(b''.join(a.tobytes() for a in got)))


if __name__ == '__main__':
    child(*sys.argv[1:])
