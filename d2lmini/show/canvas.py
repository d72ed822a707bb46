"""One figure that is redrawn in place, fast, as a picture widget.

A new figure for each frame costs about 100 ms in a browser. Here one figure
lives outside pyplot, its background is kept, and only what moves is drawn
again.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from d2lmini.show.figure import SCREEN_DPI

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


class Canvas:
    """A figure shown as an `ipywidgets.Image` and redrawn in place.

    Parameters
    ----------
    fig : Figure, made outside pyplot
    moving : sequence of Artist
        What changes from frame to frame, drawn last and in this order: give
        them a zorder above all else. The rest is drawn once and kept; after
        changing limits or ticks call `refresh`.

    Attributes
    ----------
    widget : ipywidgets.Image, of a fixed size, so that the page never jumps
    """

    def __init__(self, fig: 'Figure', moving: 'Sequence[Artist]') -> None:
        import ipywidgets
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.figure = fig
        self.moving = list(moving)
        self._agg: Any = FigureCanvasAgg(fig)
        self._background: Any = None
        width, height = fig.get_size_inches() * SCREEN_DPI
        self.widget = ipywidgets.Image(
            format='jpeg',
            width=round(width),
            height=round(height),
            layout={'max_width': '100%', 'object_fit': 'contain'},
        )

    def refresh(self) -> None:
        """Forget the kept background; the next frame draws everything."""
        self._background = None

    def pixels(self) -> np.ndarray:
        """Draw what moves over the kept background.

        The array, uint8 (height, width, 3), is overwritten by the next call.
        """
        if self._background is None:
            for artist in self.moving:
                artist.set_animated(True)  # left out of the background
            self._agg.draw()
            self._background = self._agg.copy_from_bbox(self.figure.bbox)
        self._agg.restore_region(self._background)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        return np.asarray(self._agg.buffer_rgba())[..., :3]

    def frame(self) -> bytes:
        """Return the pixels as a JPEG: a quarter of a PNG's time."""
        from PIL import Image

        buffer = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(self.pixels()))
        picture.save(buffer, 'jpeg', quality=90, subsampling=0)
        return buffer.getvalue()

    def redraw(self) -> None:
        """Draw a frame and show it in the widget."""
        self.widget.value = self.frame()

    def settle(self) -> 'Figure':
        """Return the figure with nothing animated, ready to be saved."""
        for artist in self.moving:
            artist.set_animated(False)
        self.refresh()
        return self.figure

    def close(self) -> None:
        """Take the widget off the page and out of the kernel's memory."""
        self.widget.layout.close()
        self.widget.close()
