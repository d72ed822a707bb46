"""Sliders over a picture: each move draws a frame and says what is seen."""

import os
from collections.abc import Callable
from typing import Any

from d2lmini.data import quick
from d2lmini.explore.film import FILM, MAKE_FILMS, film
from d2lmini.explore.slider import Slider
from d2lmini.show.canvas import Canvas
from d2lmini.show.lang import tr
from d2lmini.show.notebook import in_notebook

Caption = tuple[str, str]
Frame = Callable[..., Caption]


class Slide:
    """A canvas, the sliders above it and the caption below it.

    Parameters
    ----------
    canvas : Canvas
    frame : function of the sliders' values, by name
        From the values alone it sets what moves on the canvas and returns
        the caption in both languages, (zh, en), as HTML.
    alt : str, what the picture shows, for those who can't see it
    **sliders : Slider, by the names of the values

    Attributes
    ----------
    sliders : dict of Slider, by name
    widget : Drawing
        Its `trouble` says what went wrong at these values: an error in a
        widget's callback would be seen nowhere else.

    Raises
    ------
    ValueError : no slider

    Notes
    -----
    Frames are drawn while the move is handled. The browser holds back its
    moves until then and sends the last one only, so that none pile up.
    """

    def __init__(
        self, canvas: Canvas, frame: Frame, alt: str, **sliders: Slider
    ) -> None:
        if not sliders:
            raise ValueError(
                'Slide needs a slider for each value of its frame, as in '
                'Slide(canvas, frame, alt, step=Slider(0, 0, 9))'
            )
        self.canvas, self.frame, self.sliders = canvas, frame, sliders
        self.starts = {name: own.start for name, own in sliders.items()}
        self._error: Exception | None = None
        canvas.alt = alt
        self.widget = canvas.widget
        self.widget.sliders = [
            slider.told(name, slider.places)
            for name, slider in sliders.items()
        ]
        self.widget.starts = self.widget.values = self.starts
        self.draw()
        self.widget.observe(self._obey, 'values')

    @property
    def values(self) -> dict[str, float]:
        """What the sliders say, by name."""
        return dict(self.widget.values)

    def draw(self) -> Caption:
        """Draw the frame at the sliders' values and return its caption."""
        said = self.frame(**self.values)
        self.canvas.redraw(*said)
        return said

    def move(self, **values: float) -> None:
        """Move sliders to values in their range, by name, and draw once."""
        self.widget.values = self.values | values

    def rehearse(self) -> None:
        """Move each slider to its ends and back; raise what went wrong."""
        for name, slider in self.sliders.items():
            for value in (slider.least, slider.most):
                self.move(**{name: value})
                if self._error is not None:
                    raise self._error
            self.move(**self.starts)

    def film(self) -> str:
        """Return all frames on a grid of its sliders, for the static page."""
        said = film(self.canvas, self.frame, self.sliders)
        self.draw()
        return said

    def show(self) -> None:
        """Show it; outside a notebook, print what it shows.

        In quick mode, where tests run the lessons, each slider is moved to
        its ends first. Where no kernel runs, a still picture and words
        stand in place of what moves.
        """
        if quick():
            self.rehearse()
        said = self.draw()
        if not in_notebook():
            print(self.canvas.alt, tr(*said), sep='\n')
            return
        more = {FILM: self.film()} if os.environ.get(MAKE_FILMS) else {}
        self.canvas.show(*said, more)

    def _obey(self, _: Any = None) -> None:
        try:
            self.draw()
            if self._error is not None:
                self._error, self.widget.trouble = None, ''
        except Exception as e:
            self._fail(e)

    def _fail(self, e: Exception) -> None:
        self._error = e
        self.widget.trouble = f'{type(e).__name__}: {e}'
