"""The ways to set the course up agree: pip, conda, make, CI, README."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import resolve
import yaml
from packaging.markers import Marker

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {
    'pytorch': 'torch',
    'matplotlib-base': 'matplotlib',
    'playwright-python': 'playwright',
}
README = (ROOT / 'README.md').read_text(encoding='utf8')
_, CHINESE, ENGLISH = re.split('^## (?:中文|English)$', README, flags=re.M)


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding='utf8'))


def pip_packages() -> list[str]:
    """Return what pyproject.toml asks for, extras included.

    Python 3.10 can't read TOML yet: the lists are read line by line.
    """
    text = (ROOT / 'pyproject.toml').read_text(encoding='utf8')
    lists = re.findall(r'^(?:dependencies|lab|test) = \[$(.*?)^\]', text,
                       re.M | re.S)  # fmt: skip
    assert len(lists) == 3
    return [x for x in re.findall(r'"(.+?)"', ''.join(lists)) if ';' not in x]


def conda_packages() -> list[str]:
    """Return what environment.yml asks for, under the names that pip has."""
    wanted = [x for x in load('environment.yml')['dependencies'] if x != 'pip']
    pairs = [re.match(r'([\w-]+)(.*)', x) for x in wanted if type(x) is str]
    return [CONDA_NAMES.get(m[1], m[1]) + m[2] for m in pairs if m]


def test_pip_and_conda_ask_for_the_same_packages_from_the_same_floors() -> (
    None
):
    text = (ROOT / 'pyproject.toml').read_text(encoding='utf8')
    python = re.findall('^requires-python = "(.+)"$', text, re.M)
    want = [*pip_packages(), *(f'python{floor}' for floor in python)]
    assert sorted(conda_packages()) == sorted(want)


@pytest.mark.parametrize('package', [*pip_packages(), *conda_packages()])
def test_each_package_has_a_floor_and_no_ceiling(package: str) -> None:
    assert re.fullmatch(r'[\w-]+>=\d+(\.\d+)*', package)


def test_only_intel_macs_have_a_ceiling() -> None:
    """Torch 2.2 is the last that pip finds for them; it knows no numpy 2."""
    text = (ROOT / 'pyproject.toml').read_text(encoding='utf8')
    only = "sys_platform == 'darwin' and platform_machine == 'x86_64'"
    assert re.findall('^ +"(.+;.+)",$', text, re.M) == [f'numpy<2; {only}']


@pytest.mark.parametrize('system', resolve.SYSTEMS)
def test_the_table_of_what_pip_installs_asks_for_that_system(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        return SimpleNamespace(returncode=1, stderr='no\nERROR: none such\n')

    monkeypatch.setattr(resolve.subprocess, 'run', run)
    found = resolve.resolve(system, '3.12', 'lab')
    assert found == 'ERROR: none such'
    (command,) = asked
    environment = json.loads(command[3])
    numpy = Marker("sys_platform == 'darwin' and platform_machine == 'x86_64'")
    assert numpy.evaluate(environment) == (system == 'macOS Intel')
    assert environment['python_version'] == '3.12'
    assert {'--abi=cp312', '--only-binary=:all:', '--dry-run'} <= {*command}
    assert any(x.startswith('--platform=') for x in command)


def test_the_table_marks_what_does_not_resolve() -> None:
    right = {name: '1.0' for name in resolve.SHOWN}
    assert resolve.row('Linux', '3.12', right).count(' 1.0 ') == 4
    assert '✓ 4 packages' in resolve.row('Linux', '3.12', right)
    assert '✗ none such' in resolve.row('Linux', '3.13', 'none such')
    assert '- none such' in resolve.row('macOS Intel', '3.13', 'none such')


def test_conda_takes_everything_from_one_channel() -> None:
    environment = load('environment.yml')
    assert environment['channels'] == ['conda-forge', 'nodefaults']
    assert environment['dependencies'][-2:] == ['pip', {'pip': ['-e .']}]


@pytest.mark.parametrize('part', [CHINESE, ENGLISH], ids=['zh', 'en'])
@pytest.mark.parametrize(
    'line',
    [
        'make lab ',
        'make test ',
        'make lab TORCH_INDEX=',
        'conda env create -f environment.yml\n',
        'conda activate d2lmini\n',
        'jupyter lab notebooks\n',
        'py -m venv .venv\n',
        '.venv\\Scripts\\python -m pip install -e ".[lab]"\n',
        '.venv\\Scripts\\python -m jupyterlab notebooks\n',
    ],
)
def test_readme_gives_the_line_in_both_languages(line: str, part: str) -> None:
    blocks = re.findall('^```\n(.*?)^```$', part, re.M | re.S)
    assert f'\n{line}' in '\n' + '\n'.join(blocks)


def test_readme_names_the_same_variables_in_both_languages() -> None:
    def variables(part: str) -> set[str]:
        return set(re.findall(r'D2LMINI_\w+|\bTORCH_INDEX|PIP_\w+', part))

    assert variables(CHINESE) == variables(ENGLISH)
    source = ''.join(
        path.read_text(encoding='utf8')
        for path in (ROOT / 'd2lmini').rglob('*.py')
    )
    read = set(re.findall(r"environ\.get\(\s*'(\w+)'", source))
    assert read and read <= variables(ENGLISH)


def systems(job: Any) -> list[str]:
    """Return the systems that a job runs on, its matrix written out."""
    if job['runs-on'] == '${{ matrix.os }}':
        return list(job['strategy']['matrix']['os'])
    return [job['runs-on']]


def test_ci_runs_on_the_three_systems() -> None:
    jobs = load('.github/workflows/ci.yml')['jobs'].values()
    names = {name.split('-')[0] for job in jobs for name in systems(job)}
    assert names == {'ubuntu', 'macos', 'windows'}


def test_ci_runs_windows_with_and_without_utf8() -> None:
    job = load('.github/workflows/ci.yml')['jobs']['macos-windows']
    matrix = job['strategy']['matrix']
    assert matrix['utf8'] == ['1'] and 'windows-latest' in matrix['os']
    assert matrix['include'] == [{'os': 'windows-latest', 'utf8': '0'}]
    assert job['env']['PYTHONUTF8'] == '${{ matrix.utf8 }}'


def test_each_job_of_ci_passes_the_tests_and_the_notebooks() -> None:
    for job in load('.github/workflows/ci.yml')['jobs'].values():
        lines = [step.get('run', '') for step in job['steps']]
        assert any(
            re.match('make test|.*pytest .*--nbval-lax.* tests notebooks', x)
            for x in lines
        )


@pytest.mark.skipif(os.name == 'nt', reason='Windows knows no such mode')
def test_ci_run_can_be_executed() -> None:
    assert (ROOT / '.ci' / 'run').stat().st_mode & 0o111 == 0o111


def test_ci_run_calls_make_test() -> None:
    text = (ROOT / '.ci' / 'run').read_text(encoding='utf8')
    assert 'make test' in text.splitlines()
