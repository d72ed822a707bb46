"""Run the trials of lesson 07 and write their table.

    python benchmarks/claims.py [--only faster end] [--missing] [--workers 2]

The trials are those that the lesson's cells define. Needs the real data: set
D2LMINI_DATA, or let it be fetched. Each row says its seconds of processor
time, on one thread. With --only, the rows of the other trials stay; with
--missing, every row that is there.
"""

import argparse
import csv
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch

from d2lmini.trials import Table, from_notebook
from d2lmini.trials.table import COLUMNS, Setting

LESSON = Path(__file__).parents[1] / 'notebooks' / '07_claims.ipynb'
Row = dict[str, str]
Key = tuple[str, str, str]


def one_thread() -> None:
    torch.set_num_threads(1)


@cache
def table_of(lesson: Path) -> Table:
    return from_notebook(lesson)


def measured(lesson: Path, trial: str, setting: Setting, seed: int) -> Row:
    """Run a row and return it as the table has it."""
    run = table_of(lesson).trials[trial]
    start = time.process_time()
    result = run(seed, **setting)
    return {
        'trial': trial,
        'setting': json.dumps(setting),
        'seed': str(seed),
        'result': json.dumps(result),
        'seconds': f'{time.process_time() - start:.2f}',
        'torch': torch.__version__,
        'python': platform.python_version(),
    }


def all_rows(table: Table) -> Iterator[tuple[str, Setting, int]]:
    """Yield each row that a whole table has: trial, setting, seed."""
    for name, trial in table.trials.items():
        for setting in trial.settings:
            for seed in trial.seeds:
                yield name, setting, seed


def key(row: Row) -> Key:
    return row['trial'], row['setting'], row['seed']


def kept(path: Path) -> dict[Key, Row]:
    """Return the rows that are there already."""
    if not path.exists():
        return {}
    with path.open(encoding='utf8', newline='') as file:
        return {key(row): row for row in csv.DictReader(file)}


def write(path: Path, table: Table, rows: dict[Key, Row]) -> None:
    """Write the rows in the order of the trials; drop what is none."""
    with path.open('w', encoding='utf8', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        writer.writeheader()
        for trial, setting, seed in all_rows(table):
            row = rows.get((trial, json.dumps(setting), str(seed)))
            if row:
                writer.writerow(row)


def main() -> None:
    """Run what is asked for and write the table as it grows."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--only', nargs='*')
    options.add_argument('--missing', action='store_true')
    options.add_argument('--workers', type=int, default=2)
    options.add_argument('--lesson', type=Path, default=LESSON)
    options.add_argument('--table', type=Path)
    asked = options.parse_args()
    if os.environ.get('D2LMINI_QUICK', '') not in ('', '0'):
        sys.exit('The table is made at full size: unset D2LMINI_QUICK.')
    os.environ['D2LMINI_DATASET'] = 'fashion-mnist'
    table = table_of(asked.lesson)
    path = asked.table or asked.lesson.parent / table.path
    unknown = {*(asked.only or ())} - {*table.trials}
    if unknown:
        sys.exit(f'The trials are {[*table.trials]}, not {[*unknown]}.')
    rows = kept(path)
    names = asked.only or [*table.trials]
    todo = [row for row in all_rows(table) if row[0] in names]
    if asked.missing:
        todo = [
            (trial, setting, seed)
            for trial, setting, seed in todo
            if (trial, json.dumps(setting), str(seed)) not in rows
        ]
    # The longest first, so that no worker is left with one at the end.
    todo.sort(key=lambda row: not row[0].startswith('end'))
    start = time.perf_counter()
    with ProcessPoolExecutor(
        asked.workers, get_context('spawn'), one_thread
    ) as pool:
        jobs = [pool.submit(measured, asked.lesson, *row) for row in todo]
        for done, job in enumerate(as_completed(jobs), 1):
            row = job.result()
            rows[key(row)] = row
            if done % 20 == 0 or done == len(jobs):
                write(path, table, rows)
                minutes = (time.perf_counter() - start) / 60
                print(f'{done} of {len(jobs)}, {minutes:.1f} min', flush=True)


if __name__ == '__main__':
    main()
