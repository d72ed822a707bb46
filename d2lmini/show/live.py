"""Curves that are drawn while they grow, at little cost."""

import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, STYLES, new_figure, still
from d2lmini.show.notebook import has_widgets, in_notebook, publish, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

SHARE = 0.02  # of the time that passes may go into drawing
PAUSE = 1.0  # seconds between two frames, at least


def curve(ax: 'Axes', *fmt: str, **look: Any) -> 'Line2D':
    """Add a curve without points to axes, with a look as in `Axes.plot`."""
    # Above the axes' frame, as the browser draws it too.
    return ax.plot([], [], *fmt, ms=4, zorder=3, **look)[0]


class Live:
    """One picture, redrawn in place; a still one in its stead at the end.

    `update` is called before each frame, with True before the last: it sets
    the curves and, where they need it, limits, and returns the status line.
    Where `moving` is false, only the last frame is drawn.
    """

    def __init__(
        self,
        fig: 'Figure',
        curves: 'Sequence[Line2D]',
        update: Callable[[bool], str],
        status: str = '',
        moving: bool = True,
    ) -> None:
        for ax in fig.axes:
            names = ax.get_legend_handles_labels()[1]
            if names:  # beside the title: it covers no curve
                ax.legend(
                    loc='lower right',
                    bbox_to_anchor=(1, 0.98),
                    ncols=len(names),
                    borderaxespad=0,
                )
        self._status = fig.suptitle(status, color='0.3')
        self.canvas = Canvas(fig, [self._status, *curves], 'training')
        self._moving = moving and has_widgets()
        self._update, self._next_draw = update, 0.0
        try:
            self._handle = publish(self._first(), display_id=True)
        except BaseException:  # an interrupt, say: leave no widget behind
            self.canvas.close()
            raise

    def _first(self) -> dict[str, Any]:
        if not self._moving:
            return {'text/plain': 'training'}
        self.canvas.redraw()
        return {**view(self.canvas.widget), 'text/plain': 'training'}

    def tick(self) -> None:
        """Redraw, unless that would take more than its share of time."""
        now = perf_counter()
        if not self._moving or now < self._next_draw:
            return
        self._set(last=False)
        self.canvas.redraw()
        done = perf_counter()
        self._next_draw = done + max(PAUSE, (done - now) / SHARE)

    def close(self, alt: str) -> None:
        """Leave a still picture where the moving one was."""
        try:
            self._set(last=True)
            bundle, about = still(self.canvas.figure, alt)
            self._handle.update(bundle, metadata=about, raw=True)
        finally:
            self.canvas.close()

    def _set(self, *, last: bool) -> None:
        before = self._limits()
        self._status.set_text(self._update(last))
        if self._limits() != before:
            self.canvas.refresh()  # the axes are drawn anew

    def _limits(self) -> list[tuple[float, ...]]:
        return [ax.axis() for ax in self.canvas.figure.axes]


class Animator:
    """Curves that grow while a cell of one's own trains.

    In a notebook they move; when the cell ends, a still picture stands in
    their place. Elsewhere nothing is drawn: the numbers are in `X` and `Y`.
    Source: the book's helper of this name.

    Parameters
    ----------
    xlabel, ylabel : str
    legend : sequence of str, a name for each curve
    xlim, ylim : (low, high); by default what the curves need
    xscale, yscale : str, such as 'linear' or 'log'
    fmts : sequence of str, matplotlib's short forms of looks, such as 'g-.'
    nrows, ncols : int, the grid of axes; the first are drawn in
    figsize : (width, height) in inches

    Attributes
    ----------
    X, Y : list of list of float, the points of each curve
    """

    def __init__(
        self,
        xlabel: str = '',
        ylabel: str = '',
        legend: Sequence[str] = (),
        xlim: Sequence[float] | None = None,
        ylim: Sequence[float] | None = None,
        xscale: str = 'linear',
        yscale: str = 'linear',
        fmts: Sequence[str] = (),
        nrows: int = 1,
        ncols: int = 1,
        figsize: tuple[float, float] = (5.0, 3.0),
    ) -> None:
        self.X: list[list[float]] = []
        self.Y: list[list[float]] = []
        self._legend, self._fmts = legend or (), fmts or ()
        self._axes: dict[str, Any] = {
            'xlabel': xlabel or '',
            'ylabel': ylabel or '',
            'xscale': xscale,
            'yscale': yscale,
        }
        for side, lim in ('xlim', xlim), ('ylim', ylim):
            if lim and lim[0] != lim[1]:  # [1, num_epochs] may be [1, 1]
                self._axes[side] = lim
        self._grid = nrows, ncols, *figsize
        self._live: Live | None = None

    def add(self, x: Any, y: Any) -> None:
        """Add a point to each curve.

        Parameters
        ----------
        x, y : number, or a list of one for each curve; None adds no point

        Raises
        ------
        ValueError : not as many numbers as there are curves
        """
        ys = list(y) if _many(y) else [y]
        xs = list(x) if _many(x) else [x] * len(ys)
        n = len(self.X) or len(ys)
        if not len(xs) == len(ys) == n:
            raise ValueError(
                f'add takes a number for each of the {n} curves, or None, '
                f'got {len(xs)} in x and {len(ys)} in y'
            )
        if not self.X:
            self.X, self.Y = [[] for _ in ys], [[] for _ in ys]
        for i, (a, b) in enumerate(zip(xs, ys, strict=True)):
            if a is not None and b is not None:
                self.X[i].append(float(a))
                self.Y[i].append(float(b))
        if in_notebook():
            if self._live is None:
                self._live = self._start()
                _after_cell(self._close)
            self._live.tick()

    def _start(self) -> Live:
        fig, (self._ax, *_) = new_figure(*self._grid)
        self._ax.set(**self._axes)
        self._ax.set_prop_cycle(color=COLORS, linestyle=STYLES)
        self._ax.grid(alpha=0.25)
        self._curves = [
            curve(self._ax, *self._fmts[i : i + 1], label=name)
            for i, name in enumerate(self._names())
        ]
        return Live(fig, self._curves, self._update)

    def _names(self) -> list[str]:
        spare = [''] * len(self.X)
        return [*self._legend, *spare][: len(self.X)]

    def _update(self, last: bool) -> str:
        for line, x, y in zip(self._curves, self.X, self.Y, strict=True):
            line.set_data(x, y)
        self._ax.relim()
        self._ax.autoscale_view()  # leaves limits that were given
        return ''

    def _close(self) -> None:
        live, self._live = self._live, None
        ends = [
            f'{name or "curve"} {y[-1]:.4g}'
            for name, y in zip(self._names(), self.Y, strict=True)
            if y
        ]
        x = self._axes['xlabel'] or 'x'
        if live is not None:
            live.close(f'Curves by {x}, at the end: {", ".join(ends)}')


def _after_cell(call: Callable[[], None]) -> None:
    """Call a function once, when the running cell has ended in any way."""
    events = sys.modules['IPython'].get_ipython().events

    def once() -> None:
        events.unregister('post_execute', once)
        call()

    events.register('post_execute', once)


def _many(value: Any) -> bool:
    """Tell a list, or an array or tensor like one, from a number."""
    return bool(getattr(value, 'ndim', hasattr(value, '__len__')))
