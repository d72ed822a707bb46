"""The machinery of lesson 07: its images, its table, running a row again.

The nets, the training loop and the trials themselves stand in the lesson.
"""

from d2lmini.trials.images import images
from d2lmini.trials.lesson import from_notebook
from d2lmini.trials.table import Table, Trial, every
from d2lmini.trials.weigh import Weighed, difference, ratio

__all__ = [
    'Table',
    'Trial',
    'Weighed',
    'difference',
    'every',
    'from_notebook',
    'images',
    'ratio',
]
