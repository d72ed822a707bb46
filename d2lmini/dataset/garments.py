"""Garments drawn by code: the stand-in for Fashion-MNIST without a network.

Each class paints parts over one another, for many images at once. A part is
each pixel's distance to it, negative inside; x and y go from -1 to 1, y down.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

VERSION = 1  # goes up when the pictures change: they are kept in a cache
SIDE, CHUNK = 28, 100  # pixels; images drawn at once: they fit the cache
Array = np.ndarray
Number = Array | float


def draw_garments(num_examples: int, seed: int) -> tuple[Array, Array]:
    """Return images (n, 28, 28) and labels (n,), mixed, as many of each class.

    The images are light on a black ground; a seed gives the same again.
    """
    if num_examples < 1:
        rule = 'num_examples must be at least 1'
        raise ValueError(f'{rule}, got {num_examples}')
    rng = np.random.default_rng(seed)
    labels = rng.permutation(num_examples) % len(CLASSES)
    images = np.zeros((num_examples, SIDE, SIDE), np.uint8)
    for label, draw in enumerate(CLASSES):
        index = np.flatnonzero(labels == label)
        for start in range(0, len(index), CHUNK):
            chunk = index[start : start + CHUNK]
            draw(sketch := Sketch(rng, len(chunk)))
            images[chunk] = sketch.finished()
    return images, labels.astype(np.uint8)


class Sketch:
    """Images of one class in the making.

    x, y, (n, 28, 28), say where each pixel lies on the garment, which is
    turned, slanted, moved and scaled a little.
    """

    def __init__(self, rng: 'np.random.Generator', n: int) -> None:
        self._rng, self._n = rng, n
        self._image = np.zeros((n, SIDE, SIDE), np.float32)
        axis = (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2) * 2 / SIDE
        turn, slant = self.any(-0.2, 0.2), self.any(-0.1, 0.1)
        x = axis * self.any(0.92, 1.3) + self.any(-0.15, 0.15)
        y = axis[:, None] * self.any(0.92, 1.3) + self.any(-0.15, 0.15)
        self.x, self.y = x + (turn + slant) * y, y - turn * x

    def any(self, low: float, high: float) -> Array:
        """Return a number from [low, high) for each image, (n, 1, 1)."""
        return self._rng.uniform(low, high, (self._n, 1, 1)).astype('f4')

    def paint(self, part: Array, tone: Number = 1, share: float = 1) -> None:
        """Lay cloth over what is there, in that share of the images.

        Tone 1 is the garment's, 0 the ground's.
        """
        self._image += self._cover(part, share) * (tone - self._image)

    def dye(self, part: Array, tone: Number = 0, share: float = 1) -> None:
        """Darken the cloth under a part: a seam, or with tone 0 a hole."""
        self._image *= 1 - self._cover(part, share) * (1 - tone)

    def finished(self) -> Array:
        """Return the images in stripes, light, shade and noise, as uint8."""
        angle = self.any(0, np.pi)
        along = np.cos(angle) * self.x + np.sin(angle) * self.y
        stripes = self.any(0, 0.13) * np.sin(self.any(4, 25) * along)
        shade = self.any(-0.12, 0.12) * self.x + self.any(-0.12, 0.12) * self.y
        noise = 0.06 * self._rng.standard_normal(self.x.shape, np.float32)
        light = self.any(0.55, 1) * (1 + stripes + shade + noise)
        pixels: Array = np.clip(255 * self._image * light, 0, 255)
        return pixels.astype(np.uint8)

    def _cover(self, part: Array, share: float) -> Array:
        """Return how far each pixel is covered, with an edge a pixel wide."""
        cover: Array = np.clip(0.5 - part * (SIDE / 2), 0, 1)
        return cover * (self.any(0, 1) < share)


def both(part: Array, *others: Array) -> Array:
    """Return the distance to what all parts share."""
    for other in others:
        part = np.maximum(part, other)
    return part


def line(part: Array, width: Number) -> Array:
    """Return the distance to a line along a part's edge."""
    return both(part - width, -part - width)


