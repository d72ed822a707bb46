"""Sliders over a picture: each move draws a frame and says what is seen."""

from collections.abc import Callable
from html import escape
from typing import Any

from d2lmini.data import quick
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import caption, metadata, still
from d2lmini.show.lang import tr, words
from d2lmini.show.notebook import in_notebook, publish

Caption = tuple[str, str]
Frame = Callable[..., Caption]
# ipywidgets leaves the handle of a slider without a name, so that a screen
# reader says "slider" and no more. This gives it the words beside it.
NAME_HANDLES = """
if (!window.d2lNamesHandles) {
  window.d2lNamesHandles = true;
  const bare = '.widget-slider .noUi-handle:not([aria-label])';
  const name = () => document.querySelectorAll(bare).forEach(handle => {
    const label = handle.closest('.widget-slider')
      .querySelector('.widget-label');
    if (label?.textContent)
      handle.setAttribute('aria-label', label.textContent);
  });
  new MutationObserver(name)
    .observe(document.body, {childList: true, subtree: true});
  name();
}"""
# Where scripts are not run, nothing is shown of it.
NAMES = {'application/javascript': NAME_HANDLES, 'text/plain': ''}


class Slide:
    """A canvas, the sliders above it and the caption below it.

    Parameters
    ----------
    canvas : Canvas
    frame : function of the sliders' values, by name
        From the values alone it sets what moves on the canvas and returns
        the caption in both languages, (zh, en), as HTML.
    alt : str, what the picture shows, for those who can't see it
    **sliders : ipywidgets sliders of numbers, by the names of the values
        A number field is put beside each, a reset button below them; a
        slider without a description gets its name.

    Attributes
    ----------
    sliders : dict of the sliders, by name
    caption : ipywidgets.HTML
    trouble : ipywidgets.HTML
        What went wrong at these values, empty where nothing did: an error
        in a widget's callback would be seen nowhere else.

    Raises
    ------
    ValueError : no slider

    Notes
    -----
    Frames are drawn while the move is handled. The browser holds back its
    moves until then and sends the last one only, so that none pile up.
    """

    def __init__(
        self, canvas: Canvas, frame: Frame, alt: str, **sliders: Any
    ) -> None:
        import ipywidgets

        if not sliders:
            raise ValueError(
                'Slide needs a slider for each value of its frame, as in '
                'Slide(canvas, frame, alt, step=IntSlider(0, 0, 9))'
            )
        self.canvas, self.alt, self.sliders = canvas, alt, sliders
        self._frame = frame
        self._start = self.values
        self._error: Exception | None = None
        self.caption, self.trouble = ipywidgets.HTML(), ipywidgets.HTML()
        self.draw()
        self._reset = ipywidgets.Button(
            description='↺',
            tooltip='回到起点 · reset',
            layout={'width': '3em'},
        )
        self._reset.on_click(lambda _: self.move(**self._start))
        for name, slider in sliders.items():
            slider.description = slider.description or name
            slider.observe(self._obey, 'value')
        rows = [
            with_field(slider, self.trouble) for slider in sliders.values()
        ]
        self.box = ipywidgets.VBox(
            [*rows, self._reset, self.trouble, canvas.widget]
        )

    @property
    def values(self) -> dict[str, Any]:
        """What the sliders say, by name."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def draw(self) -> Caption:
        """Draw the frame at the sliders' values and return its caption."""
        said = self._frame(**self.values)
        self.canvas.redraw()
        self.caption.value = words(*said)
        return said

    def move(self, **values: Any) -> None:
        """Move sliders to values in their range, by name, and draw once."""
        for slider in self.sliders.values():
            slider.unobserve(self._obey, 'value')
        for name, value in values.items():
            self.sliders[name].value = value
        for slider in self.sliders.values():
            slider.observe(self._obey, 'value')
        self._obey()

    def rehearse(self) -> None:
        """Move each slider to its ends and back; raise what went wrong."""
        for name, slider in self.sliders.items():
            for value in ends(slider):
                self.move(**{name: value})
                if self._error is not None:
                    raise self._error
            self.move(**self._start)

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
            print(self.alt, tr(*said), sep='\n')
            return
        fig = self.canvas.settle()
        moving = self.box._repr_mimebundle_() | still(fig, self.alt)
        publish(moving, metadata=metadata(fig, self.alt))
        publish(self.caption._repr_mimebundle_() | caption(*said))
        publish(NAMES)

    def _obey(self, _: Any = None) -> None:
        try:
            self.draw()
            if self._error is not None:
                self._error, self.trouble.value = None, ''
        except Exception as e:
            self._fail(e)

    def _fail(self, e: Exception) -> None:
        told = escape(f'{type(e).__name__}: {e}')
        self._error = e
        self.trouble.value = f'<pre role="alert">{told}</pre>'


def log_slider(value: float, least: int, most: int, step: float) -> Any:
    """Return a slider at a value; its ends and its step are exponents."""
    import ipywidgets

    return ipywidgets.FloatLogSlider(value, min=least, max=most, step=step)


def ends(slider: Any) -> tuple[Any, Any]:
    """Return the least and the largest value of a slider."""
    base = getattr(slider, 'base', None)  # a log slider has exponents
    if base is None:
        return slider.min, slider.max
    return base**slider.min, base**slider.max


def with_field(slider: Any, trouble: Any) -> Any:
    """Return a row: the slider, and a field to type its number into.

    `trouble` tells of a number out of range until another one is typed.
    """
    import ipywidgets

    whole = isinstance(slider, ipywidgets.IntSlider)
    kind = ipywidgets.IntText if whole else ipywidgets.FloatText
    name, (least, most) = slider.description, ends(slider)
    field = kind(
        value=slider.value,
        step=slider.step if whole else None,
        tooltip=name,
        layout={'width': '7em'},
    )
    slider.readout = False
    slider.layout = {'width': '24em', 'max_width': '70%'}
    taken: list[float] = []  # the end that an outside number was moved to

    def look(change: Any) -> None:
        value = change['new']
        if least <= value <= most:
            if value not in taken:
                trouble.value = ''
            taken.clear()
            return
        end = least if value < least else most
        taken[:] = [end]
        trouble.value = words(
            f'<p role="alert">{name}要在{least:g}到{most:g}之间，'
            f'输入的是{value:g}；按{end:g}算。</p>',
            f'<p role="alert">{name} must lie between {least:g} and '
            f'{most:g}, got {value:g}; {end:g} is taken.</p>',
        )
        field.value = end

    field.observe(look, 'value')
    # In the browser, so that it follows even while the kernel is busy.
    ipywidgets.jslink((slider, 'value'), (field, 'value'))
    return ipywidgets.HBox([slider, field])
