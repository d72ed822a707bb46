"""`make lab` and `make test` with a Python that only writes down its calls."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    os.name == 'nt' or not shutil.which('make'), reason='needs make'
)
# It stands for python3 and, copied by "-m venv", for .venv/bin/python.
# `PIP` is what a call of pip does besides being written down.
FAKE = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  -c*) exit "${TOO_OLD:-0}" ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip "*) eval "$PIP" ;;
  "-m pytest "*) env | grep -E '^(D2LMINI|OMP)_' | sort >> "$CALLS" ;;
esac
"""
CHECK = '-c import sys; sys.exit(sys.version_info < (3, 10))'
VENV = '-m venv .venv'
PIP = '-m pip install --quiet --editable .[lab]'
INSTALL = [CHECK, VENV, PIP]


class Course:
    """A copy of what make needs, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder.parent / 'calls'
        self.python = folder.parent / 'python3'

    def make(self, *words: str, **env: str) -> subprocess.CompletedProcess:
        """Run make; the calls of Python it made are then in `calls`."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(('D2LMINI_', 'MAKE', 'MFLAGS', 'TORCH_'))
        }
        self.calls.write_text('')
        return subprocess.run(
            ['make', f'PYTHON={self.python}', *words],
            cwd=self.folder,
            env={**kept, 'CALLS': str(self.calls), **env},
            capture_output=True,
            text=True,
            start_new_session=True,  # "kill 0" in it ends make, not us
        )

    def python_calls(self, *words: str, **env: str) -> list[str]:
        """Return what a run of make that must succeed asked of Python."""
        run = self.make(*words, **env)
        assert run.returncode == 0, run.stdout + run.stderr
        return self.calls.read_text().splitlines()


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """Give a fresh copy, under a name as people have them."""
    folder = tmp_path / 'my 课程'
    (folder / 'notebooks').mkdir(parents=True)
    for name in ('Makefile', 'pyproject.toml'):
        shutil.copy(ROOT / name, folder)
    for name in ('03_from_scratch', '00_start_here'):
        (folder / f'notebooks/{name}.ipynb').touch()
    fake = Course(folder)
    fake.python.write_text(FAKE)
    fake.python.chmod(0o755)
    return fake


def opened(calls: list[str]) -> bool:
    """Tell whether JupyterLab was started, and nothing else done."""
    return len(calls) == 1 and calls[0].startswith('-m jupyterlab ')


def test_make_lab_installs_and_opens_the_first_notebook(
    course: Course,
) -> None:
    *install, lab = course.python_calls('lab')
    assert install == INSTALL
    assert lab.startswith('-m jupyterlab ')
    assert '/lab/tree/notebooks/00_start_here.ipynb' in lab


def test_make_lab_listens_on_this_machine_alone(course: Course) -> None:
    lab = course.python_calls('lab')[-1].split()
    assert '--ServerApp.ip=127.0.0.1' in lab
    assert not [word for word in lab if '0.0.0.0' in word or '*' in word]


@pytest.mark.parametrize(('uid', 'allowed'), [(0, True), (1000, False)])
def test_root_is_allowed_only_where_the_reader_is_root(
    uid: int, allowed: bool, course: Course
) -> None:
    fake_id = course.folder.parent / 'id'
    fake_id.write_text(f'#!/bin/sh\necho {uid}\n')
    fake_id.chmod(0o755)
    path = f'{fake_id.parent}{os.pathsep}{os.environ["PATH"]}'
    lab = course.python_calls('lab', PATH=path)[-1].split()
    assert ('--allow-root' in lab) is allowed


def test_the_second_make_lab_installs_nothing(course: Course) -> None:
    course.python_calls('lab')
    assert opened(course.python_calls('lab'))


def test_a_new_dependency_is_installed(course: Course) -> None:
    course.python_calls('lab')
    later = (course.folder / '.venv/.ready-lab').stat().st_mtime + 5
    os.utime(course.folder / 'pyproject.toml', (later, later))
    assert course.python_calls('lab')[:-1] == INSTALL


