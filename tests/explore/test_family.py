"""What the picture colours is what the layers pool."""

import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from d2lmini.explore import family
from d2lmini.explore.family import (
    CHINESE,
    IMAGE_AXES,
    IMAGES,
    TOKEN_AXES,
    TOKENS,
    group_sharing,
    rows_of,
    sharing,
)

PLACE, SPOT = (1, 2, 0, 1), (2, 1, 4)


class Turned(nn.Module):
    """A layer for channels in axis 1, on numbers whose last axis they are."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, X: Tensor) -> Tensor:
        """Return X normalized."""
        return self.layer(X.movedim(-1, 1)).movedim(1, -1)


class Across(Turned):
    """The other way round: a layer for the last axis, on channels in 1."""

    def forward(self, X: Tensor) -> Tensor:
        """Return X normalized."""
        return self.layer(X.movedim(1, -1)).movedim(-1, 1)


def touched(layer: nn.Module, shape: tuple[int, ...],
            place: tuple[int, ...]) -> Tensor:  # fmt: skip
    """Return which inputs an output depends on."""
    draw = torch.Generator().manual_seed(0)
    X = torch.randn(shape, generator=draw, dtype=torch.float64)
    X.requires_grad_()
    (grad,) = torch.autograd.grad(layer.double()(X)[place], X)
    return grad.abs() > 1e-12


@pytest.mark.parametrize(
    ('name', 'layer'),
    [
        ('batch', nn.BatchNorm2d(6)),
        ('layer, RMS', nn.LayerNorm((6, 2, 2))),
        ('layer over C only', Across(nn.LayerNorm(6))),
        ('instance', nn.InstanceNorm2d(6)),
    ],
)
def test_for_images_it_is_what_torchs_layers_pool(
    name: str, layer: nn.Module
) -> None:
    want = touched(layer, IMAGES, PLACE)
    assert torch.equal(sharing(IMAGES, PLACE, IMAGE_AXES[name]), want)


@pytest.mark.parametrize('groups', range(1, 7))
def test_groups_are_those_of_torch(groups: int) -> None:
    found = group_sharing(groups, PLACE)
    if 6 % groups:
        assert found is None
    else:
        want = touched(nn.GroupNorm(groups, 6), IMAGES, PLACE)
        assert found is not None and torch.equal(found, want)


@pytest.mark.parametrize(
    ('name', 'layer'),
    [
        ('batch', Turned(nn.BatchNorm1d(6))),
        ('layer, RMS', nn.LayerNorm(6)),
        ('group, 1 group', Turned(nn.GroupNorm(1, 6))),
    ],
)
def test_for_tokens_it_is_what_torchs_layers_pool(
    name: str, layer: nn.Module
) -> None:
    want = touched(layer, TOKENS, SPOT)
    assert torch.equal(sharing(TOKENS, SPOT, TOKEN_AXES[name]), want)


def test_sentences_stand_under_each_other_with_gaps() -> None:
    rows = rows_of(torch.ones(TOKENS))
    assert rows.shape == (14, 6)
    assert [i for i, row in enumerate(rows) if row.isnan().all()] == [4, 9]


@pytest.mark.parametrize('kind', ['images', 'tokens'])
def test_each_slider_moves_the_picture(kind: str) -> None:
    slide = family(kind)
    for name, slider in slide.sliders.items():
        before = slide.widget.frame
        end = slider.most if name == 'groups' else slider.least
        slide.move(**{name: end})
        assert slide.widget.frame['strokes'] != before['strokes'], name
    slide.rehearse()
    assert not slide.widget.trouble and not plt.get_fignums()


def test_the_caption_counts_and_says_where_no_layer_is() -> None:
    slide = family('images')
    assert all(f'{CHINESE[name]}归一化' in slide.draw()[0]
               for name in IMAGE_AXES)  # fmt: skip
    assert 'group 8' in slide.draw()[1]
    slide.move(groups=4)
    zh, en = slide.draw()
    assert '不能被4整除' in zh and 'not divisible by 4' in en


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be 'images' or 'tokens'"):
        family('sounds')
