"""The trials of lesson 07: which there are, and running a row.

A row is a trial, a setting and a seed; the same row gives the same numbers.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

from d2lmini.trials import formula, training
from d2lmini.trials.formula import Numbers
from d2lmini.trials.table import Setting

SEEDS = range(5)
PLAIN, BN = 'linear-relu', 'linear-norm-relu'
RATES = 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0
DECAY = {0.01: 1.0, 0.1: 0.1, 1.0: 0.01}  # by rate: their product is the same
NO_DECAY = dict.fromkeys(DECAY, 0.0)


class Trial(NamedTuple):
    """A function of a seed and a setting, and the settings to try."""

    run: Callable[..., Numbers]
    settings: list[Setting]


def every(**options: Any) -> list[Setting]:
    """Return all combinations of some options' values, each a setting."""
    return [
        dict(zip(options, values, strict=True))
        for values in product(*options.values())
    ]


TRIALS = {
    'rates': Trial(training.run_rates, every(block=[PLAIN, BN], lr=RATES)),
    'lenet': Trial(
        training.run_lenet,
        every(norm=['none'], lr=RATES[3:6]) + every(norm=['bn'], lr=RATES),
    ),
    'init': Trial(
        training.run_init,
        every(
            block=[PLAIN, BN],
            scale=[0.01, 0.1, 0.3, 1.0, 3.0, 10.0],
            lr=[0.01, 0.1, 1.0],
        ),
    ),
    'noise': Trial(
        training.run_rates,
        every(
            block=['linear-norm-noise1-relu', 'linear-norm-noise3-relu'],
            lr=[0.03, 0.1, 0.3],
        ),
    ),
    'end': Trial(
        training.run_end,
        every(net=['mlp'], norm=['none', 'bn'], lr=[0.03, 0.1])
        + every(net=['lenet'], norm=['none', 'bn'], lr=[1.0]),
    ),
    'shift': Trial(
        formula.run_shift,
        every(place=['signed', 'relu', 'after'], p=[0.1, 0.3, 0.5, 0.7]),
    ),
    'dropout': Trial(
        training.run_dropout,
        every(block=[PLAIN, BN], last=[''], p=[0.0])
        + [
            {'block': block, 'last': last, 'p': p}
            for p in (0.2, 0.5)
            for block, last in (
                ('linear-relu-drop', ''),
                ('linear-norm-relu-drop', ''),
                ('linear-drop-norm-relu', ''),
                (BN, 'linear-norm-relu-drop'),
            )
        ],
    ),
    'order': Trial(
        training.run_rates,
        every(block=['linear-relu-norm'], lr=[0.03, 0.1, 0.3, 1.0])
        + every(
            block=['linear-norm-sigmoid', 'linear-sigmoid-norm'],
            lr=[0.1, 0.3, 1.0, 3.0],
        ),
    ),
    'bias': Trial(formula.run_bias, every(block=[PLAIN, BN])),
    'twin': Trial(formula.run_twin, every(block=[PLAIN, BN])),
    'decay': Trial(
        training.run_decay,
        [
            {'block': block, 'lr': lr, 'wd': decays[lr]}
            for block, rates in ((PLAIN, [0.01, 0.1]), (BN, [0.01, 0.1, 1.0]))
            for decays in (NO_DECAY, DECAY)
            for lr in rates
        ],
    ),
    'depth': Trial(
        formula.run_depth,
        every(block=[PLAIN, BN, 'linear-norm'], depth=[5, 10, 20, 40]),
    ),
    'gamma-beta': Trial(
        training.run_gamma_beta,
        every(
            train=[
                'all',
                'gamma-beta-head',
                'gamma-beta',
                'head',
                'two-weights',
            ],
            lr=[0.1, 1.0],
        ),
    ),
}


def rerun(trial: str, seed: int, **setting: str | float) -> Numbers:
    """Run one row; in quick mode with fewer images and steps.

    Parameters
    ----------
    trial : str, a key of `TRIALS`
    seed : int
    **setting : as in the table, or any other values

    Returns
    -------
    dict of floats; the functions in `TRIALS` say which
    """
    if trial not in TRIALS:
        raise ValueError(f'the trials are {[*TRIALS]}, got {trial!r}')
    return TRIALS[trial].run(seed, **setting)


def all_rows() -> Iterator[tuple[str, Setting, int]]:
    """Yield each row that a whole table has: trial, setting, seed."""
    for name, trial in TRIALS.items():
        for setting in trial.settings:
            for seed in SEEDS:
                yield name, setting, seed
