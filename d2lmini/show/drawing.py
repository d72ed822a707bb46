"""The widgets that live in the browser; `draw.js` and `switch.js` say how.

A module of its own, since anywidget is loaded with it.
"""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

HERE = Path(__file__).parent


def told(kind: Any) -> Any:
    """Return a trait that the browser shares; what it sets is not echoed."""
    return kind.tag(sync=True, echo_update=False)


class _Widget(anywidget.AnyWidget):
    """What both have: one style, and the name of their still twins."""

    _css = HERE / 'draw.css'
    rest = told(traitlets.Unicode())

    def close(self) -> None:
        """Leave the page and the kernel's memory, the layout too."""
        self.layout.close()
        super().close()


class Drawing(_Widget):
    """A picture in which things move, with sliders over it.

    What its traits hold is said at the top of `draw.js`.
    """

    _esm = HERE / 'draw.js'
    picture = told(traitlets.Dict())
    frame = told(traitlets.Dict())
    sliders = told(traitlets.List())
    values = told(traitlets.Dict())
    starts = told(traitlets.Dict())
    buttons = told(traitlets.List())
    trouble = told(traitlets.Unicode())


class Switch(_Widget):
    """The buttons 中文 | English | 中英对照 and the rule that obeys them."""

    _esm = HERE / 'switch.js'
    language = told(traitlets.Unicode('both'))
