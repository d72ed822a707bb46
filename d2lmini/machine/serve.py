"""An option for JupyterLab's server: what the kernel says is sent at once.

As it is, each small message waits until the browser's side has acknowledged
the one before (Nagle's algorithm), which on one machine takes up to 40 ms: a
slider that is dragged then shows each picture that much later. `make lab`, a
JupyterHub and the browser tests set it in
`deploy/jupyterhub/jupyter_server_config.py`.
"""

from typing import Any

from jupyter_server.services.kernels.connection.channels import (
    ZMQChannelsWebsocketConnection,
)


class Prompt(ZMQChannelsWebsocketConnection):
    """The way from a kernel to the browser, with nothing held back."""

    def connect(self) -> Any:
        """Connect as usual, once small messages are no longer held back."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
