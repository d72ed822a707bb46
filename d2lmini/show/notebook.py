"""Whether this is a notebook, and how to show something in it."""

import sys
from typing import Any


def in_notebook() -> bool:
    """Tell whether the code runs in a notebook's kernel."""
    ipython = sys.modules.get('IPython')  # a kernel has it loaded
    return ipython is not None and hasattr(ipython.get_ipython(), 'kernel')


def publish(bundle: dict[str, Any], **how: Any) -> Any:
    """Show a mime bundle; return what `IPython.display.display` does."""
    from IPython.display import display

    shown: Any = display  # some versions of it have no types
    return shown(bundle, raw=True, **how)
