"""A real JupyterLab in a real browser, for the tests that look at pages.

Nothing of the user's is read or written: the server has a home folder of its
own, and with it settings, workspaces and d2lmini's remembered language.
"""

import json
import os
import secrets
import shutil
import site
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import nbformat
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    sync_playwright,
)

CHROMIUM = ('chromium', 'chromium-browser', 'google-chrome')
# As `make lab` starts it.
SETTINGS = Path(__file__).parents[2] / 'deploy' / 'jupyterhub'
WAIT = 60_000  # ms, for what takes a second on a machine with nothing to do
START = 90  # seconds a server may take to start, at most
# The server ends when its standard input does: however the tests end, killed
# or not, it goes with them, and the kernels with it.
SERVER = """
import os, signal, sys, threading
from jupyterlab.labapp import main

def end_with_the_tests():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_the_tests, daemon=True).start()
main()
"""
KERNEL_IS_READY = """name => {
  const shown = [...jupyterapp.shell.widgets('main')];
  const panel = shown.find(e => e.context?.path === name);
  return panel?.sessionContext.session?.kernel?.status === 'idle';
}"""
# A cell that ran has a number; one that runs or waits has a star.
ALL_HAVE_RUN = """id => {
  const panel = document.getElementById(id);
  return [...panel.querySelectorAll('.jp-CodeCell')].every(
    cell => /\\d/.test(cell.querySelector('.jp-InputPrompt')?.textContent)
  );
}"""


class Lab:
    """A running JupyterLab.

    Parameters
    ----------
    root : folder of the notebooks
    url, token : of the server
    """

    def __init__(self, root: Path, url: str, token: str) -> None:
        self.root, self.url, self.token = root, url, token

    def write(self, name: str, *cells: Any) -> str:
        """Write a notebook of the cells and return its name."""
        kernel = {'name': 'python3', 'display_name': 'Python 3'}
        book = nbformat.v4.new_notebook(
            cells=list(cells), metadata={'kernelspec': kernel}
        )
        nbformat.write(book, self.root / name)
        return name

    def open(self, page: Page, name: str) -> 'Notebook':
        """Open a notebook in a fresh JupyterLab page."""
        page.goto(f'{self.url}lab/tree/{name}?reset&token={self.token}')
        return Notebook(page, name)


class Notebook:
    """A notebook that a page shows.

    Attributes
    ----------
    panel : Locator of the notebook with its toolbar
    """

    def __init__(self, page: Page, name: str) -> None:
        self.page, self.name = page, name
        tab = page.get_by_role('tab', name=name)
        tab.wait_for()
        # A tab's data-id is the id of the panel that it shows.
        self._id = tab.get_attribute('data-id')
        self.panel = page.locator(f'[id="{self._id}"]')
        self.cell(0).wait_for()

    def beside(self, name: str) -> 'Notebook':
        """Open another notebook to the right of this one."""
        self._command(
            'docmanager:open', path=name, options={'mode': 'split-right'}
        )
        return Notebook(self.page, name)

    def cell(self, i: int) -> Locator:
        """Return the cell of that number, from 0."""
        return self.panel.locator('.jp-Notebook .jp-Cell').nth(i)

    def run(self, *, wait: bool = True) -> 'Notebook':
        """Run all cells, as the menu does."""
        self.page.wait_for_function(KERNEL_IS_READY, arg=self.name)
        self._command('notebook:run-all-cells')
        if wait:
            self.wait()
        return self

    def run_again(self) -> None:
        """Run all cells once more."""
        self.page.evaluate(
            'jupyterapp.commands.execute("notebook:run-all-cells")'
        )
        self.wait()

    def save_and_shut_down(self) -> None:
        """Save the notebook and end its kernel."""
        for name in ('docmanager:save', 'kernelmenu:shutdown'):
            self.page.evaluate(
                'name => jupyterapp.commands.execute(name)', name
            )

    def wait(self) -> None:
        """Wait until no cell is running or waiting for its turn."""
        self.page.wait_for_function(ALL_HAVE_RUN, arg=self._id)

    def press(self, button: str) -> None:
        """Press a button that a cell shows."""
        self.panel.get_by_role('button', name=button, exact=True).click()

    def stop(self) -> None:
        """Press JupyterLab's stop button."""
        name = 'notebook:interrupt-kernel'
        self.panel.locator(f'[data-command="{name}"]').first.click()

    def _command(self, name: str, **args: Any) -> None:
        # Not awaited: some commands end only when all cells have run.
        self.page.evaluate(
            '([name, args]) => { jupyterapp.commands.execute(name, args) }',
            [name, args],
        )


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Run a JupyterLab on a free port of this machine.

    Parameters
    ----------
    folder : an empty folder, for all that the server writes
    """
    root, home, token = folder / 'root', folder / 'home', secrets.token_hex()
    settings = home / '.jupyter/lab/user-settings/@jupyterlab'
    news = settings / 'apputils-extension/notification.jupyterlab-settings'
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    root.mkdir()
    flags = [
        '--no-browser',
        '--allow-root',
        '--ServerApp.ip=127.0.0.1',
        f'--ServerApp.port={_free_port()}',
        f'--ServerApp.root_dir={root}',
        '--LabApp.expose_app_in_browser=True',  # window.jupyterapp
    ]
    with (
        (folder / 'log').open('w') as log,
        subprocess.Popen(
            [sys.executable, '-c', SERVER, *flags],
            env=_environment(home, folder / 'cache', token),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        ) as server,
    ):
        try:
            url = _address(server, home, folder / 'log')
            yield Lab(root, url, token)
        finally:
            server.stdin.close()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a headless Chromium, the system's own before playwright's."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        named = os.environ.get('D2LMINI_CHROMIUM')
        found = [named, *map(shutil.which, CHROMIUM), own]
        path = next((p for p in found if p and Path(p).exists()), None)
        if path is None:
            say = (
                'no browser: install Chromium, name one in $D2LMINI_CHROMIUM, '
                "or run 'python -m playwright install chromium'"
            )
            need = os.environ.get('D2LMINI_NEED_BROWSER')
            (pytest.fail if need else pytest.skip)(say)
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def quiet_page(context: BrowserContext) -> Iterator[Page]:
    """Give an empty page; its console may show no error."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == 'error':
            errors.append(message.text)

    page = context.new_page()
    page.on('console', note)
    page.on('pageerror', lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def _environment(home: Path, cache: Path, token: str) -> dict[str, str]:
    own = ('D2LMINI_', 'JUPYTER', 'IPYTHON', 'XDG_', 'MPL')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    return {
        **kept,
        'HOME': str(home),
        'PYTHONUSERBASE': site.getuserbase(),  # packages installed there
        'JUPYTER_TOKEN': token,
        'JUPYTER_CONFIG_PATH': str(SETTINGS),
        'OMP_NUM_THREADS': '1',
        'D2LMINI_DATASET': 'drawn',
        'D2LMINI_CACHE': str(cache),
    }


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return int(s.getsockname()[1])


def _address(server: 'subprocess.Popen[bytes]', home: Path, log: Path) -> str:
    """Wait for the server and return the address that it really has."""
    end = monotonic() + START
    while monotonic() < end and server.poll() is None:
        for note in home.rglob(f'jpserver-{server.pid}.json'):
            with suppress(ValueError):  # half written
                return str(json.loads(note.read_text())['url'])
        with suppress(subprocess.TimeoutExpired):  # still starting
            server.wait(0.1)
    raise RuntimeError(f'JupyterLab did not start:\n{log.read_text()[-2000:]}')
