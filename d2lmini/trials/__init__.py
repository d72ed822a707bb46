"""The trials of lesson 07: which there are, running a row, their table."""

from d2lmini.trials.plan import BN, PLAIN, RATES, TRIALS, rerun
from d2lmini.trials.table import mean_and_spread, read_rows, values_of

__all__ = [
    'BN',
    'PLAIN',
    'RATES',
    'TRIALS',
    'mean_and_spread',
    'read_rows',
    'rerun',
    'values_of',
]
