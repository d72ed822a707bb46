"""Run the cells of a lesson that define its trials, and no others."""

import json
import os
from pathlib import Path
from typing import Any

from d2lmini.trials.table import Table


def from_notebook(path: str | Path) -> Table:
    """Return the table of a lesson, with all trials that its cells define.

    The code cells with the tag 'trial' run in their order, in the
    notebook's folder; so what the page shows is what makes the table.

    Parameters
    ----------
    path : str or Path of a notebook

    Returns
    -------
    Table; the last one that a cell calls `table`
    """
    path = Path(path).resolve()
    notebook = json.loads(path.read_text(encoding='utf8'))
    names: dict[str, Any] = {'__name__': path.stem}
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        for cell in notebook['cells']:
            if 'trial' in cell['metadata'].get('tags', ()):
                code = compile(''.join(cell['source']), cell['id'], 'exec')
                exec(code, names)  # the lesson's own cells
    finally:
        os.chdir(before)
    table: Table = names['table']
    return table
