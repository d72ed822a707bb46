"""Several processes that train one net together: notebook 09.

`python -m d2lmini.workers`, started by torchrun, trains BN-LeNet so.
"""

from d2lmini.workers.start import WorkerError, run
from d2lmini.workers.sync import AllReduce, SyncBatchNorm

__all__ = ['AllReduce', 'SyncBatchNorm', 'WorkerError', 'run']
