"""A layer held against torch's: `compare` it, and show the `table`."""

from d2lmini.oracle.columns import COLUMNS, Column
from d2lmini.oracle.verdicts import Verdict, compare, table

__all__ = ['COLUMNS', 'Column', 'Verdict', 'compare', 'table']
