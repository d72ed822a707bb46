"""Fashion-MNIST, or its drawn stand-in, as batches; and how to look at it."""

import copy
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from d2lmini.dataset.heap import return_large_pieces
from d2lmini.dataset.sources import SIZES, find
from d2lmini.show.figure import new_figure, show_figure
from d2lmini.show.lang import tr

QUICK_SIZES = (2_560, 1_000)
LABELS = [
    't-shirt', 'trouser', 'pullover', 'dress', 'coat',
    'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot',
]  # fmt: skip
Size = tuple[int, int]


class Batches:
    """Images and labels in batches, gone through as often as one likes.

    A batch is an index, a cast and, if asked, a resize; no worker processes.

    Parameters
    ----------
    images : uint8 Tensor (N, 28, 28)
    labels : uint8 Tensor (N,)
    batch_size : int; the last batch may be smaller
    dataset_name : str, 'Fashion-MNIST' or 'drawn garments'
    shuffle : bool
        Take a new order each time, from torch's global generator, so that
        `set_seed` fixes it.
    size : (height, width) in pixels, or None to leave the images as they are

    Yields
    ------
    X : float32 (B, 1, height, width) in [0, 1]
    y : int64 (B,)
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        dataset_name: str,
        *,
        shuffle: bool = False,
        size: Size | None = None,
    ) -> None:
        self.batch_size, self.dataset_name = batch_size, dataset_name
        self.images, self.labels = images, labels
        self._shuffle, self._size = shuffle, size

    @property
    def num_examples(self) -> int:
        """The number of images."""
        return len(self.images)

    def __len__(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        sequence = torch.randperm if self._shuffle else torch.arange
        order = sequence(self.num_examples).to(self.images.device)
        for start in range(0, self.num_examples, self.batch_size):
            index = order[start : start + self.batch_size]
            X = self.images.index_select(0, index).unsqueeze(1)
            y = self.labels.index_select(0, index)
            yield self._resized(X.float().div_(255)), y.long()

    def __repr__(self) -> str:
        return (
            f'Batches({self.dataset_name!r}, {self.num_examples} images, '
            f'{len(self)} batches of {self.batch_size})'
        )

    def to(self, device: torch.device | str) -> 'Batches':
        """Return the same batches, made and kept on a device."""
        moved = copy.copy(self)
        moved.images = self.images.to(device)
        moved.labels = self.labels.to(device)
        return moved

    def _resized(self, X: Tensor) -> Tensor:
        size = self._size
        if size is None:
            return X
        # Antialiasing changes nothing where an image grows, only the time:
        # nine times as long at 96 pixels.
        shrinks = size[0] < X.shape[2] or size[1] < X.shape[3]
        Y = interpolate(X, size, mode='bilinear', antialias=shrinks)
        return Y.clamp_(0, 1)  # rounding can go past 1


def quick() -> bool:
    """Tell whether `$D2LMINI_QUICK` asks for fewer images and epochs."""
    return os.environ.get('D2LMINI_QUICK', '') not in ('', '0')


def load_data_fashion_mnist(
    batch_size: int,
    resize: int | Size | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
) -> tuple[Batches, Batches]:
    """Find, fetch or draw the data set and return it as batches.

    找到、下载或生成数据集，返回成批的数据。

    Source: the book's helper of this name; shown in notebooks 03 and 04.
    Looked for in this order: `root`, `$D2LMINI_DATA`, the user's cache, the
    mirrors (`$D2LMINI_MIRROR` first); at last garments are drawn, and a
    banner says so. `$D2LMINI_DATASET` = `fashion-mnist`, `drawn` or `auto`
    forces one.

    Parameters
    ----------
    batch_size : int, at least 1
    resize : int or (height, width), pixels, or None for 28x28
    root : path of a folder that holds `FashionMNIST/raw` with the four files

    Returns
    -------
    train_iter, test_iter : Batches; the first in a new order each time

    Raises
    ------
    ValueError : an argument, or `$D2LMINI_DATASET`, is none of these
    DataError : a file in `root` or `$D2LMINI_DATA` is damaged, or
        `$D2LMINI_DATASET` is `fashion-mnist` and it could not be had
    """
    if not _positive(batch_size):
        raise ValueError(
            f'batch_size must be an int of at least 1, got {batch_size!r}'
        )
    size = _size(resize)
    train, test = sizes = QUICK_SIZES if quick() else SIZES
    return_large_pieces()
    name, (X, y, X_test, y_test) = find(root, sizes)
    if quick():
        _say_quick()
    make = functools.partial(
        Batches, batch_size=batch_size, dataset_name=name, size=size
    )
    return (
        make(X[:train], y[:train], shuffle=True),
        make(X_test[:test], y_test[:test]),
    )


def get_fashion_mnist_labels(labels: Iterable[Any]) -> list[str]:
    """Return the class names, as the book's helper of this name does.

    返回类别的名字，和书里的同名函数一样。

    Parameters
    ----------
    labels : Tensor, array or list of int in [0, 10)
    """
    return [LABELS[int(i)] for i in labels]


def show_images(
    imgs: Any,
    num_rows: int,
    num_cols: int,
    titles: Sequence[str] | None = None,
    scale: float = 1.5,
) -> np.ndarray:
    """Show images in a grid, as the book's helper of this name does.

    把图片排成网格，和书里的同名函数一样。

    Parameters
    ----------
    imgs : Tensor, array or list of images (H, W), (1, H, W) or (H, W, 3)
    num_rows, num_cols : int
    titles : list of str, one an image, or None
    scale : float, the width and height of an image in inches

    Returns
    -------
    array (num_rows * num_cols,) of matplotlib Axes
    """
    width, height = num_cols * scale, num_rows * scale
    fig, axes = new_figure(num_rows, num_cols, width, height)
    for ax in axes:
        ax.set_axis_off()
    for i, (ax, img) in enumerate(zip(axes, imgs, strict=False)):
        img = img.detach().cpu() if isinstance(img, Tensor) else img
        ax.imshow(np.squeeze(np.asarray(img)), cmap='gray')
        if titles:
            ax.set_title(titles[i], loc='center')
    shown = min(len(imgs), len(axes))
    names = f': {", ".join(titles[:shown])}' if titles else ''
    show_figure(fig, f'{shown} images{names}')
    return axes


def _positive(value: Any) -> bool:
    """Tell whether a value is a whole number of at least 1."""
    whole = isinstance(value, int | np.integer)
    return whole and not isinstance(value, bool) and value >= 1


def _size(resize: Any) -> Size | None:
    """Return (height, width), or None for the images as they are."""
    if resize is None:
        return None
    pair = (resize,) * 2 if np.ndim(resize) == 0 else tuple(resize)
    if len(pair) != 2 or not all(map(_positive, pair)):
        raise ValueError(
            'resize must be None, an int of at least 1 or a pair (height, '
            f'width) of such, got {resize!r}'
        )
    return int(pair[0]), int(pair[1])


@functools.cache
def _say_quick() -> None:
    """Say once a process that there are fewer images."""
    train, test = QUICK_SIZES
    print(
        tr(
            f'快速模式（D2LMINI_QUICK）：只用前{train}张训练图和前{test}张测试图。',
            f'Quick mode (D2LMINI_QUICK): only the first {train} images to '
            f'train on and {test} to test on.',
        )
    )
