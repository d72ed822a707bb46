"""The table of the trials: its text, and the numbers of a setting in it.

A setting and a result stand in one field each, as in 'lr=0.1 norm=bn', since
every trial has others.
"""

import csv
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Setting = dict[str, str | float]
COLUMNS = 'trial', 'setting', 'seed', 'result', 'seconds', 'torch', 'python'


def pairs_text(values: Mapping[str, str | float]) -> str:
    """Write numbers and words as 'lr=0.1 block=linear-relu'."""
    return ' '.join(
        f'{key}={value:.6g}' if isinstance(value, float) else f'{key}={value}'
        for key, value in values.items()
    )


def pairs_read(text: str) -> dict[str, Any]:
    """Read what `pairs_text` wrote."""
    found: dict[str, Any] = {}
    for pair in text.split():
        key, _, value = pair.partition('=')
        try:
            found[key] = float(value)
        except ValueError:
            found[key] = value
    return found


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Read a table with the columns `COLUMNS`; settings, results as dicts."""
    with Path(path).open(encoding='utf8', newline='') as file:
        rows: list[dict[str, Any]] = [*csv.DictReader(file)]
    for row in rows:
        row['setting'] = pairs_read(row['setting'])
        row['result'] = pairs_read(row['result'])
        row['seed'], row['seconds'] = int(row['seed']), float(row['seconds'])
    return rows


def values_of(
    rows: list[dict[str, Any]], trial: str, what: str, **setting: Any
) -> list[float]:
    """Return one number of each seed, in their order, for a setting.

    Parameters
    ----------
    rows : as `read_rows` returns them
    trial : str
    what : str, a key of the result, such as 'acc'
    **setting : which rows; options that are left out may have any value
    """
    found = [
        row
        for row in rows
        if row['trial'] == trial and setting.items() <= row['setting'].items()
    ]
    if not found:
        raise ValueError(f'the table has no row {trial} with {setting}')
    found.sort(key=lambda row: row['seed'])
    return [row['result'][what] for row in found]


def mean_and_spread(values: list[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation over two seeds or more.

    The latter is divided by n - 1; both are infinite where a value is.
    """
    if float('inf') in values:
        return float('inf'), float('inf')
    return statistics.mean(values), statistics.stdev(values)
