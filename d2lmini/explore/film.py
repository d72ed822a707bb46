"""An explorer without a kernel: all its frames, on a grid of its sliders."""

import json
import math
import re
from collections.abc import Callable
from itertools import product
from typing import Any

from d2lmini.explore.slider import Slider
from d2lmini.show.canvas import Canvas

FILM = 'application/vnd.d2lmini.film'  # the kind of output that holds one
MAKE_FILMS = 'D2LMINI_FILMS'  # the environment's wish to have them made
MOST = 288  # frames
FINEST = 128  # places of a slider: finer than a hand on a mouse
NUMBER = re.compile(r'-?\d+(?:\.\d+)?(?:e[+-]?\d+)?')
GAP = '\0'  # where a number stood


class Table(dict[str, int]):
    """What is said often, once: by text its place in the list of texts."""

    def at(self, text: str) -> int:
        """Return the place of a text, a new one if it is new."""
        return self.setdefault(text, len(self))


def grid(sliders: dict[str, Slider]) -> dict[str, list[float]]:
    """Return places for each slider, its start too: see `FINEST`, `MOST`."""
    sizes = {n: min(len(s.places), FINEST) for n, s in sliders.items()}
    while True:
        found = {name: sliders[name].thinned(n) for name, n in sizes.items()}
        if math.prod(map(len, found.values())) <= MOST:
            return found
        # A short slider keeps all its places while a long one has many.
        long = [
            n for n in sizes if sizes[n] > 3 and len(sliders[n].places) > 8
        ]
        sizes[max(long or sizes, key=sizes.__getitem__)] -= 1


def film(
    canvas: Canvas,
    frame: Callable[..., tuple[str, str]],
    sliders: dict[str, Slider],
) -> str:
    """Return an explorer's frames on the grid of its sliders, as a film.

    Parameters
    ----------
    canvas, frame, sliders : as `Slide` takes them

    Returns
    -------
    str, JSON that `film.js` plays. `frames` holds one for each combination
        of the sliders' places, the last slider's the fastest: the numbers of
        its strokes in `strokes`, then those of both captions in `texts`,
        each a text with gaps and the numbers for them.
    """
    places = grid(sliders)
    strokes, texts, frames = Table(), Table(), []
    for values in product(*places.values()):
        said = frame(**dict(zip(places, values, strict=True)))
        frames.append([
            [strokes.at(_json(stroke)) for stroke in canvas.strokes()],
            *(texts.at(NUMBER.sub(GAP, words)) for words in said),
            *(texts.at(' '.join(NUMBER.findall(words))) for words in said),
        ])  # fmt: skip
    return _json({
        'picture': canvas.picture(),
        'sliders': [
            sliders[name].told(name, found) for name, found in places.items()
        ],
        'starts': {name: slider.start for name, slider in sliders.items()},
        'strokes': [json.loads(stroke) for stroke in strokes],
        'texts': [*texts],
        'frames': frames,
    })  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'))
