"""Still pictures: one look for all, alt text, captions in both languages."""

import base64
import functools
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import escape, unescape
from inspect import isfunction
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from d2lmini.show.lang import words
from d2lmini.show.notebook import in_notebook, publish

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers, in the order of
# use; each goes with a line style of its own, for prints in grey.
COLORS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9']
STYLES = ['-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3))]
DPI = 144  # of stills: sharp on dense screens
SCREEN_DPI = 96  # of frames that move, and the size at which all is shown

# What differs from matplotlib's defaults in all pictures.
LOOK: Any = {
    'font.family': ['DejaVu Sans'],  # comes with matplotlib
    'font.size': 9,
    'axes.titlesize': 10,
    'axes.titlelocation': 'left',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'figure.titlesize': 9,
    'legend.frameon': False,
    'svg.hashsalt': 'd2lmini',  # else an SVG's names are drawn by lot
}
_one_at_a_time = RLock()  # else threads would put back each other's settings


@contextmanager
def look() -> Iterator[None]:
    """Draw with the course's settings, whatever the reader's rcParams."""
    import matplotlib as mpl

    with _one_at_a_time, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(LOOK)
        yield


def _in_look(kind: Any, names: Iterable[str]) -> Any:
    """Return a subclass in which these methods draw with our settings.

    matplotlib reads its settings when a thing is made, and again when it is
    drawn: both come long after `new_figure`.
    """

    def kept(name: str) -> Callable[..., Any]:
        @functools.wraps(getattr(kind, name))
        def method(*args: Any, **kwargs: Any) -> Any:
            with look():
                return getattr(kind, name)(*args, **kwargs)

        return method

    return type(kind.__name__, (kind,), {name: kept(name) for name in names})


@functools.cache
def _kinds() -> tuple[Any, Any]:
    """Return our Figure and our Axes."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    drawing = [
        name
        for name, method in vars(Axes).items()
        if isfunction(method) and not name.startswith('_')
    ]
    drawing += ['grid', 'set_xscale', 'set_xticks', 'set_yscale', 'set_yticks']
    whole = ['draw', 'legend', 'savefig', 'supxlabel', 'suptitle', 'text']
    return _in_look(Figure, whole), _in_look(Axes, drawing)


def new_figure(
    rows: int = 1,
    cols: int = 1,
    width: float = 7.0,
    height: float | None = None,
) -> 'tuple[Figure, np.ndarray]':
    """Make a figure outside pyplot, so that none is ever left open.

    Parameters
    ----------
    rows, cols : int, the grid of axes
    width, height : float, inches; the height defaults to 2.6 a row

    Returns
    -------
    Figure, and its axes as a flat array; they and what is drawn on them
    have the course's look, whatever the reader's rcParams
    """
    figure, axes = _kinds()
    size = (width, 2.6 * rows if height is None else height)
    with look():
        fig = figure(figsize=size, dpi=SCREEN_DPI, layout='constrained')
        grid = fig.subplots(rows, cols, subplot_kw={'axes_class': axes})
    return fig, np.atleast_1d(grid).ravel()


def training_figure(num_epochs: int) -> 'tuple[Figure, Axes, Axes]':
    """Return a figure with axes for a training's loss and its accuracy."""
    fig, (left, right) = new_figure(1, 2, width=7.2, height=2.9)
    for ax, what in ((left, 'training loss'), (right, 'accuracy')):
        ax.set(title=what, xlabel='epoch', xlim=(0, 1.03 * num_epochs))
        ax.locator_params('x', integer=True)
        ax.grid(alpha=0.25)
    return fig, left, right


def png(fig: 'Figure') -> bytes:
    """Return the figure as a small PNG of at most 32 colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL.Image import Dither, Quantize, fromarray

    small, own = io.BytesIO(), fig.dpi
    fig.dpi = DPI
    try:
        canvas: Any = FigureCanvasAgg(fig)
        canvas.draw()  # once: `savefig` would draw it twice
        pixels = np.asarray(canvas.buffer_rgba())
    finally:
        fig.dpi = own
    picture = fromarray(pixels).convert('RGB')
    # Not by the median: a single mark would lose its colour.
    few = picture.quantize(32, Quantize.MAXCOVERAGE, dither=Dither.NONE)
    few.save(small, 'png', optimize=True)
    return small.getvalue()


def still(fig: 'Figure', alt: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return a picture as a notebook shows it, and what is said about it.

    That is the alt text and the width, as nbconvert looks for them;
    JupyterLab reads alt text in HTML alone. The HTML holds the picture once
    more: `tools/tidy.py` takes it out of what is saved. `caption` goes beside.
    """
    if not alt:
        raise ValueError('a picture needs alt text: say what it shows')
    data = base64.b64encode(png(fig)).decode()
    width = round(fig.get_figwidth() * SCREEN_DPI)
    html = (
        f'<img alt="{escape(alt)}" width="{width}" '
        f'src="data:image/png;base64,{data}">'
    )
    bundle = {'image/png': data, 'text/plain': alt, 'text/html': html}
    return bundle, {'image/png': {'alt': alt, 'width': width}}


def caption(zh: str, en: str) -> dict[str, str]:
    """Return a caption, given as HTML, as an output beside its picture."""
    plain = re.sub('<[^>]*>', ' ', f'{zh}\n{en}').strip()
    return {'text/html': words(zh, en), 'text/plain': unescape(plain)}


def show_figure(fig: 'Figure', alt: str, zh: str = '', en: str = '') -> None:
    """Show a still picture; outside a notebook, print what it shows.

    Parameters
    ----------
    fig : Figure
    alt : str, what the picture shows, for those who can't see it
    zh, en : str, the caption in both languages, as HTML

    Raises
    ------
    ValueError : no alt text
    """
    bundle, about = still(fig, alt)
    if not in_notebook():
        print(alt)
        return
    publish(bundle, metadata=about)
    if zh or en:
        publish(caption(zh, en))
