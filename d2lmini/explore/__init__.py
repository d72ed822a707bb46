"""Sliders over real computations, and the pure functions under them."""

from d2lmini.explore.averages import any_momentum, filter_stream, running_mean
from d2lmini.explore.family import family
from d2lmini.explore.folding import folding
from d2lmini.explore.nets import Noise, eps, noise
from d2lmini.explore.race import Race, race
from d2lmini.explore.replay import record
from d2lmini.explore.shards import Shards, shards
from d2lmini.explore.slide import Slide
from d2lmini.explore.slider import Slider

__all__ = [
    'Noise',
    'Race',
    'Shards',
    'Slide',
    'Slider',
    'any_momentum',
    'eps',
    'family',
    'filter_stream',
    'folding',
    'noise',
    'race',
    'record',
    'running_mean',
    'shards',
]
