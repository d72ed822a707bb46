"""A number to choose, and the places where a slider's handle can stand."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Slider:
    """A number to choose: by a slider, or exactly, in the field beside it.

    Parameters
    ----------
    start, least, most : float, or int where only whole numbers make sense
    step : float, from one place of the slider to the next; with `log` in
        powers of ten
    log : bool, places a factor apart; `least` and `most` are the values

    Raises
    ------
    ValueError : the start lies outside, or a step that is not above 0
    """

    start: float
    least: float
    most: float
    step: float = 1
    log: bool = False

    def __post_init__(self) -> None:
        if not (self.least <= self.start <= self.most and self.step > 0):
            raise ValueError(
                'a Slider needs least <= start <= most and step > 0, got '
                f'{self}'
            )

    @property
    def whole(self) -> bool:
        """Whether only whole numbers make sense."""
        return all(isinstance(n, int) for n in (self.start, self.step))

    @cached_property
    def places(self) -> list[float]:
        """Where the handle can stand, as short numbers, the start included."""
        span, unit = self.most - self.least, self.step
        if self.log:
            span = math.log10(self.most / self.least)
        n = math.floor(span / unit + 1e-9)
        if self.log:
            found = {float(f'{self.least * 10 ** (k * unit):.2g}')
                     for k in range(n + 1)}  # fmt: skip
        else:
            found = {round(self.least + k * unit, 9) for k in range(n + 1)}
        # Rounded to be read; what rounds out of the range is its end.
        inside = {min(max(place, self.least), self.most) for place in found}
        kind = round if self.whole else float
        return sorted({kind(n) for n in inside | {self.start, self.most}})

    def thinned(self, n: int) -> list[float]:
        """Return about n of its places: the ends, the start and 0 if inside.

        Those between are short to say: 0.5 rather than 0.56.
        """
        last = len(self.places) - 1
        found = {i for i, place in enumerate(self.places)
                 if i in (0, last) or place in (0, self.start)}  # fmt: skip
        gap = last / (n - 1)
        for i in range(1, n - 1):
            near = range(math.ceil((i - 0.5) * gap), int((i + 0.5) * gap) + 1)
            if found.isdisjoint(near):
                found.add(min(near, key=lambda k: len(f'{self.places[k]:g}')))
        return [self.places[k] for k in sorted(found)]

    def told(self, name: str, places: list[float]) -> dict[str, Any]:
        """Return it as `draw.js` takes it."""
        return {'name': name, 'places': places, 'least': self.least,
                'most': self.most, 'whole': self.whole}  # fmt: skip
