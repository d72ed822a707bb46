"""A film's frames are what the function gives, on the grid of its sliders."""

import json
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch

from d2lmini.explore import Race, Slide, Slider, family, running_mean
from d2lmini.explore.film import FINEST, GAP, MOST, film, grid
from d2lmini.show import lines
from d2lmini.show.plots import Moving

Values = dict[str, Any]


def tricky() -> Slide:
    """Make a slide whose captions hold numbers of all kinds, or none."""
    panel = lines({'line': None}, x='x', y='y', xlim=(0, 9), ylim=(-9, 9))
    canvas = Moving(panel)

    def frame(a: int, b: float) -> tuple[str, str]:
        gap = math.nan if a == 2 else b
        canvas.set('line', [0, a, 5, 9], [b, gap, -b, a])
        if a == 0:
            return '', ''
        return (
            f'第{a}步，<b>{b:.2e}</b>，{-a}%，1,000个，3.{a}.7',
            f'no number{"" if a == 3 else f" but {b}"}; &#8722; {a}-{a}',
        )

    return Slide(
        canvas, frame, 'A line', a=Slider(1, 0, 3), b=Slider(1.5, -2, 9, 0.5)
    )


def decoded(found: Any, k: int) -> tuple[list[Any], str, str]:
    """Return a frame as `film.js` reads it."""
    moved, *said = found['frames'][k]
    zh, en, of_zh, of_en = (found['texts'][i] for i in said)

    def filled(text: str, numbers: str) -> str:
        first, *parts = text.split(GAP)
        each = iter(numbers.split(' '))
        return first + ''.join(next(each) + part for part in parts)

    strokes = [found['strokes'][i] for i in moved]
    return strokes, filled(zh, of_zh), filled(en, of_en)


def places(found: Any) -> list[Values]:
    """Return the values of each frame, in order."""
    names = [slider['name'] for slider in found['sliders']]
    grids = [slider['places'] for slider in found['sliders']]
    return [dict(zip(names, at, strict=True)) for at in product(*grids)]


@pytest.mark.parametrize(
    'make',
    [
        tricky,
        running_mean,
        lambda: family('images'),
        lambda: family('tokens'),
    ],
)
def test_each_frame_is_what_the_function_gives(
    make: Callable[[], Slide],
) -> None:
    slide = make()
    start = slide.widget.frame
    found = json.loads(slide.film())
    assert slide.widget.frame == start  # as if nothing had been moved
    wanted = places(found)
    assert len(wanted) == len(found['frames']) <= MOST
    assert found['starts'] in wanted
    for k, values in enumerate(wanted):
        said = slide.frame(**values)
        assert decoded(found, k) == (slide.canvas.strokes(), *said), values


def test_a_frame_of_another_place_is_another() -> None:
    slide = tricky()
    found = json.loads(slide.film())
    slide.frame(a=1, b=-2)
    same = [
        values
        for k, values in enumerate(places(found))
        if decoded(found, k)[0] == slide.canvas.strokes()
    ]
    assert same == [{'a': 1, 'b': -2}]


@pytest.mark.parametrize(
    'sliders',
    [
        {'n': Slider(4, 1, 6)},
        {'n': Slider(4, 1, 1000)},
        {'a': Slider(4, 1, 6), 'b': Slider(2, -4, 4, 0.1),
         'c': Slider(1e-5, 1e-5, 100, 0.1, log=True)},
        {'n': Slider(64, 16, 256, 2, log=True), 'p': Slider(100, 5, 100, 5)},
        {name: Slider(3, 0, 9) for name in 'abcde'},
    ],
)  # fmt: skip
def test_the_grid_holds_the_ends_and_the_start(
    sliders: dict[str, Slider],
) -> None:
    found = grid(sliders)
    assert math.prod(map(len, found.values())) <= MOST
    for name, slider in sliders.items():
        own = found[name]
        assert len(own) <= FINEST + 1  # its start may lie in between
        assert {slider.start, slider.least, slider.most} <= {*own}
        assert own == sorted({*own})
        if slider.whole:
            assert all(isinstance(place, int) for place in own)


def test_a_short_slider_is_whole_in_a_film() -> None:
    assert grid({'n': Slider(4, 1, 6)}) == {'n': [1, 2, 3, 4, 5, 6]}


def test_the_same_film_is_made_twice() -> None:
    slide = tricky()
    assert slide.film() == slide.film() == tricky().film()
    assert film(slide.canvas, slide.frame, slide.sliders) == slide.film()


def test_a_race_is_filmed_from_start_to_end() -> None:
    draw = torch.Generator().manual_seed(3)
    y = torch.arange(256) % 10
    X = torch.rand(256, 1, 28, 28, generator=draw) + y.view(-1, 1, 1, 1)
    race = Race((X, y, X[:50], y[:50]), passes=1)
    points, seen = race.run(), race.canvas.strokes()
    found = json.loads(race.film())
    assert (race.points, race.canvas.strokes()) == (points, seen)
    k = places(found).index({'lr': 0.5, 'batch_size': 64, 'progress': 100})
    # The slider of the start is that of the panel: the race is the same.
    assert decoded(found, k)[0] == seen
    assert f'{points[-1].loss[0]:.3f}' in decoded(found, k)[2]
