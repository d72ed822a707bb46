"""Each explorer draws the numbers of a pure function, over all its range."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from torch import Tensor, nn

import d2lmini as d2l
from d2lmini.explore import averages as explore
from d2lmini.explore import nets as explore_nets
from d2lmini.explore.averages import BATCHES, JUMP, filter_stream, running
from d2lmini.explore.nets import Noise, with_eps
from d2lmini.explore.replay import Record, bn_layers, record
from d2lmini.explore.slide import Slide

momenta = st.floats(0.001, 1)


def images(n: int = 40) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(2)
    X = torch.rand(n, 1, 28, 28, generator=draw)
    return X, torch.randint(10, (n,), generator=draw)


@pytest.fixture(scope='module')
def tape() -> Record:
    d2l.set_seed(0)
    net = d2l.lenet(d2l.torch_norm)
    data = [images()] * 4
    return record(net, data, data[:1], 2, 0.1, range(1, 9))[0]


@pytest.fixture(scope='module')
def slides(tape: Record) -> dict[str, Slide]:
    X, y = images()
    return {
        'running_mean': explore.running_mean(),
        'any_momentum': explore.any_momentum(tape, X, y, every=2),
        'eps': explore_nets.eps(tape, 8, X, y),
        'noise': explore_nets.noise(Noise(tape.copy(8, 0.1), X)),
    }


NAMES = ('running_mean', 'any_momentum', 'eps', 'noise')


# The filter


@settings(deadline=None, max_examples=40)
@given(momenta, st.integers(1, 256))
def test_the_filter_is_torchs_over_the_whole_range(
    momentum: float, batch_size: int
) -> None:
    seen = filter_stream(momentum, batch_size)
    layer = nn.BatchNorm1d(1, momentum=momentum).double()
    for mean in seen.means[:20]:
        layer(torch.tensor([[mean - 1], [mean + 1]], dtype=torch.float64))
    assert seen.running[19] == pytest.approx(layer.running_mean.item())
    assert len(seen.means) == len(seen.running) == BATCHES


@pytest.mark.parametrize('momentum', [0.001, 0.01, 0.1, 0.5, 1.0])
def test_the_half_life_is_when_half_the_jump_is_made_up_for(
    momentum: float,
) -> None:
    seen = filter_stream(momentum, 16)
    track = running([0.0] + [1.0] * 2000, momentum)[1:]
    assert track[seen.steps_to_half - 1] >= 0.5 - 1e-9
    assert seen.steps_to_half == 1 or track[seen.steps_to_half - 2] < 0.5
    assert seen.half_life <= seen.steps_to_half


def test_the_noise_is_near_the_formula() -> None:
    for momentum in (0.1, 0.3, 1.0):
        seen = filter_stream(momentum, 64)
        assert seen.noise == pytest.approx(seen.expected_noise, rel=0.15)


def test_more_examples_change_the_noise_alone() -> None:
    few, many = filter_stream(0.1, 4), filter_stream(0.1, 64)
    assert few.noise == pytest.approx(4 * many.noise, rel=1e-4)
    assert few.half_life == many.half_life and few.truth == many.truth
    assert few.truth[JUMP - 1] != few.truth[JUMP]


@pytest.mark.parametrize(
    ('momentum', 'batch_size', 'said'),
    [(0, 1, 'momentum'), (1.1, 1, 'momentum'), (0.1, 0, 'batch_size')],
)
def test_the_filter_tells_its_range(
    momentum: float, batch_size: int, said: str
) -> None:
    with pytest.raises(ValueError, match=f'^{said} must be '):
        filter_stream(momentum, batch_size)


# eps


@settings(deadline=None, max_examples=20)
@given(eps=st.floats(-10, 1).map(lambda power: 10**power))
def test_the_deviation_is_what_a_layer_does(eps: float) -> None:
    d2l.set_seed(0)
    net = d2l.lenet(d2l.torch_norm).eval()
    bn_layers(net)[0].running_var.copy_(torch.logspace(-8, 2, 6))
    seen = with_eps(eps, net, *images(4))
    layer = nn.BatchNorm2d(6, eps=eps).eval()
    layer.running_var.copy_(bn_layers(net)[0].running_var)
    one_sigma = seen.sigma[0].view(1, 6, 1, 1)
    out = layer(one_sigma).flatten()
    torch.testing.assert_close(seen.after[0], out.detach())
    assert 0 <= seen.accuracy <= 1
    assert all(layer.eps == 1e-5 for layer in bn_layers(net))


@pytest.mark.parametrize('eps', [0, -1, math.nan, math.inf])
def test_eps_tells_its_range(tape: Record, eps: float) -> None:
    with pytest.raises(ValueError, match='eps must be above 0'):
        with_eps(eps, tape.copy(8, 0.1), *images())


# Noise


@pytest.mark.parametrize('batch_size', [2, 3, 16, 255, 256])
def test_one_image_shakes_as_in_a_real_batch(
    tape: Record, batch_size: int
) -> None:
    net, (X, _) = tape.copy(8, 0.1), images()
    shaker = Noise(net, X, batches=3)
    seen = shaker.shake(batch_size, feature=5)
    features = net[:13](X)
    for row, ours in zip(shaker._order, seen.outputs, strict=True):
        batch = torch.cat([features[:1], features[1:][row[: batch_size - 1]]])
        layer = nn.BatchNorm1d(84)
        x_hat = layer(batch)[0, 5].item()
        assert ours.item() == pytest.approx(x_hat, abs=2e-3)


def test_the_noise_falls_with_the_root_of_the_batch() -> None:
    d2l.set_seed(0)
    net = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)
    )
    shaker = Noise(net, torch.randn(2000, 8))
    few, many = shaker.shake(16), shaker.shake(256)
    assert few.std / many.std == pytest.approx(4, rel=0.15)
    assert 0 <= many.flips <= few.flips <= 200


@pytest.mark.parametrize('batch_size', [1, 257])
def test_noise_tells_its_range(tape: Record, batch_size: int) -> None:
    shaker = Noise(tape.copy(8, 0.1), images()[0])
    with pytest.raises(ValueError, match=r'batch_size must be in \[2, 256\]'):
        shaker.shake(batch_size)


# The slides


@pytest.mark.parametrize('name', NAMES)
def test_each_slider_changes_the_picture_and_both_captions(
    slides: dict[str, Slide], name: str
) -> None:
    slide = slides[name]
    start = slide.values
    for key, slider in slide.sliders.items():
        seen = []
        for value in (slider.least, slider.most):
            slide.move(**{key: value})
            assert slide.widget.trouble == ''
            assert slide.draw()[0] != slide.draw()[1]
            seen.append(slide.widget.frame)
        for part in ('strokes', 'zh', 'en'):
            assert seen[0][part] != seen[1][part]
        slide.move(**start)


@pytest.mark.parametrize('name', NAMES)
def test_it_can_be_rehearsed_and_leaves_no_figure_open(
    slides: dict[str, Slide], name: str
) -> None:
    slides[name].rehearse()
    assert plt.get_fignums() == []
