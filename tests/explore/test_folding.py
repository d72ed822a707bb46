"""The gain is what torch folds a weight by, over the whole range."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from d2lmini.explore import folding
from d2lmini.explore.folding import STEPS, folded


def powers(least: int, most: int) -> st.SearchStrategy[float]:
    return st.floats(least, most).map(lambda power: 10**power)


@settings(deadline=None, max_examples=40)
@given(powers(-10, 2), powers(-8, 0), st.floats(-3, 3))
def test_the_gain_is_what_torch_folds_by(
    var: float, eps: float, gamma: float
) -> None:
    norm = nn.BatchNorm1d(1, eps=eps).double().eval()
    norm.running_var.fill_(var)
    norm.weight.data.fill_(gamma)
    layer = nn.Linear(1, 1).double().eval()
    layer.weight.data.fill_(1)
    want = fuse_linear_bn_eval(layer, norm).weight.item()
    seen = folded(var, eps, gamma)
    assert seen.gain == pytest.approx(want)
    assert abs(seen.gain) <= abs(seen.most) * (1 + 1e-9)


@pytest.mark.parametrize('var', [1e-9, 0.01, 1, 50])
def test_the_steps_are_those_that_rounding_leaves(var: float) -> None:
    seen = folded(var, 1e-5)
    weights = torch.tensor([seen.gain, 1.0], dtype=torch.float64)
    scale = weights.abs().max() / STEPS
    assert seen.steps == pytest.approx((weights / scale)[1].item())


def test_at_variance_0_eps_alone_is_left() -> None:
    seen = folded(0, 1e-4, 2)
    assert seen.gain == seen.most == pytest.approx(200)


@pytest.mark.parametrize(
    ('var', 'eps', 'said'),
    [
        (-1, 1e-5, 'var must be at least 0'),
        (math.nan, 1e-5, 'var must be at least 0'),
        (1, 0, 'eps must be above 0'),
        (1, math.inf, 'eps must be above 0'),
    ],
)
def test_it_tells_its_range(var: float, eps: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        folded(var, eps)


def test_each_slider_moves_picture_and_caption() -> None:
    slide = folding()
    slide.rehearse()
    for name, slider in slide.sliders.items():
        seen = []
        for value in (slider.least, slider.most):
            slide.move(**{name: value})
            seen.append(slide.widget.frame)
        for part in ('strokes', 'zh', 'en'):
            assert seen[0][part] != seen[1][part]
