"""Print what pip would install on each system: python tools/resolve.py.

    python tools/resolve.py [--extras lab,test] [--only macOS]

Nothing is installed. pip's own options choose the wheels of another system
and another Python; its markers are told the same. environment.yml asks for
the same packages, which a test compares. Ends with 1 where a cell that should
resolve does not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = '3.10', '3.11', '3.12', '3.13'
LINUX = [f'manylinux_2_{n}_x86_64' for n in (34, 28, 27, 24, 17, 12, 5)]
# Wheels' platforms; os_name, sys_platform, platform_system, platform_machine.
SYSTEMS = {
    'Linux': ([*LINUX, 'manylinux2014_x86_64', 'linux_x86_64'],
              ('posix', 'linux', 'Linux', 'x86_64')),
    'macOS Intel': (['macosx_14_0_x86_64'],
                    ('posix', 'darwin', 'Darwin', 'x86_64')),
    'macOS Arm': (['macosx_14_0_arm64'],
                  ('posix', 'darwin', 'Darwin', 'arm64')),
    'Windows': (['win_amd64'], ('nt', 'win32', 'Windows', 'AMD64')),
}  # fmt: skip
# torch gave up Intel Macs before Python 3.13 came: conda-forge has it.
ABSENT = {('macOS Intel', '3.13')}
SHOWN = 'torch', 'numpy', 'matplotlib', 'jupyterlab'
PIP = """
import json, sys
from pip._vendor.packaging import markers
here = markers.default_environment() | json.loads(sys.argv.pop(1))
markers.default_environment = lambda: here
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def resolve(system: str, python: str, extras: str) -> dict[str, str] | str:
    """Return the version of each package, or pip's last words."""
    platforms, names = SYSTEMS[system]
    keys = 'os_name', 'sys_platform', 'platform_system', 'platform_machine'
    environment = dict(zip(keys, names, strict=True))
    environment |= {
        'python_version': python,
        'python_full_version': f'{python}.0',
        'platform_release': '',
    }
    abi = f'cp{python.replace(".", "")}'
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, 'report.json')
        run = subprocess.run(
            [
                sys.executable, '-c', PIP, json.dumps(environment),
                'install', '--dry-run', '--ignore-installed', '--quiet',
                '--no-build-isolation', '--only-binary=:all:',
                f'--python-version={python}', '--implementation=cp',
                *(f'--abi={each}' for each in (abi, 'abi3', 'none')),
                *(f'--platform={each}' for each in platforms),
                f'--target={folder}', f'--report={report}',
                f'{ROOT}[{extras}]',
            ],
            capture_output=True, encoding='utf8',
        )  # fmt: skip
        if run.returncode:
            lines = run.stderr.strip().splitlines() or ['']
            return next((x for x in lines if 'ERROR' in x), lines[-1])
        found = json.loads(report.read_text(encoding='utf8'))['install']
    pairs = (each['metadata'] for each in found)
    return {each['name']: each['version'] for each in pairs}


def row(system: str, python: str, found: dict[str, str] | str) -> str:
    """Return a line of the table."""
    if isinstance(found, str):
        mark = '-' if (system, python) in ABSENT else '✗'
        return f'| {system} | {python} | {mark} {found} |' + ' |' * len(SHOWN)
    shown = ' | '.join(found.get(name, '') for name in SHOWN)
    return f'| {system} | {python} | ✓ {len(found)} packages | {shown} |'


def main() -> int:
    """Print the table; return 1 where a cell is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--extras', default='lab,test')
    parser.add_argument('--only', default='', help='a part of the name')
    given = parser.parse_args()
    cells = [
        cell for cell in product(SYSTEMS, PYTHONS) if given.only in cell[0]
    ]
    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(lambda c: resolve(*c, given.extras), cells)]
    print(f'| system | Python | | {" | ".join(SHOWN)} |')
    print('|---' * (3 + len(SHOWN)) + '|')
    wrong = 0
    for cell, each in zip(cells, found, strict=True):
        print(row(*cell, each))
        wrong += isinstance(each, str) != (cell in ABSENT)
    return int(bool(wrong))


if __name__ == '__main__':
    sys.exit(main())
