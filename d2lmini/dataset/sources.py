"""Which data set is used, and what the reader is told about it."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from d2lmini.dataset.fetch import (
    RAW,
    cache_folder,
    expanded,
    from_cache,
    kept,
    replacing,
)
from d2lmini.dataset.files import (
    FILES,
    AbsentError,
    Arrays,
    DataError,
    from_folder,
    read,
)
from d2lmini.dataset.garments import VERSION, draw_garments
from d2lmini.show.lang import tr

REAL, DRAWN = 'Fashion-MNIST', 'drawn garments'
SIZES = (60_000, 10_000)  # images to train on and to test on
SEEDS = (1, 2)  # of the drawn ones

Tensors = tuple[Tensor, ...]


def find(
    root: str | os.PathLike[str] | None, sizes: tuple[int, int]
) -> tuple[str, Tensors]:
    """Return the name and the images of the data set that can be had.

    Looks in `root`, `$D2LMINI_DATA`, the cache and the network, and draws at
    last; `$D2LMINI_DATASET` forces one. Prints what the reader should know.

    Parameters
    ----------
    root : path of a folder, or None
    sizes : (int, int), how many images to draw if they must be drawn

    Returns
    -------
    'Fashion-MNIST' or 'drawn garments'; images (N, 28, 28) and labels (N,)
    to train on, then to test on, uint8, kept for the next call

    Raises
    ------
    ValueError : `$D2LMINI_DATASET` is none of its three values
    DataError : see `load_data_fashion_mnist`
    """
    wanted = _wanted()
    if wanted == 'drawn':
        print(
            tr(
                'D2LMINI_DATASET=drawn：使用程序画的服装图。',
                'D2LMINI_DATASET=drawn: garments drawn by code are used.',
            )
        )
        return DRAWN, _kept(_drawn, cache_folder(), sizes)
    for folder in (root, os.environ.get('D2LMINI_DATA')):
        if folder:
            try:
                place = expanded(folder)
                return REAL, _kept(from_folder, place, kept)
            except AbsentError as e:
                print(e)
    try:
        return REAL, _kept(from_cache, cache_folder())
    except DataError as reason:
        if wanted == 'fashion-mnist':
            raise _explained(
                'D2LMINI_DATASET=fashion-mnist要真实数据，但是没有找到。',
                'D2LMINI_DATASET=fashion-mnist asks for the real data, which '
                'was not found.',
                reason,
            ) from reason
        stand_in = (
            '注意：没有找到Fashion-MNIST，下面用程序画的服装图代替。',
            'Note: Fashion-MNIST was not found; garments drawn by code stand '
            'in for it.',
        )
        print(_explained(*stand_in, reason))
    return DRAWN, _kept(_drawn, cache_folder(), sizes)


def foresee() -> tuple[str, list[DataError]]:
    """Tell where `find` would look with success, by reading alone.

    Nothing is downloaded, drawn, kept or printed.

    Returns
    -------
    'drawn', 'folder' (`$D2LMINI_DATA`), 'cache' or 'download'; and what is
    wrong with the places that were looked at before

    Raises
    ------
    as `find`, where it does so without the network
    """
    if _wanted() == 'drawn':
        return 'drawn', []
    faults: list[DataError] = []
    given = os.environ.get('D2LMINI_DATA')
    if given:
        try:
            from_folder(expanded(given))
        except AbsentError as e:
            faults.append(e)
        else:
            return 'folder', faults
    arrays, damaged = read(cache_folder() / RAW)
    if len(arrays) == len(FILES):
        return 'cache', faults
    return 'download', faults + damaged


def _wanted() -> str:
    """Return what `$D2LMINI_DATASET` asks for, or 'auto'."""
    wanted = os.environ.get('D2LMINI_DATASET') or 'auto'
    if wanted not in ('fashion-mnist', 'drawn', 'auto'):
        raise ValueError(
            "D2LMINI_DATASET must be 'fashion-mnist', 'drawn' or 'auto', "
            f'got {wanted!r}'
        )
    return wanted


@functools.cache
def _kept(source: Callable[..., Arrays], *where: Any) -> Tensors:
    """Read a source once a process: later calls share its memory."""
    return tuple(torch.from_numpy(array) for array in source(*where))


def _drawn(cache: Path, sizes: tuple[int, int]) -> Arrays:
    """Draw garments; the full set is kept in the cache, where that works."""
    if sizes != SIZES:
        return _draw(sizes)
    path = cache / f'garments-{VERSION}.npz'
    try:
        with path.open('rb') as file, np.load(file) as drawn:
            return tuple(drawn[f'arr_{i}'] for i in range(4))
    except Exception:  # missing, or damaged in whatever way: draw anew
        arrays = _draw(sizes)
    try:
        with replacing(path) as temporary:
            np.savez(temporary, *arrays)
    except OSError:
        pass  # the cache can't be written: it will be drawn again
    return arrays


def _draw(sizes: tuple[int, int]) -> Arrays:
    train, test = map(draw_garments, sizes, SEEDS)
    return *train, *test


def _explained(zh: str, en: str, reason: DataError) -> DataError:
    """Return what happened, why, and what to do, in both languages."""
    return DataError(
        f'{zh}\n原因：{reason.zh}\n'
        '想用真实数据：连上网，重启内核，再运行一次；'
        '或者把四个文件放进一个文件夹，把D2LMINI_DATA设为它；'
        '或者把D2LMINI_MIRROR设为你连得上的镜像。',
        f'{en}\nWhy: {reason.en}\n'
        'To get the real data: connect to the network, restart the kernel '
        'and run again; or put the four files into a folder and set '
        'D2LMINI_DATA to it; or set D2LMINI_MIRROR to a mirror that you can '
        'reach.',
    )
