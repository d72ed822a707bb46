"""The images of lesson 07: few enough that a training takes a second."""

import os
from functools import lru_cache

from torch import Tensor

from d2lmini.data import load_data_fashion_mnist, quick

TRAIN, VALID = 5_000, 2_000  # images to train on, and to choose by
QUICK_TRAIN, QUICK_VALID = 1_000, 500
Pair = tuple[Tensor, Tensor]


def images() -> list[Pair]:
    """Return images to train on, to choose by and to test on.

    The first 5,000 training images, the last 2,000, all test images; in
    quick mode fewer.

    Returns
    -------
    list of three pairs: X (N, 1, 28, 28) in [0, 1], y (N,)
    """
    return _images(quick(), os.environ.get('D2LMINI_DATASET', ''))


@lru_cache(maxsize=1)
def _images(few: bool, _: str) -> list[Pair]:
    train, test = load_data_fashion_mnist(batch_size=256)
    num, valid = (QUICK_TRAIN, QUICK_VALID) if few else (TRAIN, VALID)
    pairs = (
        (train.images[:num], train.labels[:num]),
        (train.images[-valid:], train.labels[-valid:]),
        (test.images, test.labels),
    )
    return [(X.unsqueeze(1).float().div_(255), y.long()) for X, y in pairs]
