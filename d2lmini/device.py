"""Where the code runs, and where random numbers start."""

import random

import numpy as np
import torch


def try_gpu(i: int = 0) -> torch.device:
    """Return GPU number `i`, or the CPU where there is no such GPU.

    返回第`i`个GPU；没有就返回CPU。

    Parameters
    ----------
    i : int, the GPU's number, from 0

    Returns
    -------
    torch.device
        `cuda:i` where that GPU exists, else `cpu`. Apple's GPU (`mps`) is
        not chosen by itself: pass `torch.device('mps')` to try it.
    """
    if 0 <= i < torch.cuda.device_count():
        return torch.device('cuda', i)
    return torch.device('cpu')


def try_all_gpus() -> list[torch.device]:
    """Return every GPU, or `[cpu]` where there is none."""
    gpus = [torch.device('cuda', i) for i in range(torch.cuda.device_count())]
    return gpus or [torch.device('cpu')]


def set_seed(seed: int) -> None:
    """Start the random numbers of torch, numpy and Python from `seed`.

    用`seed`重置torch、numpy和Python的随机数。

    Weights, the order of the batches and dropout then repeat on the same
    machine with the same versions. Another device, or another number of
    threads, may still differ in the last digits.

    Parameters
    ----------
    seed : int in [0, 2**32), numpy's range
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
