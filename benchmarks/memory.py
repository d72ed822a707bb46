"""Private memory of a kernel, as one student more costs on a hub.

    D2LMINI_DATA=FOLDER python benchmarks/memory.py

Runs what a student runs, at full size on the real data, in a kernel of its
own, and reads Private_* of /proc/PID/smaps_rollup (Linux) after the last
cell. A second kernel that has run the same in quick mode stays open beside
it, so that what two students share counts for neither; the data lie unpacked
in one folder, as on a hub. Prints a table for deploy/jupyterhub/README.md;
ends with 1 where a budget is passed.
"""

import argparse
import gzip
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import torch
from budget import judged
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[1]
IMPORT = 'import d2lmini as d2l'
LOAD = 'pair = d2l.load_data_fashion_mnist(256)'
WORK = {  # what is run -> MB at most; a path is a lesson
    'import d2lmini': ([IMPORT], 300),
    'data loaded': ([IMPORT, LOAD], 310),
    'lesson 03': ('03_from_scratch', 500),
    'lesson 05': ('05_momentum_and_eps', 700),
}


def unpack(folder: Path, given: Path) -> None:
    """Put the four files, unpacked, into a folder."""
    raw = folder / 'FashionMNIST' / 'raw'
    raw.mkdir(parents=True)
    for path in (given / 'FashionMNIST' / 'raw').glob('*-ubyte*'):
        data = path.read_bytes()
        plain = gzip.decompress(data) if path.suffix == '.gz' else data
        (raw / path.stem).write_bytes(plain)


def notebook(cells: list[str] | str) -> nbformat.NotebookNode:
    """Return a lesson, or these cells as a notebook."""
    if isinstance(cells, str):
        path = ROOT / 'notebooks' / f'{cells}.ipynb'
        return nbformat.read(path, as_version=4)
    return new_notebook(cells=[*map(new_code_cell, cells)])


def private(pid: int) -> float:
    """Return the private memory of a process in MB."""
    rollup = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    kept = [line.split() for line in rollup if line.startswith('Private_')]
    return sum(int(words[1]) for words in kept) / 1024


@contextmanager
def ran(cells: list[str] | str, quick: bool) -> Iterator[tuple[float, float]]:
    """Run cells in a new kernel; give what it holds at its end, and at most.

    The kernel lives as long as the context.
    """
    os.environ['D2LMINI_QUICK'] = '1' if quick else ''
    book = notebook(cells)
    client = NotebookClient(
        book,
        timeout=1200,
        allow_errors=False,
        resources={'metadata': {'path': str(ROOT / 'notebooks')}},
    )
    seen = []
    with client.setup_kernel():
        pid = client.km.provisioner.pid
        for i, cell in enumerate(book.cells):
            client.execute_cell(cell, i)
            if cell.cell_type == 'code':
                seen.append(private(pid))
        yield seen[-1], max(seen)


def main() -> int:
    """Measure, print the table, and return 1 where a budget is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', choices=WORK, nargs='+', default=[*WORK])
    chosen = parser.parse_args().only
    passed = True
    print(f'torch {torch.__version__}\n')
    print('| after | private, MB | largest after a cell | limit | |')
    print('|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(folder), Path(os.environ['D2LMINI_DATA']))
        os.environ['D2LMINI_DATA'] = folder
        for name in chosen:
            cells, limit = WORK[name]
            with ran(cells, quick=True), ran(cells, quick=False) as found:
                end, most = found
            passed &= end <= limit
            word = judged(end, limit)
            print(
                f'| {name} | {end:.0f} | {most:.0f} | {limit} | {word} |',
                flush=True,
            )
    return not passed


if __name__ == '__main__':
    sys.exit(main())
