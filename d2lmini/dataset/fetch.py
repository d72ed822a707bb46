"""Fashion-MNIST from the cache, and into it from the network.

What is downloaded is checked in memory and then put into the cache whole, by
a rename.
"""

import errno
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np

from d2lmini.dataset.files import (
    FILES,
    Array,
    Arrays,
    DataError,
    check,
    mapped,
    parse,
    read,
)
from d2lmini.show.lang import tr

MIRRORS = (
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    'https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/',
)
TIMEOUT = (5.0, 10.0)  # seconds: to connect, and from one piece to the next
RAW = Path('FashionMNIST', 'raw')
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Mirrors -> why they failed: nobody waits for them twice in a process.
_failed: dict[tuple[str, ...], tuple[str, str]] = {}


def cache_folder() -> Path:
    """Return the folder that keeps what was downloaded or drawn.

    `$D2LMINI_CACHE`, else the system's place for a user's caches, or for
    files that do not last.
    """
    import platformdirs

    chosen = os.environ.get('D2LMINI_CACHE')
    if chosen:
        return expanded(chosen)
    try:
        return platformdirs.user_cache_path('d2lmini')
    except RuntimeError:  # there is no home
        return Path(gettempdir(), 'd2lmini')


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return the path with the home for ~, if there is such a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def from_cache(cache: Path) -> Arrays:
    """Read the data set from the cache; download what it lacks.

    The cache gets the files as `FashionMNIST/raw/...`, unpacked: reading
    those is faster, and torchvision finds them too. Where it can't be
    written, the data is used all the same and a line says so.
    """
    folder = cache / RAW
    arrays, faults = read(folder)
    missing = [name for name in FILES if name not in arrays]
    if missing:
        try:
            arrays |= _download(missing, folder)
        except DataError as e:
            reasons = [e, *faults]
            raise DataError(
                ''.join(reason.zh for reason in reasons),
                ' '.join(reason.en for reason in reasons),
            ) from e
    return tuple(arrays[name] for name in FILES)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path whose file takes `path`'s place when whole.

    It lies in a scratch folder beside `path` that goes away in any case; one
    that a killed process left is removed when it is a day old.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob('.d2lmini-*'):
        with suppress(OSError):  # another process may tidy at the same time
            if time.time() - left.stat().st_mtime > 24 * 60 * 60:
                shutil.rmtree(left)
    with TemporaryDirectory(
        prefix='.d2lmini-', dir=path.parent, ignore_cleanup_errors=True
    ) as scratch:
        temporary = Path(scratch) / path.name
        yield temporary
        temporary.replace(path)


def _download(names: Iterable[str], folder: Path) -> dict[str, Array]:
    """Fetch the files from the mirrors in turn and keep them in `folder`."""
    own = os.environ.get('D2LMINI_MIRROR')
    mirrors = (own, *MIRRORS) if own else MIRRORS
    if mirrors in _failed:
        raise DataError(*_failed[mirrors])
    print(tr('正在下载Fashion-MNIST……', 'Downloading Fashion-MNIST ...'))
    arrays: dict[str, Array] = {}
    trouble: OSError | None = None
    why: tuple[str, str] | None = None
    for mirror in mirrors:
        try:
            for name in names:
                if name not in arrays:
                    data = _fetch(f'{mirror.rstrip("/")}/{name}.gz', name)
                    trouble = trouble or _keep(folder / name, data)
                    arrays[name] = parse(data)
        except DataError as e:
            why = why or (e.zh, e.en)
        except OSError as e:
            why = why or _cause(e, mirror)
        else:
            if trouble:
                _say_not_kept(folder, trouble)
            return arrays
    _failed[mirrors] = why or (
        '下载源都连不上，或者没有回应。',
        'No mirror could be reached, or none answered in time.',
    )
    raise DataError(*_failed[mirrors])


