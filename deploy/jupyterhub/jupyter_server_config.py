"""What JupyterLab is told by `make lab`, and for each student of a hub."""

from typing import Any

from jupyter_server.services.kernels.connection.channels import (
    ZMQChannelsWebsocketConnection,
)


class Prompt(ZMQChannelsWebsocketConnection):
    """The way from a kernel to the browser, with nothing held back.

    As it is, each small message waits until the browser's side has
    acknowledged the one before (Nagle's algorithm), which on one machine
    takes up to 40 ms: a slider that is dragged then shows each picture that
    much later.
    """

    def connect(self) -> Any:
        """Connect as usual, once small messages are no longer held back."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()


c = get_config()  # noqa: F821  traitlets gives it
c.ServerApp.kernel_websocket_connection_class = Prompt
