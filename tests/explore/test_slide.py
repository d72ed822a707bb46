"""Sliders' picture follows them, tells errors, and has a still twin."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from ipywidgets import FloatLogSlider, FloatSlider, IntSlider
from matplotlib import pyplot as plt
from PIL import Image

from d2lmini.explore.slide import Slide, ends
from d2lmini.show import lang
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import new_figure

ERROR = '30 < 40 is too much'


def make(step: int = 50, width: float = 9.0) -> Slide:
    """Make a slide whose bar is as long and as thick as its sliders say."""
    fig, (ax,) = new_figure(width=3, height=1.5)
    ax.set(xlim=(0, 60), ylim=(0, 2))
    bar = ax.plot([0, 0], [1, 1], lw=9, zorder=3)[0]

    def frame(step: int, width: float) -> tuple[str, str]:
        if step == 30:
            raise ArithmeticError(ERROR)
        bar.set_data([0, step], [1, 1])
        bar.set_linewidth(width)
        return f'长<b>{step}</b>', f'long: <b>{step}</b>'

    return Slide(
        Canvas(fig, [bar]),
        frame,
        'A bar',
        step=IntSlider(step, 0, 50, 10),
        width=FloatSlider(width, min=1, max=20),
    )


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))


@pytest.mark.parametrize('value', [0, 10, 20, 40, 50])
def test_the_picture_and_the_caption_follow_the_slider(value: int) -> None:
    moved, still = make(), make(value)
    moved.sliders['step'].value = 10
    moved.sliders['step'].value = value
    assert moved.canvas.widget.value == still.canvas.widget.value
    assert moved.caption.value == lang.words(
        f'长<b>{value}</b>', f'long: <b>{value}</b>'
    )


@pytest.mark.parametrize(('name', 'value'), [('step', 10), ('width', 3.0)])
def test_each_slider_changes_the_picture(name: str, value: float) -> None:
    slide = make()
    before = slide.canvas.widget.value
    slide.sliders[name].value = value
    assert slide.canvas.widget.value != before


def test_a_slider_without_a_description_gets_its_name() -> None:
    assert make().sliders['step'].description == 'step'


def test_reset_brings_every_slider_back_to_its_start() -> None:
    slide = make(20, 5.0)
    slide.move(step=10, width=12.0)
    slide._reset.click()
    assert slide.values == {'step': 20, 'width': 5.0}
    assert slide.canvas.widget.value == make(20, 5.0).canvas.widget.value


def test_moving_several_sliders_draws_once() -> None:
    slide, drawn = make(), []
    redraw = slide.canvas.redraw
    slide.canvas.redraw = lambda: drawn.append(redraw())  # type: ignore
    slide.move(step=10, width=3.0)
    assert len(drawn) == 1
    slide.sliders['step'].value = 20
    assert len(drawn) == 2


@pytest.mark.parametrize(
    ('slider', 'want'),
    [
        (IntSlider(4, 1, 8), (1, 8)),
        (FloatSlider(0.5, min=0.1, max=1), (0.1, 1)),
        (FloatLogSlider(1, min=-5, max=2), (1e-5, 100)),
    ],
)
def test_ends_are_values_even_of_a_log_slider(
    slider: Any, want: tuple[float, float]
) -> None:
    assert ends(slider) == pytest.approx(want)


def test_an_error_is_told_under_the_slider() -> None:
    slide = make()
    slide.sliders['step'].value = 30
    told = slide.trouble.value
    assert 'role="alert"' in told
    assert 'ArithmeticError: 30 &lt; 40 is too much' in told


def test_the_next_good_value_takes_the_error_away() -> None:
    slide = make()
    slide.sliders['step'].value = 30
    slide.sliders['step'].value = 40
    assert slide.trouble.value == ''
    assert '40' in slide.caption.value


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

    return Slide(Canvas(fig, []), frame, 'none', step=IntSlider(5, 0, 9))


@pytest.mark.parametrize('end', [0, 9])
def test_a_rehearsal_raises_what_a_frame_raises_at_an_end(end: int) -> None:
    with pytest.raises(ArithmeticError, match=ERROR):
        broken_at(end).rehearse()


def test_a_rehearsal_leaves_the_sliders_where_they_were() -> None:
    slide = make(20)
    slide.rehearse()
    assert slide.values == {'step': 20, 'width': 9.0}


def test_quick_mode_rehearses_before_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    with pytest.raises(ArithmeticError):
        broken_at(9).show()


VIEW = 'application/vnd.jupyter.widget-view+json'
Shown = list[tuple[dict[str, Any], Any]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Pretend to be in a notebook and keep what is shown there."""
    shown: Shown = []
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    monkeypatch.setattr('d2lmini.explore.slide.in_notebook', lambda: True)
    monkeypatch.setattr(
        'd2lmini.explore.slide.publish',
        lambda bundle, metadata=None: shown.append((bundle, metadata)),
    )
    return shown


