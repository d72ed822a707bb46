"""Helpers of a bilingual course on batch normalization.

The book's cells run with `import d2lmini as d2l`. Its names, a line each, are
those below; `d2l.plt` is matplotlib.pyplot.
"""

from typing import Any

from d2lmini.book import Accumulator, Timer, accuracy
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
from d2lmini.show.live import Animator
from d2lmini.train import evaluate_accuracy_gpu, train_ch6

__all__ = [
    'Accumulator',  # sums that grow from batch to batch
    'Animator',  # curves that grow while a loop of one's own trains
    'BatchNorm',  # batch normalization from scratch, a layer
    'GroupNorm',
    'History',  # what a training leaves behind
    'InstanceNorm',
    'LayerNorm',
    'RMSNorm',
    'Timer',  # the times that a loop of one's own takes
    'accuracy',  # how many of a batch are right
    'batch_norm',  # batch normalization from scratch, a function
    'compare_histories',  # several trainings in one picture
    'evaluate_accuracy_gpu',  # the share that a net gets right
    'get_fashion_mnist_labels',  # the names of classes
    'lenet',  # the lecture's net, with any norm or none
    'load_data_fashion_mnist',  # the images, as batches
    'mlp',  # a net of linear layers, with any norm or none
    'set_seed',  # the same random numbers again
    'show_images',  # images in a grid
    'torch_norm',  # torch's own layer, for these nets
    'train_ch6',  # train, and watch
    'try_all_gpus',  # every GPU, or the CPU
    'try_gpu',  # a GPU, or the CPU
]


def __getattr__(name: str) -> Any:
    if name != 'plt':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from matplotlib import pyplot  # loaded only for those who ask

    return pyplot