def _fetch(url: str, name: str) -> Array:
    """Download one .gz and return its bytes, checked and unpacked.

    Raises OSError where nobody answers, DataError on a wrong answer.
    """
    from pooch import HTTPDownloader
    from tqdm import tqdm

    body = io.BytesIO()
    with tqdm(
        desc=name,
        total=1,  # pooch sets it, but asks before whether there is one
        unit='B',
        unit_scale=True,
        file=sys.stdout,
        leave=False,
    ) as bar:
        download = HTTPDownloader(bar, chunk_size=1 << 13, timeout=TIMEOUT)
        try:
            download(url, body, None)
        except OSError as e:  # all that requests raises is one
            if not body.tell() and getattr(e, 'response', None) is None:
                raise
            raise DataError(
                f'{url}没有给出完整的文件。',
                f'{url} did not give the whole file.',
            ) from e
    return check(np.frombuffer(body.getbuffer(), np.uint8), name, url)


def kept(name: str, unpack: Callable[[], Array]) -> Array:
    """Return a file's plain bytes, mapped from the cache if they can be.

    Two processes may do it at once: each puts the same whole file in place.
    """
    path = cache_folder() / RAW / name
    with suppress(OSError, DataError):  # to unpack takes longer
        return check(mapped(path), name, path)
    data = unpack()
    return data if _keep(path, data) else mapped(path)


def _cause(error: OSError, mirror: str) -> tuple[str, str] | None:
    """Say why nothing was asked of a mirror; None where nobody answered."""
    kind = type(error).__name__  # requests' own: to load it takes long
    if 'Proxy' in kind or 'SOCKS' in str(error):
        return (
            '代理用不了：检查HTTP_PROXY、HTTPS_PROXY和ALL_PROXY；'
            'socks代理还要装PySocks。',
            "The proxy can't be used: check HTTP_PROXY, HTTPS_PROXY and "
            'ALL_PROXY; a socks proxy also needs the package PySocks.',
        )
    if kind == 'SSLError':
        return (
            f'{mirror}的证书没有被接受：换一个镜像，'
            '或者把REQUESTS_CA_BUNDLE设为你的网络所用的证书文件。',
            f'The certificate of {mirror} was not accepted: take another '
            'mirror, or set REQUESTS_CA_BUNDLE to the file of certificates '
            'that your network uses.',
        )
    if 'TLS' in str(error):
        return (
            'REQUESTS_CA_BUNDLE或CURL_CA_BUNDLE指的证书文件不存在：改正它。',
            'REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file of '
            'certificates that does not exist: correct it.',
        )
    if kind not in ('MissingSchema', 'InvalidSchema', 'InvalidURL'):
        return None
    if mirror[:1] in '/\\.~' or mirror[1:2] == ':' or mirror[:5] == 'file:':
        return (
            f'D2LMINI_MIRROR要的是网址，{mirror}是文件夹：'
            '把D2LMINI_DATA设为它。',
            f'D2LMINI_MIRROR takes an address, but {mirror} is a folder: set '
            'D2LMINI_DATA to it.',
        )
    return (
        f'D2LMINI_MIRROR要以http://或https://开头，现在是{mirror}。',
        f'D2LMINI_MIRROR must start with http:// or https://, got {mirror}.',
    )


def _keep(path: Path, data: Array) -> OSError | None:
    """Write the file, or return the reason why it could not be written."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data.data)
    except OSError as e:
        return e
    return None


def _say_not_kept(folder: Path, trouble: OSError) -> None:
    full = trouble.errno in FULL
    zh = '磁盘已满' if full else '这里不能写入'
    en = 'the disk is full' if full else "it can't be written"
    print(
        tr(
            f'数据已经下载，可以使用，但没能存进{folder}：{zh}。'
            '下次还要再下载。把D2LMINI_CACHE设为另一个文件夹就能存下。',
            f'The data was downloaded and is used, but could not be kept in '
            f'{folder}: {en}. It will be downloaded again next time, unless '
            'D2LMINI_CACHE names another folder.',
        )
    )
