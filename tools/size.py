"""Print the course's lines by room: python tools/size.py.

Every line of a .py file counts. The core and the package have a budget, a
file has none. Ends with 1 where a budget is passed.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUDGETS = {'core': 1_600, 'package': 13_110}


def lines(root: Path) -> dict[str, int]:
    """Return the lines of the core, of each room, the package and the tests.

    Parameters
    ----------
    root : the course's folder
    """

    def total(folder: Path, pattern: str) -> int:
        return sum(
            len(path.read_text(encoding='utf8').splitlines())
            for path in folder.rglob(pattern)
        )

    package = root / 'd2lmini'
    rooms = {
        path.parent.name: total(path.parent, '*.py')
        for path in sorted(package.glob('*/__init__.py'))
    }
    whole = total(package, '*.py')
    core = {'core': whole - sum(rooms.values())}
    tests = total(root / 'tests', '*.py')
    return core | rooms | {'package': whole, 'tests': tests}


def report(found: dict[str, int]) -> tuple[str, bool]:
    """Return the lines as a table, and whether all budgets are kept."""
    told = ''
    for name, number in found.items():
        budget = BUDGETS.get(name)
        told += f'{name:10}{number:7,}'
        if budget:
            told += f' of {budget:,}' + '  too many' * (number > budget)
        told += '\n'
    return told, all(found[name] <= most for name, most in BUDGETS.items())


if __name__ == '__main__':
    text, kept = report(lines(ROOT))
    print(text, end='')
    sys.exit(not kept)
