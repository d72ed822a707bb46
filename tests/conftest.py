"""Every test starts with an empty home of its own and no language chosen."""

import signal

import pytest

# What takes long for its number of tests: a kernel, a browser, processes.
LONG = 'notebooks/', 'build/', 'tests/browser', 'tests/deploy', 'tests/workers'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no core is idle at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True, scope='session')
def interrupts() -> None:
    """Let SIGINT interrupt: what a script starts by `&` ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
