"""A picture under a slider: one whole number chooses the frame."""

from collections.abc import Callable
from html import escape
from typing import Any

from d2lmini.canvas import Canvas
from d2lmini.device import in_notebook, publish
from d2lmini.figure import still
from d2lmini.lang import tr, words

Frame = Callable[[int], tuple[str, str]]


class Slide:
    """A canvas, the slider above it and the caption below it.

    Parameters
    ----------
    canvas : Canvas
    frame : function of the slider's value
        From the value alone it sets what moves on the canvas and returns
        the caption in both languages, (zh, en), as HTML.
    values : range, what the slider can choose
    label : str, what it chooses, written before it
    alt : str, what the picture shows, for those who can't see it
    start : int, the value to begin with; the last one by default

    Attributes
    ----------
    slider : ipywidgets.IntSlider; its number can be typed over
    caption : ipywidgets.HTML
    trouble : ipywidgets.HTML
        What went wrong at this value, empty where nothing did: an error in
        a widget's callback would be seen nowhere else.

    Raises
    ------
    ValueError : no values, or `start` is not one of them

    Notes
    -----
    Frames are drawn while the move is handled. The browser holds back its
    moves until then and sends the last one only, so that none pile up.
    """

    def __init__(
        self,
        canvas: Canvas,
        frame: Frame,
        values: range,
        label: str,
        alt: str,
        start: int | None = None,
    ) -> None:
        import ipywidgets

        if not values:
            raise ValueError(f'a slider needs values, got {values}')
        start = values[-1] if start is None else start
        if start not in values:
            raise ValueError(f'start must be one of {values}, got {start}')
        self.canvas, self.alt = canvas, alt
        self._frame = frame
        self.slider = ipywidgets.IntSlider(
            value=start,
            min=values[0],
            max=values[-1],
            step=values.step,
            description=label,
            layout={'width': '100%', 'max_width': '40em'},
        )
        self.caption, self.trouble = ipywidgets.HTML(), ipywidgets.HTML()
        self.draw(start)
        self.slider.observe(self._obey, 'value')
        self._box = ipywidgets.VBox(
            [self.slider, self.trouble, canvas.widget, self.caption]
        )

    def draw(self, value: int) -> tuple[str, str]:
        """Draw the frame at a value, whatever the slider says.

        Parameters
        ----------
        value : int

        Returns
        -------
        (zh, en), the caption
        """
        caption = self._frame(value)
        self.canvas.redraw()
        self.caption.value = words(*caption)
        return caption

    def bundle(self) -> dict[str, Any]:
        """Return the widget's mime bundle, with a still picture in it.

        The picture, its alt text and its caption are what a reader without
        a kernel sees.
        """
        caption = self.draw(self.slider.value)
        picture = still(self.canvas.settle(), self.alt, *caption)
        return {**self._box._repr_mimebundle_(), **picture}

    def show(self) -> None:
        """Show it; outside a notebook, print what it shows."""
        if in_notebook():
            publish(self.bundle())
        else:
            print(self.alt, tr(*self.draw(self.slider.value)), sep='\n')

    def _obey(self, change: dict[str, Any]) -> None:
        try:
            self.draw(change['new'])
            self.trouble.value = ''
        except Exception as e:
            told = escape(f'{type(e).__name__}: {e}')
            self.trouble.value = f'<pre role="alert">{told}</pre>'
