"""What the browser is told of a figure is what matplotlib would draw."""

import base64
from typing import Any

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances as open_widgets
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import new_figure
from d2lmini.show.plots import Moving, cells

DATA = {
    'nothing': ([], []),
    'a point': ([0.5], [0.5]),
    'a line': (np.linspace(0, 1, 50), np.linspace(1, 0, 50) ** 2),
    'past the rim': ([-1, 0, 1, 2], [0, 1, 0, 1e6]),
    'gaps': ([0, 0.5, 1, 0.2], [0.2, np.nan, 0.4, 0.1]),
    'gaps at the ends': ([0, 0.5, 1], [np.nan, 0.3, np.inf]),
}


def draw(data: tuple[Any, Any] = ([], []), **look: Any) -> Canvas:
    """Make a canvas with a title that moves, and a line on log axes."""
    fig, (left, right) = new_figure(1, 2, width=4, height=2)
    title = fig.suptitle(f'{len(data[0])} points')
    line = left.plot(*data, **{'marker': 'o', 'zorder': 3, **look})[0]
    for ax in (left, right):
        ax.grid()
        ax.set(xlim=(0.01, 1), ylim=(0, 1))
    left.set_xscale('log')
    return Canvas(fig, [title, line], 'Two axes')


def places(stroke: Any) -> list[tuple[float, float] | None]:
    """Undo what `_stroke` does: points in px, None where the pen is up."""
    found: list[tuple[float, float] | None] = []
    x = y = 0
    for dx, dy in zip(stroke[::2], stroke[1::2], strict=True):
        if dx is None:
            found.append(None)
            continue
        x, y = x + dx, y + dy
        found.append((x / 10, y / 10))
    return found


@pytest.mark.parametrize('name', DATA)
def test_points_are_where_matplotlib_draws_them(name: str) -> None:
    canvas = draw(DATA[name])
    picture = canvas.picture()
    said, stroke = canvas.strokes()
    assert said == f'{len(DATA[name][0])} points'
    ax = canvas.figure.axes[0]
    found = places(stroke)
    assert len(found) == len(DATA[name][0])
    for x, y, place in zip(*DATA[name], found, strict=True):
        if not np.isfinite(y):
            assert place is None
            continue
        want = ax.transData.transform((x, y))  # px from the lower left
        want[1] = picture['height'] - want[1]
        assert place == pytest.approx(np.clip(want, -1e4, 1e4), abs=0.051)


def test_the_clip_is_the_axes_and_looks_are_in_px() -> None:
    canvas = draw(lw=3, ls=(0, (4, 2)), color='C3', alpha=0.5, ms=6)
    title, line = canvas.picture()['looks']
    assert title['kind'] == 'text' and 0 < title['y'] < 0.2 * 192
    assert line['kind'] == 'line' and line['color'] == '#d62728'
    assert (line['width'], line['size'], line['alpha']) == (4, 8, 0.5)
    assert line['dash'] == [16, 8]  # matplotlib scales dashes by the width
    x, y, width, height = line['clip']
    box = canvas.figure.axes[0].get_window_extent()
    assert [x, 192 - y - height] == pytest.approx([box.x0, box.y0])
    assert [width, height] == pytest.approx([box.width, box.height])


@pytest.mark.parametrize(
    ('look', 'want'),
    [
        ({'ls': '', 'marker': 's'}, (0, 's')),
        ({'ls': '-', 'marker': ''}, (2, '')),
        ({'ls': '--', 'marker': 'D'}, (2, 'D')),
    ],
)
def test_a_line_a_mark_or_both(look: Any, want: tuple[float, str]) -> None:
    found = draw(**look, lw=1.5).picture()['looks'][1]
    assert (found['width'], found['mark']) == want


def test_what_moves_is_left_out_of_the_still_picture() -> None:
    def svg(canvas: Canvas) -> str:
        still = canvas.picture()['still']
        kind, data = still.split(',')
        assert kind == 'data:image/svg+xml;base64'
        return base64.b64decode(data).decode()

    empty, full = draw(), draw(DATA['a line'], color='C1')
    assert svg(full) == svg(empty)
    assert '#ff7f0e' not in svg(full)
    (line,) = full.figure.axes[0].lines
    line.set_zorder(2)
    still = Canvas(full.figure, [])  # nothing moves: all is drawn
    assert '#ff7f0e' in svg(still)
    assert line.get_visible() and full.moving[0].get_alpha() is None


def test_a_frame_keeps_its_look_whatever_the_readers_settings() -> None:
    usual = draw(DATA['a line'])
    want = usual.picture()['looks'], usual.strokes()
    with plt.style.context('dark_background'):
        plt.rcParams['text.usetex'] = True
        plt.rcParams['lines.scale_dashes'] = False
        canvas = draw(DATA['a line'])
        assert (canvas.picture()['looks'], canvas.strokes()) == want


def test_the_still_picture_is_drawn_once_and_again_after_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canvas, drawn = draw(), []
    full = Figure.draw
    monkeypatch.setattr(
        Figure, 'draw', lambda *args: (drawn.append(1), full(*args))
    )
    for data in DATA.values():
        canvas.moving[1].set_data(*data)
        canvas.redraw()
    once = len(drawn)
    before = canvas.widget.picture
    canvas.figure.axes[0].set_ylim(0, 5)
    canvas.refresh()
    canvas.redraw()
    assert len(drawn) == 2 * once
    assert canvas.widget.picture != before
    assert canvas.widget.frame['strokes'] == canvas.strokes()


def test_cells_have_their_places_and_colours() -> None:
    shades = torch.tensor([[0.0, 1, 2], [2, 1, 0]])
    canvas = Moving(cells(torch.full((2, 3), torch.nan)))
    canvas.set('cells', shades)
    (look,) = canvas.picture()['looks']
    assert canvas.strokes() == [[0, 1, 2, 2, 1, 0]]
    assert look['colors'][:2] == ['#cccccc', '#0072b2']
    ax = canvas.figure.axes[0]
    corners = ax.transData.transform([(0, 0), (3, 2)])
    assert look['x'][0::3] == pytest.approx(corners[:, 0], abs=0.06)
    down = canvas.figure.bbox.height - corners[:, 1]
    assert look['y'][0::2] == pytest.approx(down, abs=0.06)
    canvas.set('cells', shades * torch.nan)
    assert canvas.strokes() == [[None] * 6]


def test_the_figure_can_be_saved_whole_at_any_time() -> None:
    def pixels(canvas: Canvas) -> Any:
        agg = FigureCanvasAgg(canvas.figure)
        agg.draw()
        return np.asarray(agg.buffer_rgba()).copy()

    moved, want = draw(), draw(DATA['a line'])
    moved.redraw()
    moved.moving[1].set_data(*DATA['a line'])
    moved.moving[0].set_text('50 points')
    moved.redraw()
    want.redraw()
    assert np.array_equal(pixels(moved), pixels(want))


def test_close_leaves_no_widget() -> None:
    before = set(open_widgets)
    canvas = draw()
    canvas.close()  # it was never shown
    canvas.redraw()
    assert set(open_widgets) > before
    canvas.close()
    assert set(open_widgets) == before
