"""One figure whose moving parts are drawn in the browser.

A new figure for each frame costs about 100 ms in a browser. Here what stands
still is a picture made once, and what moves is sent as coordinates, which the
browser draws over it: sharp at any zoom, a frame in a few milliseconds.
"""

import base64
import io
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from d2lmini.show.figure import SCREEN_DPI, caption, look, still
from d2lmini.show.notebook import show_widget

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

Stroke = list[int | None] | str  # as `draw.js` takes it
TENTHS = 10  # places are sent as whole tenths of a px
FAR = 10_000  # px: what lies farther is out of sight as well


class Canvas:
    """A figure shown by a widget and moved in place.

    Parameters
    ----------
    fig : Figure, made outside pyplot
    moving : sequence of Line2D, QuadMesh or Text
        What changes from frame to frame, drawn last and in this order. The
        rest is drawn once and kept; after changing limits, ticks or looks
        call `refresh`.
    alt : str, what the picture shows, for those who can't see it
    """

    def __init__(
        self, fig: 'Figure', moving: 'Sequence[Artist]', alt: str = ''
    ) -> None:
        self.figure, self.alt = fig, alt
        self.moving: list[Any] = list(moving)
        self._fresh = False

    @cached_property
    def widget(self) -> Any:
        """The Drawing, of a fixed size, so that the page never jumps."""
        from d2lmini.show.drawing import Drawing

        return Drawing()

    def refresh(self) -> None:
        """Forget the kept picture; the next frame comes with a new one."""
        self._fresh = False

    def redraw(self, zh: str = '', en: str = '') -> None:
        """Show a frame and its caption."""
        with self.widget.hold_sync():
            if not self._fresh:
                self.widget.picture = self.picture()
                self._fresh = True
            self.widget.frame = {'strokes': self.strokes(), 'zh': zh, 'en': en}

    def picture(self) -> dict[str, Any]:
        """Draw what stands still, and tell the looks of what moves."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        svg = io.BytesIO()
        with ExitStack() as stack, look():
            stack.callback(self.figure.set_dpi, self.figure.dpi)
            for artist in self.moving:
                stack.callback(artist.set_alpha, artist.get_alpha())
                if hasattr(artist, 'get_text'):  # it keeps its room
                    stack.callback(artist.set_text, artist.get_text())
                    artist.set(text='x', alpha=0)
                else:
                    stack.callback(artist.set_visible, True)
                    artist.set_visible(False)
            self.figure.set_layout_engine('constrained')
            page: Any = FigureCanvasSVG(self.figure)
            page.print_svg(svg, metadata={'Date': None})
            # Another drawing, in another size, would move the axes a little
            # away from what the browser has.
            self.figure.set_layout_engine('none')
        data = base64.b64encode(svg.getvalue()).decode()
        width, height = self.figure.get_size_inches() * SCREEN_DPI
        return {
            'width': round(width),
            'height': round(height),
            'still': f'data:image/svg+xml;base64,{data}',
            'alt': self.alt,
            'looks': [_look(artist) for artist in self.moving],
        }

    def strokes(self) -> list[Stroke]:
        """Return where the moving things are."""
        return [_stroke(artist) for artist in self.moving]

    def show(self, zh: str, en: str, more: dict[str, str]) -> None:
        """Show the widget, and what stands in for it where no kernel runs.

        That is a still picture and the caption, which the widget hides while
        it is alive. `more` goes into the output of the still picture.
        """
        bundle, about = still(self.figure, self.alt)
        show_widget(self.widget, (bundle | more, about), (caption(zh, en), {}))

    def close(self) -> None:
        """Take the widget off the page and out of the kernel's memory."""
        if 'widget' in vars(self):
            self.widget.close()


def _px(artist: Any, x: Any, y: Any) -> Any:
    """Return places (n, 2) in px from the upper left corner of its figure."""
    fig = artist.get_figure()
    places = artist.get_transform().transform(np.column_stack([x, y]))
    places[:, 1] = fig.bbox.height - places[:, 1]
    return places


def _size(points: float) -> float:
    return round(points * SCREEN_DPI / 72, 2)


def _look(artist: Any) -> dict[str, Any]:
    """Return the look of a thing that moves, as `draw.js` takes it."""
    from matplotlib.colors import to_hex

    alpha = artist.get_alpha()
    seen = {'alpha': 1 if alpha is None else alpha}
    if hasattr(artist, 'get_text'):
        size = _size(artist.get_fontsize())
        (x, y), *_ = _px(artist, *np.transpose([artist.get_position()]))
        color = to_hex(artist.get_color())
        return {'kind': 'text', 'x': x, 'y': y + size, 'size': size,
                'color': color}  # fmt: skip
    if hasattr(artist, 'get_coordinates'):
        rims = artist.get_coordinates()  # (rows + 1, columns + 1, 2)
        across, down = (_px(artist, *rim.T) for rim in (rims[0], rims[:, 0]))
        return seen | {
            'kind': 'cells',
            'x': across[:, 0].round(1).tolist(),
            'y': down[:, 1].round(1).tolist(),
            'colors': [to_hex(color) for color in artist.cmap.colors],
            'width': _size(artist.get_linewidth()[0]),
        }
    style, mark = artist.get_linestyle(), artist.get_marker()
    box = artist.axes.bbox
    _, dashes = artist._dash_pattern  # of a style of one's own: only here
    return seen | {
        'kind': 'line',
        'clip': [box.x0, artist.get_figure().bbox.height - box.y1,
                 box.width, box.height],
        'color': to_hex(artist.get_color()),
        'width': 0 if style == 'None' else _size(artist.get_linewidth()),
        'dash': [_size(length) for length in dashes or ()],
        'mark': '' if mark == 'None' else mark,
        'size': _size(artist.get_markersize()),
    }  # fmt: skip


def _stroke(artist: Any) -> Stroke:
    """Return where a moving thing is, as `draw.js` takes it.

    A line is sent as steps from point to point, None twice where it breaks.
    """
    if hasattr(artist, 'get_text'):
        return str(artist.get_text())
    if hasattr(artist, 'get_coordinates'):
        hues = np.ma.filled(artist.get_array().astype(float), np.nan).ravel()
        return [None if np.isnan(hue) else round(hue) for hue in hues]
    places = _px(artist, *artist.get_data(orig=False))
    seen = np.isfinite(places).all(axis=1)
    whole = np.rint(np.clip(places[seen], -FAR, FAR) * TENTHS).astype(int)
    steps = np.full(places.shape, None, dtype=object)
    steps[seen] = np.diff(whole, axis=0, prepend=0)
    stroke: Stroke = steps.ravel().tolist()
    return stroke
