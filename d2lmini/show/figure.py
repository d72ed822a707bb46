"""Still pictures: one look for all, alt text, captions in both languages."""

import base64
import io
from html import escape
from typing import TYPE_CHECKING

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
    Figure, and its axes as a flat array
    """
    from matplotlib.figure import Figure

    size = (width, 2.6 * rows if height is None else height)
    fig = Figure(figsize=size, dpi=SCREEN_DPI, layout='constrained')
    axes = np.atleast_1d(fig.subplots(rows, cols)).ravel()
    for ax in axes:
        ax.spines[['top', 'right']].set_visible(False)
        ax.tick_params(labelsize=8)
    return fig, axes


def training_figure(num_epochs: int) -> 'tuple[Figure, Axes, Axes]':
    """Make the axes of a training: its loss and its accuracy by epoch.

    Parameters
    ----------
    num_epochs : int

    Returns
    -------
    Figure, and the axes of the training loss and of the accuracy
    """
    fig, (left, right) = new_figure(1, 2, width=7.2, height=2.9)
    for ax, what in ((left, 'training loss'), (right, 'accuracy')):
        ax.set_title(what, fontsize=10, loc='left')
        ax.set_xlabel('epoch', fontsize=9)
        ax.set_xlim(0, 1.03 * num_epochs)
        ax.locator_params('x', integer=True)
        ax.grid(alpha=0.25)
    return fig, left, right


def png(fig: 'Figure') -> bytes:
    """Return the figure as a small PNG of at most 64 colours.

    Parameters
    ----------
    fig : Figure
    """
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    fig.savefig(raw, format='png', dpi=DPI, facecolor='white')
    picture = Image.open(raw).convert('RGB')
    picture.quantize(64, dither=Image.Dither.NONE).save(
        small, 'png', optimize=True
    )
    return small.getvalue()


def still(
    fig: 'Figure', alt: str, zh: str = '', en: str = ''
) -> dict[str, str]:
    """Return a picture's mime bundle: PNG, HTML with alt text, plain text.

    Parameters
    ----------
    fig : Figure
    alt : str, what the picture shows, for those who can't see it
    zh, en : str, the caption in both languages, as HTML

    Raises
    ------
    ValueError : no alt text
    """
    if not alt:
        raise ValueError('a picture needs alt text: say what it shows')
    data = base64.b64encode(png(fig)).decode()
    width = round(fig.get_figwidth() * SCREEN_DPI)
    return {
        'image/png': data,
        'text/html': f'<img alt="{escape(alt)}" width="{width}" '
        f'src="data:image/png;base64,{data}">{words(zh, en)}',
        'text/plain': alt,
    }


def show(fig: 'Figure', alt: str, zh: str = '', en: str = '') -> None:
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
    bundle = still(fig, alt, zh, en)
    if in_notebook():
        publish(bundle)
    else:
        print(alt)
