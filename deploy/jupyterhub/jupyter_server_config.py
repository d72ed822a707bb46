"""What JupyterLab is told by `make lab`, and for each student of a hub."""

import runpy
from pathlib import Path

c = get_config()  # noqa: F821  traitlets gives it

# Sliders answer sooner. Run as a file: imported from the package, it would
# load PyTorch into every student's server, 250 MB each.
SERVE = Path(__file__).resolve().parents[2] / 'd2lmini/machine/serve.py'
c.ServerApp.kernel_websocket_connection_class = runpy.run_path(str(SERVE))[
    'Prompt'
]
