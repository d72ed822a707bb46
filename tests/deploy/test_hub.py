"""A real hub on this machine: two students, one data folder."""

import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import mirror
import pytest
import requests

DEPLOY = Path(__file__).parents[2] / 'deploy' / 'jupyterhub'
CONFIG = DEPLOY / 'jupyterhub_config.py'
GOOD = mirror.tiny(1)
RAW = Path('FashionMNIST', 'raw')
WAIT = 120  # seconds, for what takes five on a machine with nothing to do
STUDENTS = ('ann', 'bo')
# A teacher's file: the shipped one, and who may log in. The servers run as
# whoever runs the tests; students of a real hub are users of the system.
TEACHERS = """
c = get_config()
load_subconfig({config!r})
c.JupyterHub.bind_url = 'http://127.0.0.1:{port}'
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{api_port}'
c.JupyterHub.authenticator_class = 'dummy'
c.Authenticator.allowed_users = {{'ann', 'bo'}}
c.JupyterHub.spawner_class = 'simple'
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.args = [*c.Spawner.args, '--allow-root']
"""
# The hub ends when its standard input does: however the tests end, it goes
# with them, and ends its proxy and the students' servers itself.
HUB = """
import os, signal, sys, threading
from jupyterhub.app import main

def end_with_the_tests():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_the_tests, daemon=True).start()
main()
"""
# What a student runs: the tiny set stands for the real one.
CODE = f"""
import json, os, sys
import d2lmini as d2l
from d2lmini.dataset import files
files.FILES.update({mirror.sums(GOOD)!r})
train_iter, test_iter = d2l.load_data_fashion_mnist(4)
train_iter.images.zero_()  # this student's own copy alone
maps = open('/proc/self/maps').read() if sys.platform == 'linux' else None
print('found', json.dumps([train_iter.dataset_name, train_iter.num_examples,
                           int(test_iter.images.sum()), os.environ['HOME'],
                           maps]))
"""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(('127.0.0.1', 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(done: Any, hub: Any) -> Any:
    """Ask again and again until there is an answer, or tell the hub's log."""
    end = monotonic() + WAIT
    while monotonic() < end and hub.process.poll() is None:
        answer = done()
        if answer:
            return answer
        with suppress(subprocess.TimeoutExpired):
            hub.process.wait(0.1)
    raise AssertionError(hub.log.read_text()[-4000:])


def settings(data: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load the shipped file as the hub does, with a data folder."""
    from traitlets.config import Config

    monkeypatch.setenv('D2LMINI_DATA', str(data))
    found = Config()
    runpy.run_path(str(CONFIG), {'get_config': lambda: found})
    return found


# Without a hub


def test_it_listens_on_this_machine_and_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.write(tmp_path / RAW, GOOD)
    c = settings(tmp_path, monkeypatch)
    assert c.JupyterHub.bind_url.startswith('http://127.0.0.1:')
    assert not c.Authenticator and 'hub_ip' not in c.JupyterHub
    assert 'authenticator_class' not in c.JupyterHub
    assert c.Spawner.environment['D2LMINI_DATA'] == str(tmp_path)


@pytest.mark.parametrize('held', [{}, mirror.packed(GOOD)])
def test_data_that_cannot_be_shared_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: mirror.Files
) -> None:
    mirror.write(tmp_path / RAW, held)
    with pytest.raises(SystemExit, match='gunzip --keep'):
        settings(tmp_path, monkeypatch)


def test_the_server_of_a_student_does_not_load_torch() -> None:
    """It would cost 250 MB a student, for a class that sets one flag."""
    code = (
        'import runpy, sys\n'
        'from types import SimpleNamespace as Names\n'
        'c = Names(ServerApp=Names())\n'
        f'path = {str(DEPLOY / "jupyter_server_config.py")!r}\n'
        'runpy.run_path(path, {"get_config": lambda: c})\n'
        'print(c.ServerApp.kernel_websocket_connection_class.__name__,'
        ' "torch" in sys.modules)'
    )
    ran = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert ran.stdout.split() == ['Prompt', 'False'], ran.stderr


@pytest.mark.skipif(sys.platform != 'linux', reason='hubs run on Linux')
def test_a_student_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.write(tmp_path / 'data' / RAW, GOOD)
    c = settings(tmp_path / 'data', monkeypatch)
    shell, flag, script, zero, source, server = c.Spawner.cmd
    assert Path(source).samefile(DEPLOY.parents[1] / 'notebooks')
    assert Path(server).name == 'jupyterhub-singleuser'
    shipped = tmp_path / 'shipped'
    shipped.mkdir()
    home = tmp_path / 'home'
    home.mkdir()

    def start() -> dict[str, str]:
        command = [shell, flag, script, zero, f'{shipped}/.', 'pwd']
        subprocess.run(command, env={**os.environ, 'HOME': str(home)})
        return {p.name: p.read_text() for p in (home / 'd2lmini').iterdir()}

    (shipped / '1').write_text('lesson')
    (shipped / '1').chmod(0o444)
    assert start() == {'1': 'lesson'}
    assert (home / 'd2lmini' / '1').stat().st_mode & 0o200
    (home / 'd2lmini' / '1').write_text('mine')
    (shipped / '2').write_text('new')
    assert start() == {'1': 'mine', '2': 'new'}


# With one


@pytest.fixture(scope='module')
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run a hub whose data folder may not be written."""
    # Node's proxy where a machine has it, else the one of the tests' own
    # environment, which does all that is asked of it here.
    found = f'{os.environ["PATH"]}{os.pathsep}{Path(sys.executable).parent}'
    proxy = shutil.which('configurable-http-proxy', path=found)
    if not (find_spec('jupyterhub') and proxy):
        say = 'needs jupyterhub and configurable-http-proxy'
        (pytest.fail if os.environ.get('D2LMINI_NEED_HUB') else pytest.skip)(
            say
        )
    folder = tmp_path_factory.mktemp('hub')
    raw = mirror.write(folder / 'data' / RAW, GOOD)
    for path in (*raw.iterdir(), raw):
        path.chmod(0o555 if path == raw else 0o444)
    port, hub_port, api_port = free_ports(3)
    homes = folder / 'homes'
    homes.mkdir()
    (folder / 'jupyterhub_config.py').write_text(
        TEACHERS.format(
            config=str(CONFIG),
            port=port,
            hub_port=hub_port,
            api_port=api_port,
            homes=f'{homes}/{{username}}',
        )
    )
    own = ('D2LMINI_', 'JUPYTER', 'IPYTHON', 'XDG_', 'CONFIGPROXY')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    kept['PATH'] = found
    with (
        (folder / 'log').open('w') as log,
        subprocess.Popen(
            [sys.executable, '-c', HUB],
            cwd=folder,
            env={**kept, 'D2LMINI_DATA': str(folder / 'data')},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        hub = SimpleNamespace(
            url=f'http://127.0.0.1:{port}',
            homes=homes,
            raw=raw,
            process=process,
            log=folder / 'log',
        )
        try:
            until(lambda: answers(hub), hub)
            yield hub
        finally:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)


def answers(hub: Any) -> bool:
    try:
        return requests.get(f'{hub.url}/hub/login', timeout=WAIT).ok
    except requests.ConnectionError:
        return False


class Student:
    """A student's browser.

    Attributes
    ----------
    page : str, the address at which the student ends after logging in
    """

    def __init__(self, hub: Any, name: str) -> None:
        self.hub, self.name = hub, name
        self.url = f'{hub.url}/user/{name}'
        self.session = requests.Session()
        self.session.get(f'{hub.url}/hub/login')
        self.session.post(
            f'{hub.url}/hub/login',
            {'username': name, 'password': 'x', '_xsrf': self._token('/hub/')},
        )

    def arrive(self) -> str:
        """Wait for the student's server; return the page it opens."""

        def there() -> str | None:
            answer = self.session.get(f'{self.url}/')
            started = answer.ok and answer.url.startswith(f'{self.url}/lab')
            return answer.url.partition('?')[0] if started else None

        return until(there, self.hub)

    def get(self, path: str) -> requests.Response:
        """Ask the student's server, or another's by its whole address."""
        return self.session.get(
            path if path.startswith('http') else f'{self.url}/api/{path}'
        )

    def run(self, code: str) -> str:
        """Run code in a new kernel and return what it prints."""
        import websocket

        made = self.session.post(
            f'{self.url}/api/kernels',
            headers={'X-XSRFToken': self._token(f'/user/{self.name}/')},
            json={'path': '00_start_here.ipynb'},  # as JupyterLab says it
        )
        address = f'{self.url}/api/kernels/{made.json()["id"]}/channels'
        asked = self.session.prepare_request(requests.Request('GET', address))
        message = {
            'channel': 'shell',
            'header': {
                'msg_id': 'ours',
                'msg_type': 'execute_request',
                'username': self.name,
                'session': 'ours',
                'version': '5.3',
            },
            'parent_header': {},
            'metadata': {},
            'content': {'code': code, 'silent': False},
        }
        socket = websocket.create_connection(
            address.replace('http', 'ws', 1),
            cookie=asked.headers['Cookie'],
            timeout=WAIT,
        )
        try:
            socket.send(json.dumps(message))
            return ''.join(told(socket))
        finally:
            socket.close()

    def _token(self, path: str) -> str:
        (token,) = (
            cookie.value
            for cookie in self.session.cookies
            if (cookie.name, cookie.path) == ('_xsrf', path)
        )
        return token


def told(socket: Any) -> Iterator[str]:
    """Yield what a kernel says until it has run our code."""
    while True:
        message = json.loads(socket.recv())
        if message['parent_header'].get('msg_id') != 'ours':
            continue
        content = message['content']
        # The reply comes by another way, and may be here before the words.
        if content.get('execution_state') == 'idle':
            return
        yield content.get('text', '')
        yield '\n'.join(content.get('traceback', ()))


def test_two_students(hub: Any) -> None:
    students = [Student(hub, name) for name in STUDENTS]  # both start at once
    for student in students:
        assert (
            student.arrive() == f'{student.url}/lab/tree/00_start_here.ipynb'
        )
        lessons = hub.homes / student.name / 'd2lmini'
        (lessons / 'own.txt').write_text(student.name)
        assert os.access(lessons / '00_start_here.ipynb', os.W_OK)
        listed = {e['name'] for e in student.get('contents').json()['content']}
        shipped = {p.name for p in (DEPLOY.parents[1] / 'notebooks').iterdir()}
        assert {n for n in shipped if n.endswith('.ipynb')} <= listed
        said = student.run(CODE)
        found = re.search('^found (.*)', said, re.MULTILINE)
        assert found, said
        name, images, total, home, maps = json.loads(found[1])
        assert (name, images) == ('Fashion-MNIST', 60)
        assert total == int(mirror.arrays(GOOD)[2].sum())
        assert Path(home) == hub.homes / student.name
        if maps is not None:  # the one file, and no copy of it
            assert str(hub.raw / mirror.NAMES[0]) in maps
    ann, bo = students
    assert bo.get(f'{ann.url}/api/contents').status_code == 403
    assert ann.get('contents/own.txt').json()['content'] == 'ann'
    for name, data in GOOD.items():
        assert (hub.raw / name).read_bytes() == data
    nobody = Student(hub, 'eve')
    assert nobody.session.get(f'{hub.url}/user/ann/').url.startswith(
        f'{hub.url}/hub/login'
    )
