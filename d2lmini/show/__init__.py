"""Words and pictures: the language switch, figures, the kinds of plots, live.

The ground floor: it imports no other room.
"""

from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, STYLES, new_figure, show
from d2lmini.show.lang import get_language, set_language, switch, tr, words

__all__ = [
    'COLORS',
    'STYLES',
    'Canvas',
    'get_language',
    'new_figure',
    'set_language',
    'show',
    'switch',
    'tr',
    'words',
]
