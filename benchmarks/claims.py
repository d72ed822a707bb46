"""Run the trials of lesson 07 and write their table.

    python benchmarks/claims.py [--only rates end] [--workers 2]

Needs the real data: set D2LMINI_DATA, or let it be fetched. Each row says
its seconds of processor time, on one thread. With --only, the rows of the
other trials stay.
"""

import argparse
import csv
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch

from d2lmini.trials import plan
from d2lmini.trials.table import COLUMNS, Setting, pairs_text

TABLE = Path(__file__).parents[1] / 'notebooks' / 'claims.csv'
Row = dict[str, str]


def one_thread() -> None:
    torch.set_num_threads(1)


def measured(trial: str, setting: Setting, seed: int) -> Row:
    """Run a row and return it as the table has it."""
    start = time.process_time()
    result = plan.rerun(trial, seed, **setting)
    return {
        'trial': trial,
        'setting': pairs_text(setting),
        'seed': str(seed),
        'result': pairs_text(result),
        'seconds': f'{time.process_time() - start:.2f}',
        'torch': torch.__version__,
        'python': platform.python_version(),
    }


def key(row: Row) -> tuple[str, str, str]:
    return row['trial'], row['setting'], row['seed']


def kept(path: Path) -> dict[tuple[str, str, str], Row]:
    """Return the rows that are there already."""
    if not path.exists():
        return {}
    with path.open(encoding='utf8', newline='') as file:
        return {key(row): row for row in csv.DictReader(file)}


def write(path: Path, rows: dict[tuple[str, str, str], Row]) -> None:
    """Write the rows in the order of the trials; drop what is none."""
    with path.open('w', encoding='utf8', newline='') as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        table.writeheader()
        for trial, setting, seed in plan.all_rows():
            row = rows.get((trial, pairs_text(setting), str(seed)))
            if row:
                table.writerow(row)


def main() -> None:
    """Run what is asked for and write the table as it grows."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--only', nargs='*', choices=[*plan.TRIALS])
    options.add_argument('--workers', type=int, default=2)
    options.add_argument('--table', type=Path, default=TABLE)
    asked = options.parse_args()
    if os.environ.get('D2LMINI_QUICK', '') not in ('', '0'):
        sys.exit('The table is made at full size: unset D2LMINI_QUICK.')
    os.environ['D2LMINI_DATASET'] = 'fashion-mnist'
    rows = kept(asked.table)
    todo = [
        row for row in plan.all_rows() if row[0] in (asked.only or plan.TRIALS)
    ]
    start = time.perf_counter()
    with ProcessPoolExecutor(
        asked.workers, get_context('spawn'), one_thread
    ) as pool:
        jobs = [pool.submit(measured, *row) for row in todo]
        for done, job in enumerate(as_completed(jobs), 1):
            row = job.result()
            rows[key(row)] = row
            if done % 10 == 0 or done == len(jobs):
                write(asked.table, rows)
                minutes = (time.perf_counter() - start) / 60
                print(f'{done} of {len(jobs)}, {minutes:.1f} min', flush=True)


if __name__ == '__main__':
    main()
