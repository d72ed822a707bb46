"""A layer held against torch's: `compare` it, and show the `table`."""

from d2lmini.oracle.columns import COLUMNS
from d2lmini.oracle.measure import Column
from d2lmini.oracle.verdicts import Table, Verdict, compare, table

__all__ = ['COLUMNS', 'Column', 'Table', 'Verdict', 'compare', 'table']
