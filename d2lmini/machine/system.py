"""Checks of the software and of the machine, a function each.

Each returns what it found, and what to do about it: None where all is fine.
An error that it does not expect may leave it.
"""

import platform
import re
import sys
from importlib import metadata

import torch

from d2lmini.device import try_gpu
from d2lmini.machine.memory import memory
from d2lmini.show.lang import Words
from d2lmini.show.notebook import in_notebook

ENOUGH = 1.5  # GB of free memory: a lesson's kernel grows to 1
GB = 2**30

Found = tuple[Words, Words | None]


def python() -> Found:
    """Look at Python's version."""
    version = platform.python_version()
    floor = metadata.metadata('d2lmini')['Requires-Python'].lstrip('>=')
    if _numbers(version) >= _numbers(floor):
        return (version, version), None
    return (version, version), (
        f'要{floor}或更新的：先装新的Python，再按README的“开始”重装课程。',
        f'It must be {floor} or newer: install a newer Python, then the '
        'course again, as README says under "Start".',
    )


def packages() -> Found:
    """Look at the versions of the packages that the course needs."""
    found, wrong = [], []
    for line in metadata.requires('d2lmini') or ():
        match = re.fullmatch(r'([\w-]+)>=([\d.]+)', line)
        if match is None:
            continue  # only an extra needs it
        name, floor = match.groups()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = '?'
        found.append(f'{name} {version}')
        if _numbers(version) < _numbers(floor):
            wrong.append(line)
    try:
        torch.zeros(1).numpy()
    except RuntimeError:  # as torch 2.2 and numpy 2, on Macs with Intel
        wrong.append('numpy<2')
    listed = ', '.join(found)
    return (listed, listed), _install(wrong) if wrong else None


def _numbers(version: str) -> list[int]:
    """Return the numbers of a release: '2.13.0+cpu' is [2, 13]."""
    release = re.sub(r'(\.0+)+$', '', version.split('+')[0])
    return [int(n) for n in re.findall(r'\d+', release)]


def _install(packages: list[str]) -> Words:
    """Say how to install packages where this kernel finds them."""
    pip = '%pip' if in_notebook() else f'"{sys.executable}" -m pip'
    quoted = ' '.join(f'"{package}"' for package in packages)
    return (
        f'缺少、太旧，或者合不来。运行`{pip} install {quoted}`，再重启内核。',
        f'Missing, too old, or unfit for each other. Run `{pip} install '
        f'{quoted}`, then restart the kernel.',
    )


def device() -> Found:
    """Look at what the lessons train on."""
    device = try_gpu()
    if device.type == 'cpu':
        n = torch.get_num_threads()
        zh, en = f'CPU，{n}个线程', f'CPU, {n} thread{"s" * (n > 1)}'
        if torch.backends.mps.is_available():
            zh += '；苹果的GPU也在，想试就用`torch.device("mps")`'
            en += '; also an Apple GPU: to try it, use `torch.device("mps")`'
        return (zh, en), None
    try:
        name = torch.cuda.get_device_name(device)
        torch.ones(8, 8, device=device).mm(torch.eye(8).to(device)).cpu()
    except RuntimeError as e:
        why = str(e).partition('\n')[0]
        return (f'GPU用不了：`{why}`', f"the GPU can't be used: `{why}`"), (
            '关掉占着GPU的程序；还不行，就把环境变量`CUDA_VISIBLE_DEVICES`'
            '设为`-1`，再启动JupyterLab，用CPU学。',
            'End other programs that use the GPU. If that does not help, set '
            '`CUDA_VISIBLE_DEVICES` to `-1` and start JupyterLab again: the '
            'CPU will do.',
        )
    return (f'GPU，{name}', f'GPU, {name}'), None


def free_memory() -> Found:
    """Look at the memory that is free."""
    free, total = (size / GB for size in memory())
    found = (
        f'空闲{free:.1f}GB，共{total:.1f}GB',
        f'{free:.1f} GB free of {total:.1f} GB',
    )
    if free >= ENOUGH:
        return found, None
    return found, (
        f'少于{ENOUGH}GB，训练时内核可能突然重启：关掉别的程序，'
        '在左边`Running Terminals and Kernels`里停掉用完的笔记本。',
        f'With less than {ENOUGH} GB the kernel may die while it trains: '
        'close other programs, and under `Running Terminals and Kernels` on '
        'the left shut down the notebooks that you are done with.',
    )


def widgets() -> Found:
    """Look at what a kernel can know of widgets: their packages."""
    try:
        import anywidget  # noqa: F401
        import comm  # noqa: F401
        import ipywidgets
    except ImportError as e:
        needed = 'ipywidgets>=8.1', 'anywidget>=0.9.13'
        return (f'`{e}`', f'`{e}`'), _install([*needed])
    name = f'ipywidgets {ipywidgets.__version__}'
    if not in_notebook():
        return (f'{name}，在笔记本里用', f'{name}, for notebooks'), None
    return (
        f'{name}。表格下面应当有一个滑块，拖动它，下面的话跟着变。'
        '没有滑块：重新载入网页，再运行；还没有，就在启动JupyterLab的'
        '环境里装`anywidget`',
        f'{name}. Under the table there should be a slider: move it, and the '
        'words below follow. If there is none, reload the page and '
        'run again; if that does not help, install `anywidget` where '
        'JupyterLab itself is installed',
    ), None
