"""The drawn garments: their form, their variation, and what nets make of it.

No picture is compared with a stored one: what is tested holds for any drawing
that may stand in for Fashion-MNIST.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import d2lmini as d2l
from d2lmini.data import Batches
from d2lmini.dataset import garments
from d2lmini.dataset.garments import draw_garments

CLASSES = range(10)
Drawn = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope='module')
def drawn() -> Drawn:
    return draw_garments(4_000, 1)


@pytest.fixture(scope='module')
def images(drawn: Drawn) -> np.ndarray:
    return drawn[0]


@pytest.fixture(scope='module')
def labels(drawn: Drawn) -> np.ndarray:
    return drawn[1]


# Form


@settings(max_examples=20, deadline=None, derandomize=True)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
def test_any_number_of_images_has_the_form_of_the_real_set(
    n: int, seed: int
) -> None:
    images, labels = draw_garments(n, seed)
    assert images.shape == (n, 28, 28) and labels.shape == (n,)
    assert images.dtype == labels.dtype == np.uint8
    assert np.ptp(np.bincount(labels, minlength=10)) <= 1


@pytest.mark.parametrize('n', [0, -3])
def test_no_images_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f'at least 1, got {n}'):
        draw_garments(n, 0)


def test_a_class_larger_than_a_chunk_is_drawn_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garments, 'CHUNK', 7)
    images, _ = draw_garments(200, 3)
    assert (images.max(axis=(1, 2)) > 0).all()
    assert len(np.unique(images, axis=0)) == 200


# Chance


def test_another_seed_gives_other_pictures() -> None:
    both = np.concatenate([draw_garments(99, 5)[0], draw_garments(99, 6)[0]])
    assert len(np.unique(both, axis=0)) == 198


def test_the_global_random_numbers_play_no_part() -> None:
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    first = draw_garments(50, 5)
    assert np.random.rand() == expected
    np.random.seed(1)
    assert all(map(np.array_equal, first, draw_garments(50, 5)))


def test_no_picture_comes_twice(images: np.ndarray) -> None:
    assert len(np.unique(images, axis=0)) == len(images)


def test_labels_come_mixed(labels: np.ndarray) -> None:
    follows_itself = (labels[1:] == labels[:-1]).mean()
    assert 0.05 < follows_itself < 0.15  # a tenth, in a good mixture


# Pictures


def test_the_ground_is_black_and_the_garment_light(
    images: np.ndarray,
) -> None:
    light = images > 60
    assert (images[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).mean() > 0.95
    assert (light.mean(axis=(1, 2)) > 0.03).all()
    assert (light.mean(axis=(1, 2)) < 0.8).all()
    assert images.max() > 200


def test_brightness_is_about_that_of_the_real_set(images: np.ndarray) -> None:
    assert 0.2 < images.mean() / 255 < 0.38
    assert 0.25 < images.std() / 255 < 0.45


def test_garments_lie_in_the_middle(images: np.ndarray) -> None:
    weight = images.sum(axis=(1, 2), dtype=float)
    rows = (images.sum(axis=2) @ np.arange(28.0)) / weight
    columns = (images.sum(axis=1) @ np.arange(28.0)) / weight
    assert 11 < rows.mean() < 17 and 11 < columns.mean() < 17


@pytest.mark.parametrize('label', CLASSES)
def test_images_of_a_class_differ_among_themselves(
    images: np.ndarray, labels: np.ndarray, label: int
) -> None:
    own = images[labels == label] / 255
    assert own.std(axis=0).mean() > 0.06


@pytest.mark.parametrize('label', CLASSES)
def test_a_class_has_its_own_mean_picture(
    images: np.ndarray, labels: np.ndarray, label: int
) -> None:
    means = means_of(images, labels)
    others = np.delete(means, label, axis=0)
    assert np.abs(others - means[label]).mean(axis=1).min() > 6


# Learning


def means_of(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each class's mean picture, (10, 784)."""
    flat = images.reshape(len(images), -1).astype(float)
    return np.stack([flat[labels == label].mean(axis=0) for label in CLASSES])


def nearest_mean(train: Drawn, test: Drawn) -> float:
    """Return the accuracy of the rule that takes the nearest mean picture."""
    images, labels = test
    flat = images.reshape(len(images), 1, -1)
    distance = np.square(flat - means_of(*train)).sum(axis=2)
    return float((distance.argmin(axis=1) == labels).mean())


def best_accuracy(net: nn.Module, train: Drawn, test: Drawn) -> float:
    """Return the best test accuracy of three short epochs."""
    batches = (
        Batches(*map(torch.from_numpy, each), 32, 'drawn')
        for each in (train, test)
    )
    return max(d2l.train_ch6(net, *batches, 3, 1.0, 'cpu').test_acc)


def test_batch_norm_learns_more_than_plain_and_than_mean_pictures(
    drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    test = draw_garments(1_000, 2)
    d2l.set_seed(0)
    with_norm = best_accuracy(d2l.lenet(d2l.torch_norm), drawn, test)
    plain = best_accuracy(d2l.lenet(), drawn, test)
    assert with_norm > plain + 0.2
    assert with_norm > nearest_mean(drawn, test) + 0.05