def oval(x: Array, y: Array, rx: Number, ry: Number) -> Array:
    """Return about the distance to an ellipse."""
    distance: Array = (np.hypot(x / rx, y / ry) - 1) * np.minimum(rx, ry)
    return distance


def trapezoid(
    x: Array, y: Array, top: Number, bottom: Number, w0: Number, w1: Number
) -> Array:
    """Return the distance to a shape from half-width w0 down to w1."""
    width = w0 + (w1 - w0) * (y - top) / (bottom - top)
    return both(np.abs(x) - width, top - y, y - bottom)


def limb(
    x: Array, y: Array, length: Number, angle: Number, r0: Number, r1: Number
) -> Array:
    """Return the distance to a limb from (0, 0) down, turned to the right."""
    sin, cos = np.sin(angle), np.cos(angle)
    along = np.clip(sin * x + cos * y, 0, length)
    width = r0 + (r1 - r0) * along / length
    distance: Array = np.hypot(x - sin * along, y - cos * along) - width
    return distance


def top(s: Sketch, hem: float, long: float, front: float) -> None:
    """Paint a torso with sleeves, a neck, perhaps buttons and a collar.

    `hem` is how far down it reaches at least, `long` in how many images the
    sleeves are long, `front` in how many there are buttons, or a collar.
    """
    x, is_long = np.abs(s.x), s.any(0, 1) < long
    length = np.where(is_long, s.any(1.0, 1.4), s.any(0.2, 0.6))
    angle = np.where(is_long, s.any(0.08, 0.25), s.any(0.4, 0.9))
    shoulder, cuff, depth = s.any(0.4, 0.5), s.any(0.1, 0.15), s.any(0.1, 0.25)
    slope = 0.3 * (x - 0.2) - 0.9 - s.y
    hip, bottom = shoulder + s.any(-0.04, 0.1), s.any(hem, hem + 0.2)
    arm = limb(x - shoulder + 0.08, s.y + 0.66, length, angle, 0.18, cuff)
    s.paint(both(trapezoid(x, s.y, -0.9, bottom, shoulder, hip), slope))
    s.dye(arm - 0.05, s.any(0.4, 0.8))  # a seam stays around the sleeve
    s.paint(both(arm, slope))
    s.dye(oval(s.x, s.y + 0.9, s.any(0.12, 0.25), depth), s.any(0, 0.4))
    s.dye(line(s.x, s.any(0.02, 0.05)), s.any(0.2, 0.8), front)
    lapel = limb(x - 0.2, s.y + 0.85, s.any(0.2, 0.5), -0.35, 0.09, 0.03)
    s.paint(lapel, s.any(0.7, 1.1), front)


def _t_shirt(s: Sketch) -> None:  # now and then with a print
    top(s, hem=0.75, long=0.05, front=0.04)
    middle, wide, high = s.any(0.1, 0.3), s.any(0.1, 0.3), s.any(0.1, 0.2)
    s.dye(oval(s.x, s.y + middle, wide, high), s.any(0.3, 0.8), 0.3)


def _trouser(s: Sketch) -> None:  # two legs, what joins them, a belt
    hip, ankle = s.any(0.19, 0.25), s.any(0.1, 0.18)
    leg = np.abs(s.x) - hip * 0.9 - s.any(0, 0.1) * (s.y + 0.9)
    s.paint(trapezoid(leg, s.y, -0.92, 0.94, hip, ankle))
    s.paint(trapezoid(s.x, s.y, -0.92, s.any(-0.5, -0.2), hip * 1.9, hip))
    s.dye(line(s.y + s.any(0.74, 0.8), 0.03), s.any(0.5, 0.9))


