"""The accuracy of a net on a few hundred images, soon enough for a slider."""

import torch
from torch import Tensor, nn

from d2lmini.train import evaluate_accuracy_gpu

PIECE = 500  # images: a thousand at once take twice the time


def share_right(net: nn.Module, X: Tensor, y: Tensor) -> float:
    """Return the share of images that a net gets right.

    Parameters
    ----------
    net : nn.Module, measured in evaluation mode; left in its own
    X, y : images (N, ...) and labels (N,)

    Raises
    ------
    ValueError : no images
    """
    pieces = zip(torch.split(X, PIECE), torch.split(y, PIECE), strict=True)
    return evaluate_accuracy_gpu(net, pieces)