def test_it_shows_the_widget_with_a_still_picture_and_words_for_readers(
    shown: Shown,
) -> None:
    slide = make()
    slide.sliders['step'].value = 20
    slide.show()
    (picture, metadata), (words, _), _ = shown
    assert picture.pop(VIEW)['model_id'] == slide.box.model_id
    assert set(picture) == {'image/png', 'text/plain'}
    assert metadata['image/png']['alt'] == picture['text/plain'] == 'A bar'
    assert words[VIEW]['model_id'] == slide.caption.model_id
    told = lang.words('长<b>20</b>', 'long: <b>20</b>')
    assert words['text/html'] == told


def test_the_still_picture_is_the_one_of_the_slider(shown: Shown) -> None:
    slide = make(20)
    slide.show()
    still = pixels(base64.b64decode(shown[0][0]['image/png']))
    frame = pixels(slide.canvas.widget.value)
    # The share of blue: the two may differ in size.
    blue = [
        (p[..., 2] > p[..., 0].astype(int) + 60).mean() for p in (still, frame)
    ]
    assert blue[0] == pytest.approx(blue[1], rel=0.1) and blue[0] > 0.005
    assert plt.get_fignums() == []


def test_it_goes_on_after_the_still_picture(shown: Shown) -> None:
    slide = make()
    slide.show()
    slide.sliders['step'].value = 10
    assert slide.canvas.widget.value == make(10).canvas.widget.value


def test_outside_a_notebook_it_says_what_it_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    make().show()
    assert capsys.readouterr().out == 'A bar\nlong: <b>50</b>\n'


def field(slide: Slide, name: str) -> Any:
    """Return the number field beside a slider."""
    place = list(slide.sliders).index(name)
    return slide.box.children[place].children[1]


def test_each_field_has_its_sliders_name_and_value() -> None:
    slide = make()
    for name, slider in slide.sliders.items():
        assert field(slide, name).tooltip == slider.description == name
        assert field(slide, name).value == slider.value


@pytest.mark.parametrize(('typed', 'end'), [(70, 50), (-1, 0)])
def test_a_number_out_of_range_is_told(typed: int, end: int) -> None:
    slide = make(20)
    field(slide, 'step').value = typed
    told = f'between 0 and 50, got {typed}; {end} is taken'
    assert told in slide.trouble.value
    slide.sliders['step'].value = end  # as the browser's link does
    field(slide, 'step').value = end
    assert told in slide.trouble.value
    field(slide, 'step').value = 40
    assert slide.trouble.value == ''


def test_a_log_sliders_field_tells_its_range_in_numbers() -> None:
    fig, _ = new_figure()
    slide = Slide(
        Canvas(fig, []),
        lambda eps: (f'{eps}', f'{eps}'),
        'Nothing',
        eps=FloatLogSlider(1e-5, min=-10, max=1),
    )
    field(slide, 'eps').value = 100.0
    assert 'between 1e-10 and 10, got 100; 10 is taken' in slide.trouble.value
