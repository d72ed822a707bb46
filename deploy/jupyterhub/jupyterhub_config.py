"""The course for a class, on one machine: README.md beside it says how.

A teacher's own file loads this one and adds who may log in. As it stands the
hub listens on this machine alone, and nobody may.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821  traitlets gives it
COURSE = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get('D2LMINI_DATA', COURSE / 'data'))
IMAGES = DATA / 'FashionMNIST' / 'raw' / 'train-images-idx3-ubyte'
if not IMAGES.is_file():
    sys.exit(
        'D2LMINI_DATA must name a folder that holds Fashion-MNIST unpacked, '
        f'so that all students share one copy in memory; {IMAGES} is not '
        'there: run "gunzip --keep" on the four .gz files.'
    )

c.JupyterHub.bind_url = 'http://127.0.0.1:8000'

# Each student has a copy of the lessons; what is there already is kept. It
# runs as the student, so that the files are theirs.
START = """
cp -Rn --no-preserve=mode "$1" ~/d2lmini
shift
exec "$@"
"""
c.Spawner.cmd = [
    'sh',
    '-c',
    START,
    'sh',
    f'{COURSE / "notebooks"}/.',
    str(Path(sys.executable).with_name('jupyterhub-singleuser')),
]
c.Spawner.http_timeout = 120  # seconds: thirty start at the same minute
c.Spawner.notebook_dir = '~/d2lmini'
c.Spawner.default_url = '/lab/tree/00_start_here.ipynb'
c.Spawner.environment = {
    'D2LMINI_DATA': str(DATA),
    'JUPYTER_CONFIG_PATH': str(Path(__file__).resolve().parent),
    'OMP_NUM_THREADS': '1',  # small nets are no faster with more
}
HOUR = 60 * 60
c.Spawner.args = [
    # A kernel that ran nothing for so long ends, its tab open or not; then a
    # server that nobody uses.
    f'--MappingKernelManager.cull_idle_timeout={2 * HOUR}',
    '--MappingKernelManager.cull_connected=True',
    f'--ServerApp.shutdown_no_activity_timeout={HOUR}',
]

c.JupyterHub.active_server_limit = 20  # README: how many fit
c.JupyterHub.concurrent_spawn_limit = 5
# Held by the spawners that can: SystemdSpawner and those of containers.
c.Spawner.mem_limit = '1.5G'
