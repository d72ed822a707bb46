"""The browser tests of a file share a browser and a JupyterLab."""

from collections.abc import Iterator

import pytest
from lab import WAIT, Lab, quiet_page, running_browser, running_lab
from playwright.sync_api import BrowserContext, Page, expect


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
