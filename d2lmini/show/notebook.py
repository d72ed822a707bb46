"""Whether this is a notebook, and how to show something in it."""

import sys
from importlib.util import find_spec
from typing import Any


def in_notebook() -> bool:
    """Tell whether the code runs in a notebook's kernel."""
    ipython = sys.modules.get('IPython')  # a kernel has it loaded
    return ipython is not None and hasattr(ipython.get_ipython(), 'kernel')


def has_widgets() -> bool:
    """Tell whether the package that widgets need is installed."""
    return find_spec('anywidget') is not None


def publish(bundle: dict[str, Any], **how: Any) -> Any:
    """Show a mime bundle; return what `IPython.display.display` does."""
    from IPython.display import display

    shown: Any = display  # some versions of it have no types
    return shown(bundle, raw=True, **how)


VIEW = 'application/vnd.jupyter.widget-view+json'
# JupyterLab says "model not found" in place of a widget whose kernel is gone.
# A living one holds elements; that sentence is bare text.
_BARE = '.jp-OutputArea-output.jupyter-widgets:not(:has(*))'
ASLEEP = (
    f'<style>{_BARE} {{font-size: 0}} {_BARE}::after {{font-size: 13px; '
    'content: "运行这一格，它就能用。Run this cell to use it."}</style>'
)
_shown: dict[str, tuple[int, list[Any]]] = {}  # by cell


def view(widget: Any) -> dict[str, Any]:
    """Return the bundle of a widget; nothing is seen where none can be."""
    which = {'version_major': 2, 'version_minor': 1}
    return {VIEW: {**which, 'model_id': widget.model_id}, 'text/plain': ''}


def show_widget(widget: Any, *twins: Any) -> None:
    """Show a widget, and after it what stands in for it without a kernel.

    Parameters
    ----------
    widget : Drawing or Switch, which hides its twins while it is alive
    *twins : str, HTML, or a bundle with HTML in it and its metadata
    """
    _replace(widget)
    widget.rest = widget.model_id
    publish(view(widget))
    for i, twin in enumerate(twins):
        bundle, about = (
            ({'text/html': twin, 'text/plain': ''}, {})
            if isinstance(twin, str)
            else twin
        )
        html = f'<div class="d2l-rest-{widget.rest}">{bundle["text/html"]}'
        html += '</div>' + ASLEEP * (i == 0)
        publish(bundle | {'text/html': html}, metadata=about)


def _replace(widget: Any) -> None:
    """Close the widgets that an earlier run of this cell has shown.

    Else each run would leave its own in the kernel's memory.
    """
    shell = sys.modules['IPython'].get_ipython()
    cell = shell.kernel.get_parent()['metadata'].get('cellId', '')
    run, before = _shown.get(cell, (-1, []))
    if cell and run != shell.execution_count:
        for old in before:
            old.close()
        before = []
    _shown[cell] = shell.execution_count, [*before, widget]
