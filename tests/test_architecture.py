"""What holds for every file: storeys, contracts, tree, docstrings, hosts."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import size

ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.parent.name for path in ROOT.glob('d2lmini/*/__init__.py'))
CONTRACTS = ['d2lmini', *(f'd2lmini.{room}' for room in ROOMS)]
HEAVY = {'matplotlib', 'ipywidgets', 'torchvision', 'pooch', 'IPython', 'PIL'}
MODULES = sorted((ROOT / 'd2lmini').rglob('*.py'))
TESTS = sorted((ROOT / 'tests').rglob('test_*.py'))
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
TEXT = {
    '.py',
    '.md',
    '.ipynb',
    '.toml',
    '.yml',
    '.cff',
    '.tsv',
    '.js',
    '.css',
    '.html',
    '',
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf8'))


def committed() -> Iterator[Path]:
    """Yield the text files of the project."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in ('.ci', '.github', 'benchmarks', 'd2lmini', 'deploy',
                   'notebooks', 'site', 'tests', 'tools'):  # fmt: skip
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
    """Return the package's names that a file imports: 'd2lmini.show.lang'."""
    found = [name for node in ast.walk(module) for name in imported(node)]
    return {name for name in found if name.split('.')[0] == 'd2lmini'}


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


def ids(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


# The storeys: show < dataset < core < all other rooms. A file imports from
# its own room and from those below; a room uses no other room but these:
SIDEWAYS = {
    'machine': {'dataset'},  # lesson 00 foretells which data there will be
    'hunt': {'exercises'},  # faults are mistakes, by the exercises' engine
}


def room_of(name: str) -> str:
    """Return where a name lives: d2lmini.show.lang is in show."""
    part = name.split('.')[1:2]
    return part[0] if part and part[0] in ROOMS else 'core'


def climbing(room: str, module: ast.Module) -> set[str]:
    """Return what a file of a room imports but may not."""
    below = {'show': set(), 'dataset': {'show'}, 'core': {'show', 'dataset'}}
    allowed = below.get(room, {'show', 'core'} | SIDEWAYS.get(room, set()))
    asked = own_imports(module)
    return {n for n in asked if room_of(n) not in allowed | {room}}


@pytest.mark.parametrize('path', MODULES, ids=ids(MODULES))
def test_nothing_is_imported_from_above_or_beside(path: Path) -> None:
    room = path.parent.name if path.parent.name in ROOMS else 'core'
    assert climbing(room, tree(path)) == set()


def test_the_package_stays_within_its_lines() -> None:
    text, kept = size.report(size.lines(ROOT))
    assert kept, text
    text, kept = size.report({'core': 1_601, 'show': 9_000, 'package': 11_500})
    assert not kept and text.count('too many') == 1


@pytest.mark.parametrize('name', CONTRACTS)
def test_a_contract_names_what_is_there_and_explained(name: str) -> None:
    room = import_module(name)
    assert room.__doc__
    for each in room.__all__:
        thing = getattr(room, each)
        if callable(thing):
            assert thing.__doc__ and len(thing.__doc__.split()) > 3, each


def lesson_imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) as a lesson's cells import from the package."""
    for cell in json.loads(path.read_text(encoding='utf8'))['cells']:
        if cell['cell_type'] == 'code':
            for name in own_imports(ast.parse(''.join(cell['source']))):
                module, _, last = name.rpartition('.')
                yield (module, last) if module else (name, '')


@pytest.mark.parametrize('path', NOTEBOOKS, ids=ids(NOTEBOOKS))
def test_a_lesson_imports_what_a_contract_names(path: Path) -> None:
    for module, name in lesson_imports(path):
        if module in CONTRACTS[1:]:
            assert name in import_module(module).__all__
        else:  # the core's files may be named, a file in a room not
            assert module.count('.') < 2 and not name.startswith('_')


def test_what_lessons_call_is_explained_in_chinese_too() -> None:
    # Lesson 00 sends readers to `help`, in either language.
    package = import_module('d2lmini')
    called = {
        name
        for path in NOTEBOOKS
        for cell in json.loads(path.read_text(encoding='utf8'))['cells']
        if cell['cell_type'] == 'code'
        for name in re.findall(r'\bd2l\.(\w+)', ''.join(cell['source']))
    }
    assert 'try_gpu' in called
    for name in sorted(called):
        assert re.search('[\u4e00-\u9fff]', getattr(package, name).__doc__), (
            f'{name}: say in a Chinese line, too, what it does'
        )


def test_each_room_and_each_file_of_the_core_has_its_tests() -> None:
    have = {path.name for path in (ROOT / 'tests').iterdir()}
    core = {p.name for p in MODULES if p.parent.name == 'd2lmini'}
    core -= {'__init__.py'}
    assert {*ROOMS, *(f'test_{name}' for name in core)} <= have


README = (ROOT / 'README.md').read_text(encoding='utf8')


def tree_paths(text: str) -> Iterator[str]:
    """Yield the paths that a tree of names under names shows."""
    above: list[str] = []
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        above = [*above[:depth], name]
        yield ''.join(above)


def test_the_tree_in_readme_is_that_on_disk() -> None:
    _, _, section = README.partition('What lies where\n')
    shown = set(tree_paths(section.split('```')[1].strip()))
    assert not [path for path in shown if not (ROOT / path).exists()]
    files = {p.relative_to(ROOT).as_posix() for p in MODULES}
    missing = {f for f in files if '__' not in f} - shown
    assert missing == set()


@pytest.mark.parametrize('path', MODULES, ids=ids(MODULES))
def test_no_heavy_import_at_module_level(path: Path) -> None:
    assert heavy_imports(tree(path)) == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        'import sys, d2lmini\nprint(*sys.modules)\n'
        'from d2lmini import exercises\n'
        'exercises.check_half_life(lambda momentum: 1.0)\n'
        'print(*sys.modules)'
    )
    run = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, after_a_check = map(set, map(str.split, run.stdout.splitlines()))
    rooms = {room_of(n) for n in loaded if n.startswith('d2lmini.')}
    assert rooms == {'core', 'show', 'dataset'} and not HEAVY & loaded
    # What takes torch seconds to load, and no check needs.
    assert 'torch._dynamo' not in after_a_check


@pytest.mark.parametrize('path', TESTS, ids=ids(TESTS))
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
        from d2lmini.hunt import probe
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
    assert climbing('core', BROKEN) == {'d2lmini.hunt.probe'}
    assert len(climbing('show', BROKEN)) == 2
    assert climbing('hunt', BROKEN) == set() != climbing('machine', BROKEN)
    assert heavy_imports(BROKEN) == {'matplotlib', 'PIL'}
    assert without_assertion(BROKEN) == ['test_nothing']
    assert len(unsafe_loads(BROKEN)) == 2
    assert list(shown_in(BROKEN)) == [('shown', '03'), ('shown', '12')]
