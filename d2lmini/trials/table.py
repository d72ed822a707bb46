"""Trials and their table: a row for each setting and seed.

    table = Table('claims.csv')

    @table.trial(8, every(block=['linear-relu'], lr=[0.1, 0.3]))
    def rates(block, lr):
        ...  # builds, trains; the random state is set by the seed
        return {'steps': 40, 'acc': 0.8}

Then `rates.values('acc', lr=0.1)` are the table's numbers, one a seed, and
`rates.again(0, block='linear-relu', lr=0.1)` runs a row here and now.
"""

import csv
import json
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from d2lmini.device import set_seed

Setting = dict[str, str | float]
Numbers = dict[str, float]
COLUMNS = 'trial', 'setting', 'seed', 'result', 'seconds', 'torch', 'python'


def every(**options: Any) -> list[Setting]:
    """Return all combinations of some options' values, each a setting."""
    return [
        dict(zip(options, values, strict=True))
        for values in product(*options.values())
    ]


class Trial:
    """A function of a setting, the settings to try, the table's rows of it.

    Parameters
    ----------
    run : function of a setting's options that returns a dict of floats
    seeds : range of int
    settings : list of dict
    rows : list of dict, the table's rows of this trial, as `Table` has them
    """

    def __init__(
        self,
        run: Callable[..., Numbers],
        seeds: range,
        settings: list[Setting],
        rows: list[dict[str, Any]],
    ) -> None:
        self.name, self._run = run.__name__, run
        self.seeds, self.settings, self.rows = seeds, settings, rows

    def __call__(self, seed: int, **setting: Any) -> Numbers:
        """Run one row: set the random state, then the function.

        What is no number, as after a training that diverged, is infinite.
        """
        set_seed(seed)
        found = {k: float(v) for k, v in self._run(**setting).items()}
        return {k: math.inf if math.isnan(v) else v for k, v in found.items()}

    def values(
        self, what: str, *, seeds: range | None = None, **setting: Any
    ) -> list[float]:
        """Return one number of each seed, in their order, for a setting.

        Parameters
        ----------
        what : str, a key of the results, such as 'acc'
        seeds : range, or None for all
        **setting : which rows; options left out may have any value

        Returns
        -------
        list of float

        Raises
        ------
        ValueError : the table has no such rows
        """
        found = [
            row
            for row in self.rows
            if setting.items() <= row['setting'].items()
            and (seeds is None or row['seed'] in seeds)
        ]
        if not found:
            raise ValueError(f'no row of {self.name} has {setting}')
        found.sort(key=lambda row: row['seed'])
        return [row['result'][what] for row in found]

    def again(self, seed: int = 0, **setting: Any) -> None:
        """Run a row here and now; print its numbers beside the table's."""
        now = self(seed, **setting)
        for what, value in now.items():
            told = self.values(what, **setting)
            others = f'{min(told):.4g} to {max(told):.4g}'
            print(
                f'{what:8} now {value:.4g}, in the table {told[seed]:.4g}; '
                f'all {len(told)} seeds: {others}'
            )


class Table:
    """The trials of a lesson, and the file that holds their results.

    Parameters
    ----------
    path : str or Path, a csv file with the columns `COLUMNS`, or none yet
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.trials: dict[str, Trial] = {}
        self.rows = read(self.path) if self.path.exists() else []

    def trial(
        self, num_seeds: int, *settings: list[Setting]
    ) -> Callable[[Callable[..., Numbers]], Trial]:
        """Make a function a trial with seeds 0 to num_seeds - 1."""

        def made(run: Callable[..., Numbers]) -> Trial:
            trial = Trial(
                run,
                range(num_seeds),
                [each for part in settings for each in part],
                [row for row in self.rows if row['trial'] == run.__name__],
            )
            self.trials[trial.name] = trial
            return trial

        return made


def read(path: Path) -> list[dict[str, Any]]:
    """Read a table with the columns `COLUMNS`; settings, results as dicts."""
    with path.open(encoding='utf8', newline='') as file:
        rows: list[dict[str, Any]] = [*csv.DictReader(file)]
    for row in rows:
        row['setting'] = json.loads(row['setting'])
        row['result'] = json.loads(row['result'])
        row['seed'], row['seconds'] = int(row['seed']), float(row['seconds'])
    return rows
