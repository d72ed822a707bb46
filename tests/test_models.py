"""The builders give the nets that the lecture writes out."""

import pytest
import torch
from torch import nn

from d2lmini import BatchNorm, lenet, mlp, torch_norm

LECTURE = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5), nn.BatchNorm2d(6), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5), nn.BatchNorm2d(16), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
    nn.Linear(256, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
    nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(),
    nn.Linear(84, 10),
)  # fmt: skip


def test_lenet_is_the_lectures() -> None:
    assert repr(lenet(torch_norm)) == repr(LECTURE)
    kept = [m for m in LECTURE if not isinstance(m, nn.BatchNorm1d)]
    plain = [m for m in kept if not isinstance(m, nn.BatchNorm2d)]
    assert repr(lenet()) == repr(nn.Sequential(*plain))


def test_both_norms_stand_in_the_same_places() -> None:
    net, torchs = lenet(BatchNorm), lenet(torch_norm)
    for mine, theirs in zip(net, torchs, strict=True):
        if isinstance(mine, BatchNorm):
            assert isinstance(theirs, nn.BatchNorm1d | nn.BatchNorm2d)
            assert mine.gamma.numel() == theirs.num_features
    assert net[1].gamma.shape == (1, 6, 1, 1)
    assert net[13].gamma.shape == (1, 84)
    assert net(torch.rand(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize('num_dims', [0, 1, 3, 5])
def test_torch_norm_refuses_other_dimensions(num_dims: int) -> None:
    with pytest.raises(ValueError, match=f'2 or 4, got {num_dims}'):
        torch_norm(3, num_dims)


def test_mlp_norms_and_activates_hidden_layers_only() -> None:
    net = mlp(784, 100, 50, 10, norm=torch_norm, activation=nn.ReLU)
    want = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 100), nn.BatchNorm1d(100), nn.ReLU(),
        nn.Linear(100, 50), nn.BatchNorm1d(50), nn.ReLU(),
        nn.Linear(50, 10),
    )  # fmt: skip
    assert repr(net) == repr(want)
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_mlp_without_hidden_layers_or_norm() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(5, 2))
    assert repr(mlp(5, 2)) == repr(flat)
    sigmoid = nn.Sequential(
        nn.Flatten(), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 2)
    )
    assert repr(mlp(5, 4, 2)) == repr(sigmoid)


@pytest.mark.parametrize('widths', [(), (784,)])
def test_mlp_needs_two_widths(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='input and the output width'):
        mlp(*widths)
