"""How much memory there is, and how much of it is free."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

GROUPS, OWN = Path('/sys/fs/cgroup'), Path('/proc/self/cgroup')


def memory() -> tuple[int, int]:
    """Return the free memory and the whole of it in bytes.

    In a container with a limit, what is left below it, and the limit.
    """
    whole = psutil.virtual_memory()
    free, total = whole.available, whole.total
    for left, limit in _of_the_containers():
        free, total = min(free, left), min(total, limit)
    return free, total


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
