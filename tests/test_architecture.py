"""What holds for every file: arrows, sizes, imports, docstrings, hosts."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import d2lmini

ROOT = Path(__file__).parents[1]
# Each file of the package imports only from those before it.
ORDER = [
    'device',
    'lang',
    'figure',
    'garments',
    'files',
    'fetch',
    'sources',
    'data',
    'memory',
    'looks',
    'places',
    'machine',
    'family',
    'norm',
    'measure',
    'columns',
    'oracle',
    'models',
    'broken',
    'probe',
    'canvas',
    'slide',
    'history',
    'live',
    'train',
    'accuracy',
    'replay',
    'lab_numbers',
    'lab_nets',
    'race',
    'explore',
    'explore_nets',
    'race_panel',
    'trial_nets',
    'trial_exact',
    'trial_runs',
    'trial_parts',
    'trial_table',
    'trials',
    'limit',
    'guard',
    'turn_look',
    'turn',
    'turn_nets',
    'turn_motivation',
    'turn_gradients',
    'turn_optimizer',
    'turn_equations',
    'turn_backward',
    'turn_concise',
    'turn_convert',
    'turn_bias',
    'turn_momentum',
    'turn_average',
    'turn_modes',
    'turn_refresh',
    'turn_freeze',
    'alike',
    'report',
    'attempt',
    'diagnose',
    'verdict',
    'faults',
    'hints',
    'hints_numbers',
    'mistakes',
    'faulty_layer',
    'scenes',
    'scenes_layer',
    'cases_layer',
    'mistakes_layer',
    'check',
    'exercises',
    'serve',
]
HEAVY = {'matplotlib', 'ipywidgets', 'torchvision', 'pooch', 'IPython', 'PIL'}
MODULES = sorted((ROOT / 'd2lmini').glob('*.py'))
TESTS = sorted((ROOT / 'tests').glob('test_*.py'))
NOTEBOOKS = sorted((ROOT / 'notebooks').glob('*.ipynb'))
# In pieces, so that this file does not name them either. Whoever needs
# another index than the usual one sets it in the environment.
HOSTS = (
    'py' + 'pi.org',
    'python' + 'hosted.org',
    'download.' + 'pytorch.org',
    'ana' + 'conda.org',
    'ana' + 'conda.com',
    'npm' + 'js.',
    'crates' + '.io',
    'jsdelivr' + '.net',
    'unpkg' + '.com',
)
TEXT = {'.py', '.md', '.ipynb', '.toml', '.yml', '.cff', '.tsv', ''}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf8'))


def committed() -> Iterator[Path]:
    """Yield the text files of the project."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in ('.ci', '.github', 'benchmarks', 'd2lmini', 'notebooks',
                   'tests'):  # fmt: skip
        for path in (ROOT / folder).rglob('*'):
            hidden = {'__pycache__', '.ipynb_checkpoints'} & {*path.parts}
            if path.is_file() and path.suffix in TEXT and not hidden:
                yield path


def imported(node: ast.AST) -> list[str]:
    """Return the full names that an import statement asks for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        name = '.' * node.level + (node.module or '')
        return [f'{name}.{alias.name}' for alias in node.names]
    return []


def own_imports(module: ast.Module) -> set[str]:
    """Return the files of the package that a file imports from."""
    names = [name for node in ast.walk(module) for name in imported(node)]
    return {name.split('.')[1] for name in names if name[:8] == 'd2lmini.'}


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs on import: not function bodies, not type checkers'."""
    for child in ast.iter_child_nodes(node):
        for_types = (
            isinstance(child, ast.If)
            and ast.unparse(child.test) == 'TYPE_CHECKING'
        )
        if not for_types:
            yield child
            if not isinstance(child, (ast.FunctionDef, ast.Lambda)):
                yield from at_import(child)


def heavy_imports(module: ast.Module) -> set[str]:
    names = [name for node in at_import(module) for name in imported(node)]
    return HEAVY & {name.split('.')[0] for name in names}


