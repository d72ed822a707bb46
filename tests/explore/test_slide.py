"""Sliders' picture follows them, tells errors, and has a still twin."""

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from PIL import Image

from d2lmini.explore.slide import Slide
from d2lmini.explore.slider import Slider
from d2lmini.show import lang
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import new_figure

ERROR = '30 < 40 is too much'


def make(step: int = 50, height: float = 1.0) -> Slide:
    """Make a slide whose bar is as long and as high as its sliders say."""
    fig, (ax,) = new_figure(width=3, height=1.5)
    ax.set(xlim=(0, 60), ylim=(0, 2))
    bar = ax.plot([0, 0], [1, 1], lw=9, zorder=3)[0]

    def frame(step: int, height: float) -> tuple[str, str]:
        if step == 30:
            raise ArithmeticError(ERROR)
        bar.set_data([0, step], [height, height])
        return f'长<b>{step}</b>', f'long: <b>{step}</b>'

    return Slide(
        Canvas(fig, [bar]),
        frame,
        'A bar',
        step=Slider(step, 0, 50, 10),
        height=Slider(height, 0, 2, 0.5),
    )


@pytest.mark.parametrize('value', [0, 10, 20, 40, 50])
def test_the_picture_and_the_caption_follow_the_slider(value: int) -> None:
    moved, still = make(), make(value)
    moved.widget.values = {'step': 10, 'height': 1.0}
    moved.widget.values = {'step': value, 'height': 1.0}
    assert moved.widget.frame == still.widget.frame
    assert moved.widget.frame['en'] == f'long: <b>{value}</b>'


@pytest.mark.parametrize(('name', 'value'), [('step', 10), ('height', 0.5)])
def test_each_slider_changes_the_picture(name: str, value: float) -> None:
    slide = make()
    before = slide.widget.frame['strokes']
    slide.move(**{name: value})
    assert slide.widget.frame['strokes'] != before


def test_moving_several_sliders_draws_once() -> None:
    slide, drawn = make(), []
    slide.widget.observe(lambda _: drawn.append(1), 'frame')
    slide.move(step=10, height=0.5)
    assert len(drawn) == 1
    slide.move(step=20)
    assert len(drawn) == 2


def test_a_typed_number_is_used_as_it_is() -> None:
    slide = make()
    slide.widget.values = {'step': 17, 'height': 1.0}
    assert slide.widget.frame['en'] == 'long: <b>17</b>'


def test_an_error_is_told_and_the_next_good_value_takes_it_away() -> None:
    slide = make()
    slide.move(step=30)
    assert slide.widget.trouble == f'ArithmeticError: {ERROR}'
    assert '50' in slide.widget.frame['en']  # what was seen stays
    slide.move(step=40)
    assert slide.widget.trouble == ''
    assert '40' in slide.widget.frame['en']


def test_an_error_at_the_start_is_raised() -> None:
    with pytest.raises(ArithmeticError):
        make(30)


def test_no_slider_is_told() -> None:
    fig, _ = new_figure()
    with pytest.raises(ValueError, match='needs a slider for each value'):
        Slide(Canvas(fig, []), lambda: ('', ''), 'A bar')


def broken_at(value: int) -> Slide:
    """Make a slide whose frame raises at one value of its slider."""
    fig, _ = new_figure()

    def frame(step: int) -> tuple[str, str]:
        if step == value:
            raise ArithmeticError(ERROR)
        return '', ''

    return Slide(Canvas(fig, []), frame, 'none', step=Slider(5, 0, 9))


@pytest.mark.parametrize('end', [0, 9])
def test_a_rehearsal_raises_what_a_frame_raises_at_an_end(end: int) -> None:
    with pytest.raises(ArithmeticError, match=ERROR):
        broken_at(end).rehearse()


def test_a_rehearsal_leaves_the_sliders_where_they_were() -> None:
    slide = make(20)
    slide.rehearse()
    assert slide.values == {'step': 20, 'height': 1.0}


def test_quick_mode_rehearses_before_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    with pytest.raises(ArithmeticError):
        broken_at(9).show()


# What the page is given


