"""Shards: the noise that it foretells is the one that random batches have."""

import pytest
import torch
from torch import nn

import d2lmini as d2l
from d2lmini.explore import Shards, shards


def net_and_images() -> tuple[nn.Module, torch.Tensor]:
    d2l.set_seed(0)
    net = d2l.lenet(d2l.BatchNorm)
    X = torch.rand(400, 1, 28, 28) * torch.rand(400, 1, 1, 1)
    return net, X


@pytest.mark.parametrize('n', [2, 8, 32])
def test_noise_is_that_of_random_batches(n: int) -> None:
    net, X = net_and_images()
    got = Shards(net, X).step(4, n)
    draw = torch.Generator().manual_seed(1)
    for images, foretold in ((n, got.own), (4 * n, got.pooled)):
        shares = []
        with torch.no_grad():
            Z = X
            for layer in net.eval():
                if isinstance(layer, d2l.BatchNorm):
                    dims = [d for d in range(Z.dim()) if d != 1]
                    at = torch.randint(len(Z), (600, images), generator=draw)
                    each = Z.flatten(2).mean(2) if Z.dim() > 2 else Z
                    means = each[at].mean(dim=1)  # (600, C)
                    shares.append(means.var(0) / Z.var(dims, correction=0))
                Z = layer(Z)
        seen = torch.cat(shares).mean().sqrt()
        assert seen == pytest.approx(foretold, rel=0.06)


def test_bytes_are_those_of_a_ring() -> None:
    costs = Shards(*net_and_images())
    step = costs.step(4, 1)
    assert costs.channels == 6 + 16 + 120 + 84
    # In a ring of 4 each quarter is passed on 3 times to be summed up and 3
    # times to be handed out.
    assert step.gradients == pytest.approx(6 * 4 * costs.numbers / 4)
    assert step.statistics == pytest.approx(6 * 4 * (4 * costs.channels) / 4)
    assert costs.step(1, 8).gradients == 0


def test_the_net_is_left_as_it_was() -> None:
    net, X = net_and_images()
    net.train()
    net[1].eval()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    Shards(net, X)
    assert [m.training for m in net][:2] == [True, False]
    for name, each in net.state_dict().items():
        assert torch.equal(each, before[name])
    assert not net[1]._forward_pre_hooks


@pytest.mark.parametrize(('workers', 'images'), [(0, 1), (65, 1), (2, 0)])
def test_other_numbers_are_refused(workers: int, images: int) -> None:
    with pytest.raises(ValueError, match='got'):
        Shards(*net_and_images()).step(workers, images)


def test_the_slide_says_what_the_function_says() -> None:
    costs = Shards(*net_and_images())
    slide = shards(costs)
    slide.move(workers=16, images=2)
    seen = costs.step(16, 2)
    for number in (f'{seen.own:.3f}', f'{seen.pooled:.3f}'):
        assert number in slide.widget.frame['zh']
        assert number in slide.widget.frame['en']
    slide.rehearse()
