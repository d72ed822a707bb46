"""Helpers of a bilingual course on batch normalization.

The book's cells run with `import d2lmini as d2l`.
"""

from d2lmini.data import (
    get_fashion_mnist_labels,
    load_data_fashion_mnist,
    show_images,
)
from d2lmini.device import set_seed, try_all_gpus, try_gpu
from d2lmini.history import History, compare_histories
from d2lmini.models import lenet, mlp, torch_norm
from d2lmini.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    batch_norm,
)
from d2lmini.train import evaluate_accuracy_gpu, train_ch6

__all__ = [
    'BatchNorm',
    'GroupNorm',
    'History',
    'InstanceNorm',
    'LayerNorm',
    'RMSNorm',
    'batch_norm',
    'compare_histories',
    'evaluate_accuracy_gpu',
    'get_fashion_mnist_labels',
    'lenet',
    'load_data_fashion_mnist',
    'mlp',
    'set_seed',
    'show_images',
    'torch_norm',
    'train_ch6',
    'try_all_gpus',
    'try_gpu',
]
