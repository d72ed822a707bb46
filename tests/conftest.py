"""Every test starts with an empty home of its own and no language chosen.

The browser tests of a file share a browser and a JupyterLab.
"""

from collections.abc import Iterator

import pytest
from lab import WAIT, Lab, quiet_page, running_browser, running_lab
from playwright.sync_api import BrowserContext, Page, expect


@pytest.fixture(autouse=True)
def own_places(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep the tests, and what they start, out of the reader's folders.

    Notebooks in the same run are not under this file and keep theirs.
    """
    home = tmp_path_factory.mktemp('home')
    for kind in ('cache', 'config'):
        monkeypatch.setattr(
            f'platformdirs.user_{kind}_path',
            lambda name, kind=kind: home / kind / name,
        )
        monkeypatch.setenv(f'XDG_{kind.upper()}_HOME', str(home / kind))
    monkeypatch.setenv('D2LMINI_CACHE', str(home / 'cache' / 'd2lmini'))
    monkeypatch.delenv('D2LMINI_LANG', raising=False)
    monkeypatch.setattr('d2lmini.show.lang._chosen', None)


@pytest.fixture(scope='module')
def context() -> Iterator[BrowserContext]:
    """Give a browser's context."""
    expect.set_options(timeout=WAIT)
    with running_browser() as browser:
        size = {'width': 1280, 'height': 1500}
        # One for all: what JupyterLab loads is kept from page to page.
        context = browser.new_context(viewport=size)
        context.set_default_timeout(WAIT)
        yield context


@pytest.fixture(scope='module')
def lab(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """Give a running JupyterLab, after the browser: no browser, no server."""
    with running_lab(tmp_path_factory.mktemp('lab')) as lab:
        yield lab


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Give an empty page whose console must stay free of errors."""
    with quiet_page(context) as page:
        yield page
