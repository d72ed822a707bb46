"""Checks of where the data come from, and of what can be written."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from d2lmini.data import quick
from d2lmini.dataset.fetch import cache_folder
from d2lmini.dataset.files import AbsentError, DataError
from d2lmini.dataset.sources import foresee
from d2lmini.machine.system import Found
from d2lmini.show.lang import Words

SOURCES = {
    'folder': (
        'Fashion-MNIST，在`D2LMINI_DATA`指的文件夹里',
        'Fashion-MNIST, in the folder that `D2LMINI_DATA` names',
    ),
    'cache': (
        'Fashion-MNIST，在缓存`{cache}`里',
        'Fashion-MNIST, in the cache, `{cache}`',
    ),
    'download': (
        'Fashion-MNIST，第一次用到时下载，约30MB',
        'Fashion-MNIST, downloaded when first needed, about 30 MB',
    ),
    'drawn': (
        '程序画的服装图（`D2LMINI_DATASET=drawn`），数字会和课文里的不同',
        'garments drawn by code (`D2LMINI_DATASET=drawn`): your numbers will '
        'differ from the text',
    ),
}


def data() -> Found:
    """Look at which data set the lessons will get, and from where."""
    try:
        where, faults = foresee()
    except ValueError as e:
        return (f'`{e}`', f'`{e}`'), (
            '改正这个环境变量，再启动JupyterLab。',
            'Mend this environment variable and start JupyterLab again.',
        )
    except DataError as e:
        return (
            '`D2LMINI_DATA`里的数据不能用',
            "the data in `D2LMINI_DATA` can't be used",
        ), (e.zh, e.en)
    zh, en = (
        text.format(cache=_short(cache_folder())) for text in SOURCES[where]
    )
    if quick():
        zh += '；快速模式，图更少'
        en += '; quick mode, fewer images'
    if not faults:
        return (zh, en), None
    if isinstance(faults[0], AbsentError):
        todo = '检查`D2LMINI_DATA`。', 'Check `D2LMINI_DATA`.'
    else:
        todo = '用到时会重新下载。', 'It is downloaded anew when needed.'
    return (zh, en), (
        ''.join(fault.zh for fault in faults) + todo[0],
        ' '.join([*(fault.en for fault in faults), todo[1]]),
    )


def _short(path: Path) -> str:
    """Return the path with ~ for the home folder."""
    try:
        return f'~{os.sep}{path.relative_to(Path.home())}'
    except (ValueError, RuntimeError):  # it lies elsewhere, or no home
        return str(path)


def writing() -> Found:
    """Look at the folders that the course writes to."""
    refused = [
        (name, why, advice)
        for name, where, advice in WRITTEN
        if (why := _refusal(where))
    ]
    if not refused:
        return (
            '这个文件夹、缓存、设置都能写',
            'this folder, the cache and the settings can be written',
        ), None
    zh = '、'.join(f'{name[0]}`{why}`' for name, why, _ in refused)
    en = ', '.join(f'{name[1]} `{why}`' for name, why, _ in refused)
    return (f'不能写：{zh}', f"can't be written: {en}"), (
        ''.join(advice[0] for _, _, advice in refused),
        ' '.join(advice[1] for _, _, advice in refused),
    )


def _refusal(where: Callable[[], Path]) -> str:
    """Return why a folder can't be written to, or ''. It is not made."""
    path: Path | str = '.'
    try:
        path = where()
        above = (p for p in (path, *path.parents) if p.exists())
        there = next(above, path)
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b'x')  # a full disk takes a file, but nothing into it
    except (OSError, RuntimeError) as e:  # the latter: there is no home
        return f'{path}: {getattr(e, "strerror", None) or e}'
    return ''


def _settings() -> Path:
    import platformdirs

    return platformdirs.user_config_path('d2lmini')


WRITTEN: tuple[tuple[Words, Callable[[], Path], Words], ...] = (
    (
        ('这个文件夹', 'this folder'),
        Path.cwd,
        (
            '你改的课文存不下来：把课程复制到自己的文件夹里再打开。',
            'Your changes to a lesson are not saved: copy the course to a '
            'folder of your own and open it there.',
        ),
    ),
    (
        ('缓存', 'the cache'),
        cache_folder,
        (
            '数据每次都要重新下载：把`D2LMINI_CACHE`设为能写的文件夹。',
            'The data are downloaded each time: set `D2LMINI_CACHE` to a '
            'folder that can be written to.',
        ),
    ),
    (
        ('设置', 'the settings'),
        _settings,
        (
            '换一课就要再选一次语言，别的不受影响。',
            'The language is chosen anew in each lesson; nothing else is '
            'affected.',
        ),
    ),
)