VIEW = 'application/vnd.jupyter.widget-view+json'
Shown = list[tuple[dict[str, Any], Any]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Pretend to be in a notebook and keep what is shown there."""
    shown: Shown = []
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    monkeypatch.delenv('D2LMINI_FILMS', raising=False)
    monkeypatch.setattr('d2lmini.explore.slide.in_notebook', lambda: True)
    monkeypatch.setattr('d2lmini.show.notebook._replace', lambda _: None)
    monkeypatch.setattr(
        'd2lmini.show.notebook.publish',
        lambda bundle, metadata=None: shown.append((bundle, metadata)),
    )
    return shown


def test_it_shows_the_widget_and_twins_for_readers_without_a_kernel(
    shown: Shown,
) -> None:
    slide = make()
    slide.move(step=20)
    slide.show()
    (widget, _), (picture, metadata), (words, _) = shown
    assert widget[VIEW]['model_id'] == slide.widget.model_id
    assert set(picture) == {'image/png', 'text/plain', 'text/html'}
    assert metadata['image/png']['alt'] == picture['text/plain'] == 'A bar'
    assert lang.words('长<b>20</b>', 'long: <b>20</b>') in words['text/html']
    # Both can be hidden by the widget while it lives.
    for bundle in picture, words:
        assert f'class="d2l-rest-{slide.widget.rest}"' in bundle['text/html']
    assert slide.widget.picture['alt'] == 'A bar'


def test_the_still_picture_is_the_one_of_the_slider(shown: Shown) -> None:
    slide = make(20)
    slide.show()
    data = base64.b64decode(shown[1][0]['image/png'])
    still = np.asarray(Image.open(io.BytesIO(data)).convert('RGB')).astype(int)
    blue = (still[..., 2] > still[..., 0] + 60).any(axis=0)
    x, _, length, _ = slide.widget.frame['strokes'][0]
    scale = still.shape[1] / slide.widget.picture['width'] / 10
    ends = np.flatnonzero(blue)[[0, -1]]
    assert ends == pytest.approx([x * scale, (x + length) * scale], abs=12)
    assert plt.get_fignums() == []


def test_it_goes_on_after_the_still_picture(shown: Shown) -> None:
    slide = make()
    slide.show()
    slide.move(step=10)
    assert slide.widget.frame == make(10).widget.frame


def test_films_are_made_when_they_are_asked_for(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_FILMS', '1')
    fig, (ax,) = new_figure()
    line = ax.plot([], [])[0]

    def frame(step: int) -> tuple[str, str]:
        line.set_data([0, step], [0, 1])
        return f'{step}', f'{step}'

    Slide(Canvas(fig, [line]), frame, 'x', step=Slider(2, 0, 3)).show()
    assert 'application/vnd.d2lmini.film' in shown[1][0]


def test_outside_a_notebook_it_says_what_it_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    make().show()
    assert capsys.readouterr().out == 'A bar\nlong: <b>50</b>\n'


# The places of a slider


@pytest.mark.parametrize(
    ('slider', 'places', 'whole'),
    [
        (Slider(4, 1, 6), [1, 2, 3, 4, 5, 6], True),
        (Slider(50, 0, 50, 25), [0, 25, 50], True),
        (Slider(2, -0.2, 2, 0.1), np.arange(-2, 21) / 10, False),
        (Slider(0.3, 0.01, 1, 0.5, log=True),
         [0.01, 0.032, 0.1, 0.3, 0.32, 1], False),
        (Slider(64, 16, 256, 0.5, log=True), [16, 51, 64, 160, 256], False),
    ],
)  # fmt: skip
def test_places_are_short_numbers_with_both_ends_and_the_start(
    slider: Slider, places: Any, whole: bool
) -> None:
    assert slider.places == pytest.approx(list(places), abs=1e-12)
    assert slider.whole == whole


@given(
    st.integers(-9, 3),
    st.integers(1, 9),
    st.floats(0, 1),
    st.floats(0.05, 1),
    st.integers(3, 40),
)
def test_a_log_sliders_places_go_up_by_its_factor(
    low: int, decades: int, share: float, step: float, n: int
) -> None:
    least, most = 10.0**low, 10.0 ** (low + decades)
    start = min(max(least, 10 ** (low + share * decades)), most)
    slider = Slider(start, least, most, step, log=True)
    places = slider.places
    assert places == sorted(set(places)) and start in places
    assert (places[0], places[-1]) == (least, most)
    whole = least * 10 ** (step * np.arange(int(decades / step) + 1))
    for place in {*places} - {start, most}:  # rounded to two digits
        assert np.abs(whole / place - 1).min() < 0.051
    thin = slider.thinned(min(n, len(places)))
    assert thin == sorted(set(thin)) and set(thin) <= set(places)
    assert len(thin) <= n + 2
    assert {start, least, most} <= set(thin)


@pytest.mark.parametrize(
    'given', [(0, 1, 2), (3, 1, 2), (1, 1, 2, 0), (math.nan, 1, 2)]
)
def test_a_slider_that_cannot_be_is_told(given: Any) -> None:
    with pytest.raises(ValueError, match='least <= start <= most'):
        Slider(*given)
