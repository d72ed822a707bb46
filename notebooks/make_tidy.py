"""Take out of saved notebooks what only a running kernel could show.

    python notebooks/make_tidy.py NOTEBOOK...

A notebook that is opened without its kernel would show "model not found" in
place of a widget; without the widget's view, it shows the still picture or
the words that were saved beside it.
"""

import sys
from pathlib import Path

import nbformat

VIEW = 'application/vnd.jupyter.widget-view+json'


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop the widget view from each output that has another form.

    Parameters
    ----------
    notebook : NotebookNode, changed in place
    """
    notebook.metadata.pop('widgets', None)
    for cell in notebook.cells:
        for output in cell.get('outputs', []):
            data = output.get('data', {})
            if data.keys() - {VIEW, 'text/plain'}:
                data.pop(VIEW, None)


if __name__ == '__main__':
    for path in map(Path, sys.argv[1:]):
        notebook = nbformat.read(path, as_version=4)
        tidy(notebook)
        nbformat.write(notebook, path)
