"""Exercises with answers filled in: python tests/notebooks/solved.py FROM TO.

A stub is a code cell that ends in a check; its answer is the ```python block
in the <details> of the task beside it. In a solved copy the check is followed
by an assertion, so that whatever runs it sees a wrong answer. In the bug hunt
the answer is the check itself, filled in.

The lessons themselves are run as they are, too. So the copy holds only what
the answers need, and what uses them; all lessons stand in one notebook, each
with no name left from the one before it, since a kernel takes long to start.
"""

import ast
import copy
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

CHECK = re.compile(
    r'^(?:(?:exercises|check)\.check_\w+\(\w+\)|hunt\.fix\(.*\))$', re.M
)
ANSWER = re.compile(r'<details>.*?^```python\n(.*?)^```', re.M | re.S)


class Task(NamedTuple):
    """An exercise of a lesson."""

    cell: Any
    answers: dict[str, str]  # by language

    @property
    def stub(self) -> str:
        return str(self.cell.source)

    @property
    def call(self) -> str:
        """The line that checks, as in exercises.check_undo(undo)."""
        match = CHECK.search(self.stub)
        assert match, f'{self.cell.id}: no check in it'
        return match[0]

    @property
    def solved(self) -> str:
        """The cell with the answer in place of the stub."""
        code = self.answers['zh'].strip()
        if self.call.startswith('hunt'):
            code = code.replace('hunt.fix', 'report = hunt.fix')
        else:
            code += f'\n\nreport = {self.call}'
        return f'{code}\nassert report.ok, report\nreport'


def tasks(nb: Any) -> Iterator[Task]:
    """Yield the exercises of a notebook that are checked."""
    by_id = {cell.id: cell for cell in nb.cells}
    for cell in nb.cells:
        if cell.cell_type == 'code' and CHECK.search(cell.source):
            found = {}
            for language in ('zh', 'en'):
                prose = by_id[f'{cell.id}-{language}'].source
                match = ANSWER.search(prose)
                assert match, f'{cell.id}-{language}: no ```python answer'
                found[language] = match[1]
            yield Task(cell, found)


def imports(nb: Any) -> str:
    """Return the import statements of a notebook."""
    lines = []
    for cell in nb.cells:
        if cell.cell_type == 'code':
            for node in ast.parse(cell.source).body:
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    lines.append(ast.unparse(node))
    return '\n'.join(lines)


class Names(NamedTuple):
    """The global names of a cell."""

    sets: set[str]
    changes: set[str]  # what it writes into: results[seed] = ...
    reads: set[str]  # before it sets them


def _of(node: ast.AST) -> Names:
    """Return the names that a statement or an expression meets."""
    sets, changes, reads, own = set(), set(), set(), set()
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            kept = isinstance(child.ctx, ast.Store)
            (sets if kept else reads).add(child.id)
        elif isinstance(child, ast.Attribute | ast.Subscript):
            if isinstance(child.ctx, ast.Store):
                changes |= _of(child.value).reads
        elif isinstance(child, ast.FunctionDef | ast.ClassDef):
            sets.add(child.name)
        elif isinstance(child, ast.alias):
            sets.add((child.asname or child.name).split('.')[0])
        elif isinstance(child, ast.AugAssign):
            changes |= _of(child.target).sets
        elif isinstance(child, ast.arg):
            own.add(child.arg)
        elif isinstance(child, ast.For | ast.comprehension):
            own |= _of(child.target).sets
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return Names({node.name}, set(), reads - sets - own)
    return Names(sets, changes, reads - own)


def names(source: str) -> Names:
    """Return the names that a cell meets, statement by statement."""
    whole = Names(set(), set(), set())
    for statement in ast.parse(source).body:
        found = _of(statement)
        whole.reads.update(found.reads - whole.sets)
        whole.changes.update(found.changes)
        whole.sets.update(found.sets)
    return whole


def needed(sources: list[str], answers: set[int]) -> set[int]:
    """Return which cells the answers need, and which need them, by place.

    Parameters
    ----------
    sources : of the code cells, in order
    answers : the places of those that were filled in
    """
    known = [names(source) for source in sources]
    kept, theirs = set(answers), set[str]()
    for i, cell in enumerate(known):
        if i in answers:
            theirs |= cell.sets - {'report'}
        elif cell.reads & theirs:
            kept.add(i)
    wanted: set[str] = set()
    for i in reversed(range(len(known))):
        cell = known[i]
        if i in kept or (cell.sets | cell.changes) & wanted:
            kept.add(i)
            wanted = (wanted - cell.sets) | cell.changes | cell.reads
    return kept


def solve(nb: Any) -> list[Any]:
    """Return the cells of a lesson that are run again, answers filled in.

    Parameters
    ----------
    nb : the notebook, which is left as it is
    """
    code = [copy.copy(cell) for cell in nb.cells if cell.cell_type == 'code']
    answers = {task.cell.id: task.solved for task in tasks(nb)}
    for cell in code:
        cell.source = answers.get(cell.id, cell.source)
        cell.outputs = []
    places = {i for i, cell in enumerate(code) if cell.id in answers}
    return [code[i] for i in sorted(needed([c.source for c in code], places))]


def solve_all(paths: Iterable[Path]) -> Any:
    """Return one notebook with the solved exercises of all lessons.

    Parameters
    ----------
    paths : of the lessons
    """
    whole = nbformat.v4.new_notebook()
    for path in paths:
        if cells := solve(nbformat.read(path, 4)):
            head = f'# {path.stem}\n%reset -f'
            cells = [nbformat.v4.new_code_cell(head, id='forget'), *cells]
            for cell in cells:
                cell.id = f'{path.stem[:2]}-{cell.id}'
            whole.cells += cells
    return whole


if __name__ == '__main__':
    lessons, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    solved = solve_all(sorted(lessons.glob('*.ipynb')))
    nbformat.write(solved, folder / 'exercises.ipynb')
