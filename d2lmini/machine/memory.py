"""How much memory there is, and how much of it is free."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GROUPS, OWN = Path('/sys/fs/cgroup'), Path('/proc/self/cgroup')


def memory() -> tuple[int | None, int | None]:
    """Return the free memory and the whole of it in bytes, None if unknown.

    In a container with a limit, what is left below it, and the limit.
    """
    free, total = _of_the_machine()
    for left, limit in _of_the_containers():
        free = left if free is None else min(free, left)
        total = limit if total is None else min(total, limit)
    return free, total


def _of_the_machine() -> tuple[int | None, int | None]:
    if sys.platform == 'win32':
        import ctypes

        # MEMORYSTATUSEX: its own size, the whole, what is free, and others
        status = (ctypes.c_uint64 * 8)(64)
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return status[2] or None, status[1] or None
    with suppress(OSError, KeyError):
        lines = Path('/proc/meminfo').read_text()
        kib = dict(re.findall(r'^(\w+): +(\d+) kB', lines, re.M))
        return 1024 * int(kib['MemAvailable']), 1024 * int(kib['MemTotal'])
    with suppress(OSError, ValueError):  # macOS does not say what is free
        return None, os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return None, None


def _of_the_containers() -> Iterator[tuple[int, int]]:
    """Yield what is left, and the limit, of each control group around us."""
    with suppress(OSError):
        for line in OWN.read_text().splitlines():
            _, kinds, path = line.split(':', 2)
            if not kinds:  # version 2
                names = ('memory.max', 'memory.current')
                group = GROUPS / path.strip('/')
            elif 'memory' in kinds.split(','):  # version 1
                names = ('memory.limit_in_bytes', 'memory.usage_in_bytes')
                group = GROUPS / 'memory' / path.strip('/')
            else:
                continue
            # A container may not see its own group under that path, but it
            # sees it further up.
            for folder in (group, *group.parents):
                with suppress(OSError, ValueError):  # none here, or "max"
                    limit, used = (
                        int((folder / name).read_text()) for name in names
                    )
                    yield max(0, limit - used + _cached(folder)), limit


def _cached(group: Path) -> int:
    """Return the bytes of files that the group keeps and may drop."""
    stat = (group / 'memory.stat').read_text()
    sizes = re.findall(r'^(?:total_)?inactive_file (\d+)$', stat, re.M)
    return max(map(int, sizes), default=0)
