"""Time what takes minutes: the site, all lessons at full size, the tests.

    python benchmarks/whole.py

The lessons run as saved outputs are made, films included, but into a folder
that is thrown away. The tests are those of `make test`, install and lint
aside. Prints a table for benchmarks/README.md.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from budget import judged

ROOT = Path(__file__).parents[1]
LIMITS = {  # seconds
    'make site': 90,
    'make lessons': 900,
    'make suite': 300,
}


def main() -> None:
    """Run and time them one after the other."""
    print('| what | seconds | at most | |', '|---|---|---|---|', sep='\n')
    with tempfile.TemporaryDirectory() as folder:
        for what, limit in LIMITS.items():
            start = time.perf_counter()
            done = subprocess.run(
                [*what.split(), f'INTO={folder}'],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
            took = time.perf_counter() - start
            verdict = judged(took, limit)
            if done.returncode:
                verdict = f'failed: {done.stdout[-300:]}{done.stderr[-300:]}'
            print(f'| {what} | {took:.0f} | {limit} | {verdict} |', flush=True)


if __name__ == '__main__':
    main()