def _dress(s: Sketch) -> None:  # a bodice, a skirt, perhaps sleeves, a neck
    shoulder, waist, bend = s.any(0.24, 0.36), s.any(0.2, 0.3), s.any(-0.3, 0)
    x, hem = np.abs(s.x) - shoulder + 0.08, s.any(0.3, 0.6)
    arm = limb(x, s.y + 0.74, s.any(0.15, 1), s.any(0.2, 0.5), 0.12, 0.09)
    s.paint(trapezoid(s.x, s.y, -0.9, bend, shoulder, waist))
    s.paint(trapezoid(s.x, s.y, bend - 0.02, 0.96, waist, hem))
    s.paint(arm, share=0.5)
    s.dye(oval(s.x, s.y + 0.9, s.any(0.12, 0.2), s.any(0.1, 0.35)))
    s.dye(line(s.y - bend, 0.03), s.any(0.4, 1))


def _sandal(s: Sketch) -> None:  # a sole that may rise, a heel, loops
    rise = s.any(0.0, 0.6) * (s.any(0, 1) < 0.5)
    y = s.y - 0.5 + rise * np.maximum(s.x + 0.3, 0)
    s.paint(both(line(y, s.any(0.05, 0.1)), line(s.x, 0.9)), s.any(0.7, 1))
    s.paint(both(line(s.x - 0.75, s.any(0.06, 0.14)), -y, s.y - 0.56))
    for x in (-0.55, -0.1, 0.6):
        loop = oval(s.x - x - s.any(-0.1, 0.1), y, 0.25, s.any(0.25, 0.6))
        s.paint(both(line(loop, s.any(0.03, 0.07)), y), s.any(0.6, 1), 0.7)


def shoe(s: Sketch, ground: Array, height: Array) -> None:
    """Paint a shoe that points to the left, two seams and a sole."""
    y = s.y - ground
    rise = -0.3 - y - s.any(0.35, 0.5) * (s.x + 0.6)
    s.paint(both(oval(s.x, y, 0.93, height), rise, y))
    for x in (0.1, -0.4):
        seam = line(s.x - x - s.any(-0.2, 0.2) - 0.5 * y, 0.05)
        s.dye(seam, s.any(0.3, 1), 0.7)
    sole = both(line(y - 0.04, s.any(0.05, 0.1)), line(s.x, 0.9))
    s.paint(sole, s.any(0.4, 1.2))


def _sneaker(s: Sketch) -> None:
    shoe(s, s.any(0.35, 0.45), s.any(0.7, 0.95))
    s.dye(oval(s.x - 0.5, s.y + s.any(0.15, 0.3), 0.35, 0.25))


def _ankle_boot(s: Sketch) -> None:  # a shoe, a shaft, a heel
    ground, wide = s.any(0.6, 0.75), s.any(0.3, 0.4)
    shoe(s, ground, s.any(0.8, 1))
    x, top = s.x - 0.88 + wide, s.any(-0.9, -0.3)
    s.paint(trapezoid(x, s.y, top, ground, wide, wide))
    heel = s.y - ground - s.any(0.1, 0.25)
    s.paint(both(line(s.x - 0.65, 0.25), heel, ground - s.y))


def _bag(s: Sketch) -> None:  # a handle, a box, a flap, a lock
    top, width, slant = s.any(-0.5, 0), s.any(0.6, 0.92), s.any(0.85, 1.1)
    handle = oval(s.x, s.y - top, width * s.any(0.4, 0.9), s.any(0.3, 0.5))
    s.paint(line(handle, s.any(0.03, 0.07)), share=0.8)
    bottom = s.any(0.6, 0.95)
    s.paint(trapezoid(s.x, s.y, top, bottom, width, width * slant))
    s.dye(line(s.y - top - s.any(0.2, 0.5), 0.03), s.any(0.3, 0.9))
    s.dye(oval(s.x, s.y - top - 0.4, 0.1, 0.1), s.any(0.2, 0.9), 0.5)


CLASSES: tuple[Callable[[Sketch], None], ...] = (
    _t_shirt,
    _trouser,
    partial(top, hem=0.7, long=0.95, front=0.04),  # pullover
    _dress,
    partial(top, hem=0.84, long=1, front=0.94),  # coat
    _sandal,
    partial(top, hem=0.7, long=0.4, front=0.9),  # shirt
    _sneaker,
    _bag,
    _ankle_boot,
)
