"""A slider's picture follows it, tells errors, and has a still twin."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from d2lmini import lang
from d2lmini.canvas import Canvas
from d2lmini.figure import new_figure
from d2lmini.slide import Slide

VALUES = range(0, 51, 10)


def make(**how: Any) -> Slide:
    """Make a slide whose bar is as long as the slider says."""
    fig, (ax,) = new_figure(width=3, height=1.5)
    ax.set(xlim=(0, 60), ylim=(0, 2))
    bar = ax.plot([0, 0], [1, 1], lw=9, zorder=3)[0]

    def frame(value: int) -> tuple[str, str]:
        if value == 30:
            raise ArithmeticError('30 < 40 is too much')
        bar.set_data([0, value], [1, 1])
        return f'长<b>{value}</b>', f'long: <b>{value}</b>'

    return Slide(Canvas(fig, [bar]), frame, VALUES, 'step', 'A bar', **how)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))


@pytest.mark.parametrize('value', [0, 10, 20, 40, 50])
def test_the_picture_and_the_caption_follow_the_slider(value: int) -> None:
    moved, still = make(), make(start=value)
    moved.slider.value = 10
    moved.slider.value = value
    assert moved.canvas.widget.value == still.canvas.widget.value
    assert moved.caption.value == lang.words(
        f'长<b>{value}</b>', f'long: <b>{value}</b>'
    )


def test_two_values_have_two_pictures() -> None:
    slide = make()
    before = slide.canvas.widget.value
    slide.slider.value = 10
    assert slide.canvas.widget.value != before


def test_it_starts_with_the_last_value() -> None:
    assert make().slider.value == 50


def test_the_slider_has_the_range_of_the_values() -> None:
    slider = make().slider
    assert (slider.min, slider.max, slider.step) == (0, 50, 10)


def test_an_error_is_told_under_the_slider() -> None:
    slide = make()
    slide.slider.value = 30
    told = slide.trouble.value
    assert 'role="alert"' in told
    assert 'ArithmeticError: 30 &lt; 40 is too much' in told


def test_the_next_good_value_takes_the_error_away() -> None:
    slide = make()
    slide.slider.value = 30
    slide.slider.value = 40
    assert slide.trouble.value == ''
    assert '40' in slide.caption.value


def test_an_error_at_the_start_is_raised() -> None:
    with pytest.raises(ArithmeticError):
        make(start=30)


def test_a_start_outside_the_values_is_told() -> None:
    with pytest.raises(ValueError, match=r'one of range\(0, 51, 10\), got 7'):
        make(start=7)


def test_no_values_are_told() -> None:
    fig, _ = new_figure()
    with pytest.raises(ValueError, match='a slider needs values'):
        Slide(Canvas(fig, []), lambda v: ('', ''), range(0), 'step', 'A bar')


def test_the_bundle_holds_the_widget_and_a_still_picture() -> None:
    slide = make()
    slide.slider.value = 20
    bundle = slide.bundle()
    view = bundle['application/vnd.jupyter.widget-view+json']
    assert view['model_id'] == slide._box.model_id
    assert bundle['text/plain'] == 'A bar'
    assert 'alt="A bar"' in bundle['text/html']
    assert lang.words('长<b>20</b>', 'long: <b>20</b>') in bundle['text/html']


def test_the_still_picture_is_the_one_of_the_slider() -> None:
    slide = make(start=20)
    still = pixels(base64.b64decode(slide.bundle()['image/png']))
    shown = pixels(slide.canvas.widget.value)
    assert still.shape == shown.shape
    blue = [
        (p[..., 2] > p[..., 0].astype(int) + 60).sum() for p in (still, shown)
    ]
    assert blue[0] == pytest.approx(blue[1], rel=0.05) and blue[0] > 100


def test_it_goes_on_after_the_still_picture() -> None:
    slide = make()
    slide.bundle()
    slide.slider.value = 10
    assert slide.canvas.widget.value == make(start=10).canvas.widget.value


def test_outside_a_notebook_it_says_what_it_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('D2LMINI_LANG', 'en')
    make().show()
    assert capsys.readouterr().out == 'A bar\nlong: <b>50</b>\n'


def test_in_a_notebook_it_publishes_its_bundle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr('d2lmini.slide.in_notebook', lambda: True)
    monkeypatch.setattr('d2lmini.slide.publish', shown.append)
    make().show()
    assert [sorted(bundle) for bundle in shown] == [
        [
            'application/vnd.jupyter.widget-view+json',
            'image/png',
            'text/html',
            'text/plain',
        ]
    ]


def test_no_figure_is_left_open() -> None:
    make().bundle()
    assert plt.get_fignums() == []