def without_assertion(module: ast.Module) -> list[str]:
    """Return the test functions that check nothing."""

    def checks(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return isinstance(node, ast.Assert)
        name = ast.unparse(node.func)
        return (
            name == 'pytest.raises'
            or name.startswith('expect(')  # in a browser: expect(x).to_...
            or name.split('.')[-1].startswith(('check_', 'assert_'))
        )

    return [
        node.name
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')
        if not any(map(checks, ast.walk(node)))
    ]


def unsafe_loads(module: ast.Module) -> list[str]:
    """Return the calls of torch.load that would run a file's code."""
    return [
        ast.unparse(node)
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == 'torch.load'
        and 'weights_only=True' not in map(ast.unparse, node.keywords)
    ]


def shown_in(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (name, notebook's number) as the docstrings give them."""
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            text = ' '.join((ast.get_docstring(node) or '').split())
            for line in re.findall(r'[Ss]hown in notebooks? ([^.;]*)', text):
                for number in re.findall(r'\d\d', line):
                    yield node.name, number


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_every_file_has_its_place_in_the_order() -> None:
    assert {path.stem for path in MODULES} == {*ORDER, '__init__'}


@pytest.mark.parametrize('name', ORDER)
def test_a_file_imports_only_from_those_before_it(name: str) -> None:
    asked = own_imports(tree(ROOT / 'd2lmini' / f'{name}.py'))
    assert asked <= {*ORDER[: ORDER.index(name)]}


def test_the_package_is_imported_by_its_full_name() -> None:
    asked = [
        (path.name, name)
        for path in MODULES
        for node in ast.walk(tree(path))
        for name in imported(node)
    ]
    assert not [pair for pair in asked if pair[1].startswith('.')]


@pytest.mark.parametrize('path', MODULES, ids=names(MODULES))
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding='utf8').splitlines()) <= 250


@pytest.mark.parametrize('path', MODULES, ids=names(MODULES))
def test_no_heavy_import_at_module_level(path: Path) -> None:
    assert heavy_imports(tree(path)) == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = 'import sys, d2lmini; print(*sys.modules)'
    run = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(run.stdout.split())
    assert 'd2lmini.train' in loaded and not HEAVY & loaded


@pytest.mark.parametrize('path', TESTS, ids=names(TESTS))
def test_every_test_checks_something(path: Path) -> None:
    assert without_assertion(tree(path)) == []


def test_no_file_is_loaded_that_could_run_code() -> None:
    paths = [path for path in committed() if path.suffix == '.py']
    assert not [call for path in paths for call in unsafe_loads(tree(path))]


@pytest.mark.parametrize('host', HOSTS)
def test_no_file_names_a_registry(host: str) -> None:
    texts = {path: path.read_text(encoding='utf8') for path in committed()}
    assert not [path for path, text in texts.items() if host in text.lower()]


def test_what_readers_see_stands_on_its_own() -> None:
    seen = [*MODULES, *NOTEBOOKS, *ROOT.glob('*.md')]
    seen += (ROOT / 'notebooks').glob('*.md')
    assert not [
        path for path in seen if 'shared/' in path.read_text(encoding='utf8')
    ]


@pytest.mark.parametrize('name', d2lmini.__all__)
def test_what_is_public_is_explained(name: str) -> None:
    doc = getattr(d2lmini, name).__doc__
    assert doc and len(doc.split()) > 3


def test_docstrings_point_to_notebooks_that_show_the_thing() -> None:
    for path in MODULES:
        for name, number in shown_in(tree(path)):
            lessons = [p for p in NOTEBOOKS if p.name.startswith(number)]
            assert lessons, f'{path.name}: {name}: no notebook {number}'
            text = lessons[0].read_text(encoding='utf8')
            assert name in text, f'{lessons[0].name} does not show {name}'


# The readers above see what they are for.

BROKEN = ast.parse("""
import torch
if True:
    from matplotlib import pyplot
if TYPE_CHECKING:
    from IPython import display
from d2lmini.train import train_ch6
class C:
    import PIL.Image
    def late(self):
        import pooch
        from d2lmini.show import live
        torch.load('a', weights_only=False), torch.load('b')
        torch.load('c', weights_only=True)
def test_nothing():
    print('ran')
def test_something():
    with pytest.raises(ValueError):
        f()
def test_by_helper():
    check_all()
def test_in_a_browser():
    expect(page.locator('img')).to_be_visible()
def shown():
    '''Do.

    Source: somebody 2015; shown in
    notebooks 03 and 12.
    '''
""")


def test_the_readers_find_what_is_broken() -> None:
    assert own_imports(BROKEN) == {'train', 'live'}
    assert heavy_imports(BROKEN) == {'matplotlib', 'PIL'}
    assert without_assertion(BROKEN) == ['test_nothing']
    assert len(unsafe_loads(BROKEN)) == 2
    assert list(shown_in(BROKEN)) == [('shown', '03'), ('shown', '12')]
