"""Time what takes minutes: the site, all lessons at full size, the tests.

    python benchmarks/whole.py

The lessons run as saved outputs are made, but into a folder that is thrown
away and without the films of the static pages. The tests are those of `make
test`, install and lint aside. Prints a table for benchmarks/README.md.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LESSONS = sorted(str(path) for path in ROOT.glob('notebooks/[0-9]*.ipynb'))
FULL = {
    'D2LMINI_QUICK': '',
    'D2LMINI_DATASET': 'fashion-mnist',
    'D2LMINI_LANG': 'both',
    'OMP_NUM_THREADS': '2',
    'OMP_WAIT_POLICY': 'PASSIVE',
}


def commands(folder: str) -> dict[str, tuple[list[str], int]]:
    """Return what is run, and the seconds that it may take at most."""
    run = [sys.executable, '-m', 'nbconvert', '--to', 'notebook', '--execute']
    run += ['--ExecutePreprocessor.timeout=1200', '--output-dir', folder]
    return {
        'make site': ([sys.executable, 'tools/site.py', 'notebooks',
                       f'{folder}/site'], 90),
        'all lessons at full size': ([*run, *LESSONS], 900),
        'all tests': (['make', 'suite'], 300),
    }  # fmt: skip


def main() -> None:
    """Run and time them one after the other."""
    print('| what | seconds | at most | |', '|---|---|---|---|', sep='\n')
    with tempfile.TemporaryDirectory() as folder:
        for what, (command, limit) in commands(folder).items():
            more = FULL if 'nbconvert' in command else {}
            start = time.perf_counter()
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **more},
                capture_output=True,
                text=True,
            )
            took = time.perf_counter() - start
            verdict = 'within' if took <= limit else 'above'
            if done.returncode:
                verdict = f'failed: {done.stdout[-300:]}{done.stderr[-300:]}'
            print(f'| {what} | {took:.0f} | {limit} | {verdict} |', flush=True)


if __name__ == '__main__':
    main()
