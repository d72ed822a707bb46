"""Trials that train on images: a setting and a seed go in, numbers come out.

Where the book's lecture speaks of training, so do these; each says how long.
"""

import math
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.data import quick
from d2lmini.device import set_seed
from d2lmini.models import lenet, torch_norm
from d2lmini.train import QUICK_EPOCHS
from d2lmini.trials.exact import HE, Numbers
from d2lmini.trials.nets import (
    BATCH_SIZE,
    WINDOW,
    accuracy_on,
    batch_losses,
    stacked,
    start,
    steps_to_goal,
    trial_images,
)

WIDTHS = 784, 100, 100, 100, 100, 10
GOAL, LENET_GOAL = 0.6, 1.0  # training losses
LENET_BATCH, LENET_STEPS = 64, 1200
PATIENCE, MOST_EPOCHS = 10, 150


def an_epoch(num_epochs: int) -> int:
    """Return the steps of some epochs of the images; in quick mode of two.

    Parameters
    ----------
    num_epochs : int
    """
    (X, _), _, _ = trial_images()
    epochs = min(num_epochs, QUICK_EPOCHS) if quick() else num_epochs
    return epochs * (len(X) // BATCH_SIZE)


def sgd_losses(
    net: nn.Module, lr: float, num_steps: int, decayed: list[Tensor], wd: float
) -> list[float]:
    """Train on the images by SGD and return the losses, one a step.

    Parameters
    ----------
    net : nn.Module
    lr : float
    num_steps : int; fewer where the loss is no longer finite
    decayed : list of Tensor, the parameters under weight decay
    wd : float, that decay
    """
    optimizer = sgd_for(net, lr, decayed, wd)
    return [
        *islice(batch_losses(net, trial_images()[0], optimizer), num_steps)
    ]


def sgd_for(
    net: nn.Module, lr: float, decayed: list[Tensor], wd: float
) -> torch.optim.Optimizer:
    """Make plain SGD, with weight decay on some parameters alone.

    Parameters
    ----------
    net : nn.Module; its frozen parameters are left out
    lr : float
    decayed : list of Tensor, the parameters under weight decay
    wd : float, that decay
    """
    others = [
        p
        for p in net.parameters()
        if p.requires_grad and not any(p is d for d in decayed)
    ]
    groups: list[dict[str, Any]] = [
        {'params': others},
        {'params': decayed, 'weight_decay': wd},
    ]
    return torch.optim.SGD([g for g in groups if g['params']], lr=lr)


def ends(net: nn.Module, losses: list[float], num_steps: int) -> Numbers:
    """Return the last losses' mean and the test accuracy.

    Parameters
    ----------
    net : nn.Module
    losses : list of float, one a step
    num_steps : int, how many there should be

    Returns
    -------
    'loss', infinite where some are missing; 'acc'
    """
    loss = sum(losses[-WINDOW:]) / max(1, len(losses[-WINDOW:]))
    whole = len(losses) == num_steps
    return {
        'loss': loss if whole else math.inf,
        'acc': accuracy_on(net, trial_images()[2]),
    }


def run_rates(seed: int, *, block: str, lr: float) -> Numbers:
    """Train the perceptron for 10 epochs of 39 steps.

    Parameters
    ----------
    seed : int
    block : str, as `stacked` takes it; four hidden layers of width 100
    lr : float

    Returns
    -------
    'steps' to a training loss of 0.6, or infinity; 'loss' in the end, mean
    of 20 steps, infinite where it diverged; 'acc' on the test set
    """
    set_seed(seed)
    net, num_steps = stacked(block, *WIDTHS), an_epoch(10)
    losses = sgd_losses(net, lr, num_steps, [], 0)
    steps = steps_to_goal(losses, GOAL)
    return {'steps': steps, **ends(net, losses, num_steps)}


def run_lenet(seed: int, *, norm: str, lr: float) -> Numbers:
    """Train the lecture's LeNet until its loss is 1.0, for 1200 steps at most.

    Parameters
    ----------
    seed : int
    norm : 'bn' or 'none'
    lr : float; batches of 64

    Returns
    -------
    'steps' to that loss, or infinity
    """
    set_seed(seed)
    net = start(lenet(torch_norm if norm == 'bn' else None))
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    stream = batch_losses(net, trial_images()[0], optimizer, LENET_BATCH)
    losses: list[float] = []
    for loss in islice(stream, 2 * WINDOW if quick() else LENET_STEPS):
        losses.append(loss)
        if steps_to_goal(losses[-WINDOW:], LENET_GOAL) < math.inf:
            return {'steps': float(len(losses))}
    return {'steps': math.inf}


def run_init(seed: int, *, block: str, scale: float, lr: float) -> Numbers:
    """Start all weights at He's size times `scale`; train for 5 epochs.

    Parameters
    ----------
    seed : int
    block : str, as `stacked` takes it
    scale : float
    lr : float

    Returns
    -------
    as `run_rates`
    """
    set_seed(seed)
    net, num_steps = stacked(block, *WIDTHS), an_epoch(5)
    for layer in net:
        if isinstance(layer, nn.Linear):
            std = scale * (HE / layer.in_features) ** 0.5
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
    losses = sgd_losses(net, lr, num_steps, [], 0)
    steps = steps_to_goal(losses, GOAL)
    return {'steps': steps, **ends(net, losses, num_steps)}


def run_end(seed: int, *, net: str, norm: str, lr: float) -> Numbers:
    """Train until the accuracy on 2,000 other images stops to improve.

    Parameters
    ----------
    seed : int
    net : 'mlp', batches of 128; or 'lenet', batches of 64
    norm : 'bn' or 'none'
    lr : float

    Returns
    -------
    'acc' on the test set and 'valid' on those images, both of the best
    epoch by the latter; 'epoch', its number; 'stopped', 1 where 10 epochs
    without a better one ended the training, 0 where 150 epochs did
    """
    set_seed(seed)
    (X, y), valid, test = trial_images()
    if net == 'mlp':
        words = 'linear-norm-relu' if norm == 'bn' else 'linear-relu'
        model, size = stacked(words, *WIDTHS), BATCH_SIZE
    else:
        model = start(lenet(torch_norm if norm == 'bn' else None))
        size = LENET_BATCH
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    stream = batch_losses(model, (X, y), optimizer, size)
    best: Numbers = {'acc': 0.0, 'valid': -1.0, 'epoch': 0.0, 'stopped': 0.0}
    for epoch in range(1, 1 + (QUICK_EPOCHS if quick() else MOST_EPOCHS)):
        for _ in islice(stream, len(X) // size):
            pass
        found = accuracy_on(model, valid)
        if found > best['valid']:
            acc = accuracy_on(model, test)
            best |= {'acc': acc, 'valid': found, 'epoch': float(epoch)}
        elif epoch - best['epoch'] >= PATIENCE:
            return best | {'stopped': 1.0}
    return best
