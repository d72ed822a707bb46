"""Take out of saved notebooks what only a running kernel could show.

    python tools/tidy.py NOTEBOOK...

What is kept of the times of its cells is their sum: the map of lessons counts
it in.

A notebook that is opened without its kernel would show "model not found" in
place of a widget; without the widget's view, it shows the still picture or
the words that were saved beside it. What a living widget needs to hide these
goes too. A picture is kept as such, its alt text in the output's metadata,
and its film for the static page; the HTML that holds it once more is for
JupyterLab, which reads alt text nowhere else, and viewers that drop addresses
with data would show nothing in its place.

What answers a guess is folded: JupyterLab unfolds it when the cell is run.
"""

import base64
import re
import sys
import zlib
from datetime import datetime
from pathlib import Path

import nbformat

ALIVE = {
    'application/vnd.jupyter.widget-view+json',
    'application/javascript',
}
FILM = 'application/vnd.d2lmini.film'
# What stands in for a widget; its class is of one run alone.
TWIN = re.compile(r'<div class="d2l-rest-\w+">(.*)</div>(<style>.*</style>)?')
GUESS = re.compile(r'\*\*[^*]*(猜|[Gg]uess)[^*]*\*\*')
BEGIN, END = 'iopub.status.busy', 'iopub.status.idle'


def seconds(cell: nbformat.NotebookNode) -> float:
    """Return how long a cell ran; its times are taken out of it.

    Parameters
    ----------
    cell : NotebookNode, changed in place
    """
    times = cell.metadata.pop('execution', {})
    if not {BEGIN, END} <= times.keys():
        return 0.0
    begin, end = (
        datetime.fromisoformat(times[key].replace('Z', '+00:00'))
        for key in (BEGIN, END)
    )
    return (end - begin).total_seconds()


def answers(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the code cells whose outputs answer a guess.

    Parameters
    ----------
    notebook : NotebookNode
    """
    found, guessed = [], False
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            guessed = bool(GUESS.search(cell.source))
        elif guessed and cell.outputs and not cell.id.startswith('turn-'):
            found.append(cell)
    return found


def packed(film: str) -> str:
    """Return a film as it is saved: its JSON, deflated, in base64.

    Parameters
    ----------
    film : str, JSON, or packed already
    """
    if not film.startswith('{'):
        return film
    return base64.b64encode(zlib.compress(film.encode(), 9)).decode()


def lasting(output: nbformat.NotebookNode) -> bool:
    """Take out of an output what only a kernel can show.

    Parameters
    ----------
    output : NotebookNode, changed in place

    Returns
    -------
    bool, whether anything is left to be seen
    """
    data = output.get('data')
    if data is None:
        return True
    for kind in ALIVE & data.keys():
        del data[kind]
    if FILM in data:
        data[FILM] = packed(data[FILM])
    if 'image/png' in data:
        data.pop('text/html', None)
    elif 'text/html' in data:
        twin = TWIN.fullmatch(data['text/html'])
        data['text/html'] = twin[1] if twin else data['text/html']
    return bool(data.keys() - {'text/plain'} or data.get('text/plain'))


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop from each output the forms that only a kernel can show.

    Parameters
    ----------
    notebook : NotebookNode, changed in place
    """
    notebook.metadata.pop('widgets', None)
    spent = sum(map(seconds, notebook.cells))
    if spent:
        own = notebook.metadata.setdefault('d2lmini', {})
        own['seconds'] = round(spent)
    for cell in notebook.cells:
        if cell.cell_type == 'code':
            cell.outputs = [out for out in cell.outputs if lasting(out)]
    for cell in answers(notebook):
        cell.metadata.setdefault('jupyter', {})['outputs_hidden'] = True


if __name__ == '__main__':
    for path in map(Path, sys.argv[1:]):
        notebook = nbformat.read(path, as_version=4)
        tidy(notebook)
        nbformat.write(notebook, path)
