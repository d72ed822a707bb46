"""Words and pictures: the language switch, figures, the kinds of plots, live.

The ground floor: it imports no other room. A picture is a call of `plot` with
a panel or more, and `Moving` is one that sliders move: see `plots`.
"""

from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, STYLES, new_figure, show_figure
from d2lmini.show.lang import get_language, set_language, switch, tr, words
from d2lmini.show.plots import (
    Moving,
    cells,
    diagram,
    groups,
    histograms,
    lines,
    plot,
    points,
    scatter,
)
from d2lmini.show.stop import stoppable

__all__ = [
    'COLORS',
    'STYLES',
    'Canvas',
    'Moving',
    'cells',
    'diagram',
    'get_language',
    'groups',
    'histograms',
    'lines',
    'new_figure',
    'plot',
    'points',
    'scatter',
    'set_language',
    'show_figure',
    'stoppable',
    'switch',
    'tr',
    'words',
]
