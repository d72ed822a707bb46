"""Build the course as pages that need no Python and no network.

    python tools/site.py [NOTEBOOKS [SITE]]

From the saved notebooks, the glossary and README it makes a folder of HTML:
a page a lesson, with films in place of sliders over living computations.
"""

import shutil
import sys
from pathlib import Path

from site_pages import ROOT, Site
from site_prose import SiteError

LARGE = 1_000_000  # bytes of a page, its pictures included


def weights(files: dict[str, bytes]) -> dict[str, int]:
    """Return the bytes of each page with its pictures, by name."""
    found = {}
    for name in sorted(files):
        if name.endswith('.html'):
            html = files[name]
            own = (files[p] for p in files if f'src="{p}"'.encode() in html)
            found[name] = len(html) + sum(map(len, own))
    return found


def write(files: dict[str, bytes], folder: Path) -> None:
    """Write the files into a folder, in place of what an earlier build left.

    Parameters
    ----------
    files : dict of bytes, by relative path
    folder : Path

    Raises
    ------
    SiteError : the folder holds something, and no index.html: it is no site
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / 'index.html').exists():
            raise SiteError(f'{folder} is no site: name another folder')
        shutil.rmtree(folder)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def main(notebooks: str = 'notebooks', folder: str = 'build/site') -> None:
    """Build the site, and print what each page weighs."""
    readme = (ROOT / 'README.md').read_text(encoding='utf8')
    site = Site(Path(notebooks), readme)
    write(site.files, Path(folder))
    for name, weight in weights(site.files).items():
        note = '  too large' if weight > LARGE else ''
        print(f'{weight / 1e6:6.2f} MB  {name}{note}')
    print(f'{folder}/index.html is the first page.')


if __name__ == '__main__':
    try:
        main(*sys.argv[1:])
    except SiteError as e:
        sys.exit(f'{e}')
