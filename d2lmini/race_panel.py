"""The race of lesson 05: sliders, start and stop, curves while it runs."""

import math
from collections.abc import Iterable
from html import escape
from threading import Event, Thread
from time import perf_counter
from typing import Any

from d2lmini.canvas import Canvas
from d2lmini.data import quick
from d2lmini.device import in_notebook, publish
from d2lmini.explore import log_slider, moving_line
from d2lmini.figure import COLORS, new_figure, still
from d2lmini.lang import tr, words
from d2lmini.race import Data, Point, race, told
from d2lmini.slide import NAMES, ends, with_field

PAUSE = 0.1  # seconds between two frames, at least
LEGEND = ('with batch norm', 'without')
_latest: 'Race | None' = None


class Race:
    """Two nets, with and without batch norm, trained in the background.

    Parameters
    ----------
    data : X, y, X_test, y_test
    **options : as `race` takes them besides the sliders' values

    Attributes
    ----------
    sliders : dict, by name: lr, batch_size, momentum, eps, depth
    points : list of Point, of the latest run
    caption, trouble : ipywidgets.HTML, what is seen, what went wrong

    Notes
    -----
    A cell that trains would keep the kernel busy, and a busy kernel does not
    hear the stop button. Only one race runs at a time: another start, also
    of another race, ends it, and so does making a new one, as a rerun of
    its cell does.
    """

    def __init__(self, data: Data, **options: Any) -> None:
        import ipywidgets

        global _latest
        if _latest is not None:
            _latest.stop()
        _latest = self
        self._data, self._options = data, options
        self.points: list[Point] = []
        self._stop, self._thread = Event(), Thread()
        self._build_canvas(len(data[0]) * options.get('passes', 4))
        self.sliders: dict[str, Any] = {
            'lr': log_slider(0.5, -3, 2, 0.1),
            'batch_size': ipywidgets.IntSlider(64, 2, 512),
            'momentum': log_slider(0.1, -3, 0, 0.05),
            'eps': log_slider(1e-5, -10, 1, 0.25),
            'depth': ipywidgets.IntSlider(3, 1, 8),
        }
        self._first = self.values
        for name, slider in self.sliders.items():
            slider.description = name
        self.caption, self.trouble = ipywidgets.HTML(), ipywidgets.HTML()
        rows = [with_field(s, self._tell) for s in self.sliders.values()]
        buttons = [
            self._button('▶ 开始 · start', lambda _: self.start()),
            self._button('■ 停止 · stop', lambda _: self.stop()),
            self._button('↺ 复位 · reset', lambda _: self.reset()),
        ]
        self.box = ipywidgets.VBox(
            [*rows, ipywidgets.HBox(buttons), self.trouble,
             self.canvas.widget, self.caption]
        )  # fmt: skip

    @property
    def values(self) -> dict[str, Any]:
        """What the sliders say, by name."""
        return {name: slider.value for name, slider in self.sliders.items()}

    @property
    def running(self) -> bool:
        """Whether a race is being run."""
        return self._thread.is_alive()

    def reset(self) -> None:
        """Put the sliders back to where they started."""
        for name, value in self._first.items():
            self.sliders[name].value = value

    def start(self) -> None:
        """Start a race at the sliders' values, in the background."""
        global _latest
        if _latest is not None:
            _latest.stop()
        _latest = self
        self.trouble.value = ''
        try:
            points = race(self._data, **self.values, **self._options)
        except Exception as e:
            self._fail(e)
            return
        self._begin()
        self._stop = Event()
        self._thread = Thread(
            target=self._follow, args=(points, self._stop), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the race that runs, if one does, and wait until it has."""
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Wait until the race has come to its end."""
        if self._thread.is_alive():
            self._thread.join()

    def run(self) -> list[Point]:
        """Run a race to its end here and now, and return its points."""
        self.start()
        self.wait()
        return self.points

    def show(self) -> None:
        """Show it; outside a notebook, print what it shows.

        Notes
        -----
        In quick mode, where tests run the lessons, it first takes a few
        steps with each slider at its ends; what they raise is raised here.
        """
        if quick():
            self.rehearse()
        if in_notebook():
            picture = still(self.canvas.settle(), ALT, *self._words())
            self.canvas.redraw()
            publish({**self.box._repr_mimebundle_(), **picture})
            publish(NAMES)
        else:
            print(ALT, tr(*self._words()), sep='\n')

    def rehearse(self) -> None:
        """Start a race with each slider at its ends; raise what it raises.

        Raises
        ------
        Exception : what a race raised
        """
        for name, slider in self.sliders.items():
            for value in ends(slider):
                values = {**self._first, name: value}
                if name == 'batch_size':
                    value = min(value, len(self._data[0]))
                next(race(self._data, **values, **self._options))

    def _build_canvas(self, images: int) -> None:
        fig, (left, right) = new_figure(1, 2, width=7.4, height=2.8)
        looks = ('-', '--')
        self._axes = left, right
        self._lines = [
            [moving_line(ax, looks[i], COLORS[i], LEGEND[i]) for i in (0, 1)]
            for ax in (left, right)
        ]
        for ax, what in ((left, 'training loss'), (right, 'test accuracy')):
            ax.set_xlim(0, images)
            ax.set_xlabel('images seen by each net', fontsize=9)
            ax.set_title(what, fontsize=9, loc='left')
        left.set_ylim(0, 3)
        right.set_ylim(0, 1)
        left.legend(fontsize=8, frameon=False, loc='upper right')
        self.canvas = Canvas(fig, [*self._lines[0], *self._lines[1]])

    def _begin(self) -> None:
        """Leave the run before as faint lines and start anew."""
        if self.points:
            for ax, lines in zip(self._axes, self._lines, strict=True):
                for line in lines:
                    ax.plot(
                        *line.get_data(),
                        line.get_linestyle(),
                        color=line.get_color(),
                        alpha=0.25,
                        lw=1,
                    )
            self.canvas.refresh()
        self.points = []

    def _follow(self, points: Iterable[Point], stop: Event) -> None:
        try:
            drawn = -math.inf
            for point in points:
                self.points.append(point)
                if stop.is_set():
                    break
                if perf_counter() - drawn > PAUSE:
                    self._draw()
                    drawn = perf_counter()
            self._draw()
        except Exception as e:
            self._fail(e)

    def _draw(self) -> None:
        seen = [point.images for point in self.points]
        for i in (0, 1):
            losses = [point.loss[i] for point in self.points]
            accuracies = [point.accuracy[i] for point in self.points]
            self._lines[0][i].set_data(seen, losses)
            self._lines[1][i].set_data(seen, accuracies)
        self.canvas.redraw()
        self.caption.value = words(*self._words())

    def _words(self) -> tuple[str, str]:
        if not self.points:
            return '按“开始”。', 'Press start.'
        last = self.points[-1]
        zh = f'各看了{last.images}张图。有批量归一化：{told(last, 0, True)}；'
        zh += f'没有：{told(last, 1, True)}。'
        en = f'{last.images} images seen by each. With batch norm: '
        en += f'{told(last, 0, False)}; without: {told(last, 1, False)}.'
        return zh, en

    def _tell(self, said: str) -> None:
        self.trouble.value = said

    def _fail(self, e: Exception) -> None:
        told = escape(f'{type(e).__name__}: {e}')
        self.trouble.value = f'<pre role="alert">{told}</pre>'

    @staticmethod
    def _button(name: str, obey: Any) -> Any:
        import ipywidgets

        button = ipywidgets.Button(description=name)
        button.on_click(obey)
        return button


ALT = (
    'Training loss and test accuracy of two nets against the images seen: '
    'a solid line with batch norm, a dashed one without'
)