@pytest.mark.parametrize(
    ('fault', 'code'), [('exit 1', 2), ('kill -9 0', -signal.SIGKILL)]
)
@pytest.mark.parametrize('before', ['nothing', 'lab'])
def test_an_interrupted_install_is_made_again_from_the_start(
    fault: str, code: int, before: str, course: Course
) -> None:
    if before == 'lab':  # the install of the tests' packages is broken off
        course.python_calls('lab')
    run = course.make('test' if before == 'lab' else 'lab', PIP=fault)
    assert run.returncode == code
    (course.folder / '.venv/half a package').touch()
    again = course.make('lab')
    assert 'interrupted' in again.stdout and again.returncode == 0
    assert course.calls.read_text().splitlines()[:-1] == INSTALL
    assert not (course.folder / '.venv/half a package').exists()
    assert opened(course.python_calls('lab'))


@pytest.mark.parametrize('carry', [shutil.copytree, shutil.move])
def test_a_folder_that_was_copied_or_moved_is_installed_again(
    carry: object, course: Course
) -> None:
    course.python_calls('lab')
    there = course.folder.parent / 'elsewhere'
    carry(course.folder, there)  # type: ignore[operator]
    course.folder = there
    assert course.python_calls('lab')[:-1] == INSTALL
    assert opened(course.python_calls('lab'))


@pytest.mark.parametrize('goal', ['lab', 'test'])
def test_an_old_python_is_told_in_one_sentence(
    goal: str, course: Course
) -> None:
    run = course.make(goal, TOO_OLD='1')
    assert run.returncode != 0
    said = run.stdout.splitlines()
    assert said == [
        f'd2lmini needs Python 3.10 or newer as {course.python}; name '
        f'another one: make PYTHON=python3.12 {goal}'
    ]
    assert course.calls.read_text().splitlines() == [CHECK]
    assert not (course.folder / '.venv').exists()


@pytest.mark.parametrize('by', ['word', 'environment'])
def test_torch_and_torchvision_come_together_from_the_index(
    by: str, course: Course
) -> None:
    index = {'TORCH_INDEX': 'http://127.0.0.1/cpu'}
    words = [f'{key}={value}' for key, value in index.items()]
    calls = (
        course.python_calls('lab', *words)
        if by == 'word'
        else course.python_calls('lab', **index)
    )
    both = '-m pip install --index-url http://127.0.0.1/cpu torch torchvision'
    assert calls[:-1] == [CHECK, VENV, both, PIP]


def test_make_test_installs_what_it_lacks_and_checks_all(
    course: Course,
) -> None:
    workflow = course.folder / '.github/workflows/ci.yml'
    workflow.parent.mkdir(parents=True)
    workflow.touch()
    calls = course.python_calls('test')
    assert calls[:3] == [
        CHECK,
        VENV,
        PIP.replace('[lab]', '[lab,test,deploy,site,hub]'),
    ]
    tools = [call.split()[1] for call in calls[3:] if call[:3] == '-m ']
    assert tools == ['ruff', 'ruff', 'mypy', 'check_jsonschema', 'pytest']
    pytest_call = next(call for call in calls if 'nbval' in call)
    assert pytest_call.endswith(' tests notebooks build/solved')
    assert 'tests/notebooks/solved.py notebooks build/solved' in calls
    assert course.python_calls('test')[0].startswith('-m ruff')


@pytest.mark.parametrize(
    ('env', 'dataset'),
    [
        ({}, 'drawn'),
        ({'D2LMINI_DATA': 'some folder'}, 'auto'),
        ({'D2LMINI_DATASET': 'fashion-mnist'}, 'fashion-mnist'),
    ],
)
def test_make_test_is_quick_and_needs_no_network(
    env: dict[str, str], dataset: str, course: Course
) -> None:
    calls = course.python_calls('test', **env)
    want = {
        'D2LMINI_QUICK': '1',
        'D2LMINI_LANG': 'both',
        'OMP_NUM_THREADS': '1',
        **env,
        'D2LMINI_DATASET': dataset,
    }
    told = [call.split('=', 1) for call in calls if call[:1] in 'DO']
    assert dict(told) == want


def test_make_size_needs_no_install(course: Course) -> None:
    assert course.python_calls('size') == ['tools/size.py']


def test_make_alone_says_what_there_is_and_does_nothing(
    course: Course,
) -> None:
    run = course.make()
    goals = [line.split()[1] for line in run.stdout.splitlines()]
    assert goals == [
        'lab',
        'test',
        'outputs',
        'site',
        'claims',
        'bench',
        'size',
    ]
    assert course.calls.read_text() == ''
