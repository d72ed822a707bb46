"""Fashion-MNIST's four files: reading and checking them.

Nothing is used whose MD5 is not the known one.
"""

import hashlib
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d2lmini.show.lang import tr

Array = NDArray[np.uint8]
Arrays = tuple[Array, ...]
Keep = Callable[[str, Callable[[], Array]], Array]

# Name -> MD5 of the plain file and of the .gz, the latter as in torchvision.
FILES = {
    'train-images-idx3-ubyte': (
        'f4a8712d7a061bf5bd6d2ca38dc4d50a',
        '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
    ),
    'train-labels-idx1-ubyte': (
        '9018921c3c673c538a1fc5bad174d6f9',
        '25c81989df183df01b3e8a0aad5dffbe',
    ),
    't10k-images-idx3-ubyte': (
        '8181f5470baa50b63fa0f6fddb340f0a',
        'bef4ecab320f06d8554ea6380940ec79',
    ),
    't10k-labels-idx1-ubyte': (
        '15d484375f8d13e6eb1aabb0c3f46965',
        'bb300cfdad3c16e7a12a480ee83cd310',
    ),
}
# MNIST's files have the same names, and unpacked the same sizes.
MNIST = {
    '6bbc9ace898e44ae57da46a324031adb',
    'a25bea736e30d166cdddb491f175f624',
    '2646ac647ad5339dbf082846283269ea',
    '27ae3e4e09519cfbb04c329615203637',
    'f68b3c2dcbeaaa9fbdd348bbdeb94873',
    'd53e105ee54ea40749a09fcbcd1e9432',
    '9fb629c4189551a2d022fa330f9573f3',
    'ec29112dd5afa0611ce80d1b7f02629c',
}


class DataError(RuntimeError):
    """The data can't be used; says why in the reader's language.

    Parameters
    ----------
    zh, en : str, the same sentences in Chinese and in English
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.zh, self.en = zh, en

    def __str__(self) -> str:
        return tr(self.zh, self.en)


class AbsentError(DataError):
    """A folder does not hold the four files."""


def from_folder(folder: Path, keep: Keep | None = None) -> Arrays:
    """Read images and labels to train on, then to test on, from a folder.

    It holds `FashionMNIST/raw` or `raw` with the four files, or the files
    themselves, plain or .gz; where one is there in both forms, a sound one
    is enough. It is never written to. `keep` is given the name of what has
    to be unpacked and a function that does it; it returns the plain bytes.
    """
    for place in (folder / 'FashionMNIST' / 'raw', folder / 'raw', folder):
        arrays, faults = read(place, keep)
        if arrays or faults:
            break
    if faults:
        raise DataError(
            f'{faults[0].zh}换上完好的文件再运行；'
            '也可以不设root和D2LMINI_DATA，让它自动下载。',
            f'{faults[0].en} Put a sound copy in its place and run again, or '
            'leave out root and D2LMINI_DATA to have it downloaded.',
        )
    missing = ', '.join(name for name in FILES if name not in arrays)
    if missing:
        raise AbsentError(
            f'{folder}里没有{missing}，继续到别处找。',
            f'{folder} does not hold {missing}; looking elsewhere.',
        )
    return tuple(arrays[name] for name in FILES)


def read(
    folder: Path, keep: Keep | None = None
) -> tuple[dict[str, Array], list[DataError]]:
    """Return the sound files of the folder, and what is wrong with others."""
    with ThreadPoolExecutor(2) as pool:  # unpacking frees the interpreter
        read = pool.map(lambda name: _read_one(folder, name, keep), FILES)
        results = dict(zip(FILES, read, strict=True))
    arrays = {k: v for k, v in results.items() if isinstance(v, np.ndarray)}
    faults = [v for v in results.values() if isinstance(v, DataError)]
    return arrays, faults


def mapped(path: Path) -> Array:
    """Return a file's bytes, in memory that all who read it share.

    What is written to them stays in this process.
    """
    try:
        return np.memmap(path, np.uint8, 'c')
    except (ValueError, OSError):  # it is empty, or its disk maps nothing
        return np.fromfile(path, np.uint8)


def _read_one(
    folder: Path, name: str, keep: Keep | None
) -> Array | DataError | None:
    """Return the array, what is wrong with the file, or None without one."""
    fault: DataError | None = None
    for path in (folder / name, folder / f'{name}.gz'):
        try:
            return parse(check(mapped(path), name, path, keep))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as e:
            fault = DataError(
                f'{path}读不出来（{e.strerror}）。',
                f"{path} can't be read ({e.strerror}).",
            )
        except DataError as e:
            fault = e
    return fault


def check(
    data: Array, name: str, source: Path | str, keep: Keep | None = None
) -> Array:
    """Return a file's bytes, checked and unpacked, plain or .gz as it came."""
    plain, packed = FILES[name]
    digest = hashlib.md5(data.data, usedforsecurity=False).hexdigest()
    if digest == plain:
        return data
    if digest == packed:
        return keep(name, lambda: _unpack(data)) if keep else _unpack(data)
    if digest in MNIST:
        raise DataError(
            f'{source}是MNIST的文件，不是Fashion-MNIST的（两者的文件名一样）。',
            f"{source} is MNIST's file, not Fashion-MNIST's (the two share "
            'their file names).',
        )
    raise DataError(
        f'{source}已损坏，或者不是Fashion-MNIST的文件。',
        f"{source} is damaged, or not one of Fashion-MNIST's files.",
    )


def _unpack(data: Array) -> Array:
    size = int.from_bytes(data[-4:].tobytes(), 'little')  # of the plain
    unpacked = zlib.decompress(data.data, 31, size)
    return np.frombuffer(unpacked, np.uint8).copy()  # torch may write to it


def parse(data: Array) -> Array:
    """Return a plain idx file's numbers, (N, 28, 28) or (N,)."""
    num_dims = int(data[3])
    start = 4 + 4 * num_dims
    return data[start:].reshape(data[4:start].view('>u4'))
