"""Where the images come from: a folder, the cache, a mirror, or drawn.

`find` returns the images as arrays; `data.py` makes batches of them.
"""

from d2lmini.dataset.fetch import cache_folder
from d2lmini.dataset.files import AbsentError, DataError
from d2lmini.dataset.sources import SIZES, find, foresee

__all__ = [
    'SIZES',
    'AbsentError',
    'DataError',
    'cache_folder',
    'find',
    'foresee',
]
