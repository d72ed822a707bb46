"""A frame over the kept background equals the figure drawn in full."""

import io
from typing import Any

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as open_widgets
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import new_figure

DATA = {
    'nothing': ([], []),
    'a point': ([0.5], [0.5]),
    'a line': (np.linspace(0, 1, 50), np.linspace(1, 0, 50) ** 2),
    'past the rim': ([-1, 0, 1, 2], [0, 1, 0, 1e6]),
    'gaps': ([0, 0.5, 1], [0.2, np.nan, 0.4]),
}


def draw(data: tuple[Any, Any] = ([], [])) -> tuple[Figure, list[Any]]:
    """Make a figure with a grid, a legend, and what moves above them."""
    fig, (left, right) = new_figure(1, 2, width=4, height=2)
    moving = [
        fig.suptitle(f'{len(data[0])} points'),
        left.plot(*data, 'o-', zorder=3)[0],
        right.plot(data[1], data[0], lw=3, zorder=3)[0],
    ]
    right.plot([0, 1], [0, 1], '0.8', label='still')
    right.legend(loc='lower center', bbox_to_anchor=(0.5, 1))
    for ax in (left, right):
        ax.grid()
        ax.set(xlim=(0, 1), ylim=(0, 1))
    return fig, moving


def set_data(moving: list[Any], data: tuple[Any, Any]) -> None:
    title, left, right = moving
    title.set_text(f'{len(data[0])} points')
    left.set_data(*data)
    right.set_data(data[1], data[0])


def in_full(fig: Figure) -> np.ndarray:
    agg = FigureCanvasAgg(fig)
    agg.draw()
    return np.asarray(agg.buffer_rgba())[..., :3]


def test_a_frame_equals_a_full_redraw_pixel_for_pixel() -> None:
    canvas = Canvas(*draw())
    for data in [*DATA.values(), *reversed(DATA.values())]:
        set_data(canvas.moving, data)
        frame = canvas.pixels()
        assert np.array_equal(frame, in_full(draw(data)[0]))
    assert plt.get_fignums() == []


def test_frames_keep_their_look_whatever_the_readers_settings() -> None:
    usual = Canvas(*draw(DATA['a line'])).pixels()
    with plt.style.context('dark_background'):
        plt.rcParams['text.usetex'] = True
        plt.rcParams['font.sans-serif'] = ['SimHei']
        canvas = Canvas(*draw())
        canvas.pixels()
        set_data(canvas.moving, DATA['a line'])
        assert np.array_equal(canvas.pixels(), usual)


def test_the_background_is_drawn_once_and_again_after_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canvas = Canvas(*draw())
    drawn = []
    full = Figure.draw
    monkeypatch.setattr(
        Figure, 'draw', lambda *args: (drawn.append(1), full(*args))
    )
    for data in DATA.values():
        set_data(canvas.moving, data)
        canvas.redraw()
    assert len(drawn) == 1
    canvas.figure.axes[0].set_ylim(0, 5)
    canvas.refresh()
    frame = canvas.pixels()
    assert len(drawn) == 2
    want, _ = draw(data)
    in_full(want)  # the layout settles with the second drawing
    want.axes[0].set_ylim(0, 5)
    assert np.array_equal(frame, in_full(want))


def test_the_widget_holds_the_frame_at_its_size_on_the_page() -> None:
    canvas = Canvas(*draw())
    canvas.redraw()
    assert canvas.widget.value == canvas.frame()
    size = int(canvas.widget.width), int(canvas.widget.height)
    assert size == (4 * 96, 2 * 96)
    assert canvas.pixels().shape == (2 * 96, 4 * 96, 3)


def off(frame: bytes, canvas: Canvas) -> float:
    """Return how far a frame is from the pixels, on average, of 255."""
    shown = np.asarray(Image.open(io.BytesIO(frame))).astype(float)
    return float(np.abs(shown - canvas.pixels()).mean())


def test_a_frame_shows_the_pixels_as_well_as_a_reader_can_tell() -> None:
    canvas = Canvas(*draw())
    empty = canvas.frame()
    set_data(canvas.moving, DATA['a line'])
    assert off(canvas.frame(), canvas) < 1
    assert off(empty, canvas) > 1  # one line more is seen


def test_settle_leaves_a_figure_that_is_saved_whole() -> None:
    data = DATA['a line']
    canvas = Canvas(*draw(data))
    canvas.frame()
    fig = canvas.settle()
    want, _ = draw(data)
    in_full(want)
    assert np.array_equal(in_full(fig), in_full(want))
    canvas.frame()  # and it can go on
    assert all(artist.get_animated() for artist in canvas.moving)


def test_close_leaves_no_widget() -> None:
    before = set(open_widgets)
    canvas = Canvas(*draw())
    assert set(open_widgets) > before
    canvas.close()
    assert set(open_widgets) == before
