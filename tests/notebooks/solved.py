"""Lessons with answers filled in: python tests/notebooks/solved.py FROM TO.

A stub is a code cell that ends in a check; its answer is the ```python block
in the <details> of the task beside it. In a solved copy the check is followed
by an assertion, so that whatever runs it sees a wrong answer. In the bug hunt
the answer is the check itself, filled in.
"""

import ast
import re
import sys
from collections.abc import Iterator
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


def solve(path: Path, folder: Path) -> Path:
    """Write a copy of a lesson with every answer filled in.

    Parameters
    ----------
    path : the notebook
    folder : where the copy goes, under the same name

    Returns
    -------
    Path : that of the copy
    """
    nb = nbformat.read(path, 4)
    for task in tasks(nb):
        task.cell.source = task.solved
        task.cell.outputs = []
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, folder / path.name)
    return folder / path.name


if __name__ == '__main__':
    for lesson in sorted(Path(sys.argv[1]).glob('*.ipynb')):
        if any(tasks(nbformat.read(lesson, 4))):
            print(solve(lesson, Path(sys.argv[2])))
