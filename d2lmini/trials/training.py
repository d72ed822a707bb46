"""Trials that train on images: a setting and a seed go in, numbers come out.

The perceptron has four hidden layers of width 100 and batches of 128, LeNet
batches of 64; `block` is as `stacked` takes it.
"""

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from torch import nn

from d2lmini.data import quick
from d2lmini.device import set_seed
from d2lmini.hunt import probe
from d2lmini.models import lenet, torch_norm
from d2lmini.train import QUICK_EPOCHS
from d2lmini.trials.formula import Numbers, variance_ratio
from d2lmini.trials.nets import (
    BATCH_SIZE,
    WINDOW,
    Pair,
    accuracy_on,
    batch_losses,
    he_start,
    hidden,
    sgd,
    stacked,
    start,
    steps_to_goal,
    trial_images,
)

WIDTHS = 784, 100, 100, 100, 100, 10
GOAL, LENET_GOAL = 0.6, 1.0  # training losses
LENET_BATCH, LENET_STEPS = 64, 1200
PATIENCE, MOST_EPOCHS = 10, 150


def trained(
    net: nn.Module, optimizer: torch.optim.Optimizer, num_epochs: int
) -> Numbers:
    """Train on the images, in quick mode for two epochs at most.

    Returns 'steps' to a training loss of 0.6, or infinity; 'loss' in the
    end, mean of 20 steps, infinite where it diverged; 'acc' on the test set.
    """
    images, _, test = trial_images()
    epochs = min(num_epochs, QUICK_EPOCHS) if quick() else num_epochs
    num_steps = epochs * (len(images[0]) // BATCH_SIZE)
    losses = [*islice(batch_losses(net, images, optimizer), num_steps)]
    last, whole = losses[-WINDOW:], len(losses) == num_steps
    return {
        'steps': steps_to_goal(losses, GOAL),
        'loss': sum(last) / len(last) if whole else math.inf,
        'acc': accuracy_on(net, test),
    }


def a_lenet(norm: str) -> nn.Sequential:
    """Return the lecture's LeNet, with batch normalization for 'bn'."""
    return start(lenet(torch_norm if norm == 'bn' else None))


def run_rates(seed: int, *, block: str, lr: float) -> Numbers:
    """Train the perceptron for 10 epochs; returns what `trained` does."""
    set_seed(seed)
    net = stacked(block, *WIDTHS)
    return trained(net, sgd(net, lr), 10)


def run_lenet(seed: int, *, norm: str, lr: float) -> Numbers:
    """Return the 'steps' of LeNet to a loss of 1.0; infinity after 1200."""
    set_seed(seed)
    net = a_lenet(norm)
    stream = batch_losses(net, trial_images()[0], sgd(net, lr), LENET_BATCH)
    losses: list[float] = []
    for loss in islice(stream, 2 * WINDOW if quick() else LENET_STEPS):
        losses.append(loss)
        if steps_to_goal(losses[-WINDOW:], LENET_GOAL) < math.inf:
            return {'steps': float(len(losses))}
    return {'steps': math.inf}


def run_init(seed: int, *, block: str, scale: float, lr: float) -> Numbers:
    """Start all weights at He's size times `scale`; train for 5 epochs."""
    set_seed(seed)
    net = stacked(block, *WIDTHS)
    he_start([layer for layer in net if isinstance(layer, nn.Linear)], scale)
    return trained(net, sgd(net, lr), 5)


def run_end(seed: int, *, net: str, norm: str, lr: float) -> Numbers:
    """Train until the accuracy on 2,000 other images stops to improve.

    Returns 'acc' on the test set and 'valid' on those images, both of the
    best epoch by the latter; 'epoch', its number; 'stopped', 1 where 10
    epochs without a better one ended the training, 0 where 150 epochs did.
    """
    set_seed(seed)
    (X, y), valid, test = trial_images()
    words = 'linear-norm-relu' if norm == 'bn' else 'linear-relu'
    model = a_lenet(norm) if net == 'lenet' else stacked(words, *WIDTHS)
    size = LENET_BATCH if net == 'lenet' else BATCH_SIZE
    stream = batch_losses(model, (X, y), sgd(model, lr), size)
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


def run_dropout(seed: int, *, block: str, last: str, p: float) -> Numbers:
    """Train the perceptron with dropout for 10 epochs at lr 0.1.

    Returns 'acc' on the test set. With batch normalization also 'again', the
    same after its statistics were estimated afresh with dropout off, and
    'ratio', variance in evaluation over the remembered one, at the input of
    the last such layer.
    """
    set_seed(seed)
    net = stacked(block, *WIDTHS, last=last, p=p)
    images, valid, test = trial_images()
    numbers = {'acc': trained(net, sgd(net, 0.1), 10)['acc']}
    if probe.chosen(net, nn.BatchNorm1d):
        numbers['ratio'] = variance_ratio(net, valid[0])
        _estimate_again(net, images)
        numbers['again'] = accuracy_on(net, test)
    return numbers


def _estimate_again(net: nn.Sequential, data: Pair) -> None:
    net.eval()  # dropout off
    for layer in net:
        if isinstance(layer, nn.BatchNorm1d):
            layer.reset_running_stats()
            layer.momentum = None  # the plain average
            layer.train()
    with torch.no_grad():
        for X in torch.split(data[0], 1000):
            net(X)
    net.eval()


def run_decay(seed: int, *, block: str, lr: float, wd: float) -> Numbers:
    """Train with weight decay `wd` on the hidden weights for 15 epochs.

    Returns 'acc' on the test set; of the second hidden layer 'norm', its
    weight's norm over that at the start, and 'turn', norm(change) /
    norm(weight) a step, the mean of the last 39 steps.
    """
    set_seed(seed)
    net = stacked(block, *WIDTHS)
    optimizer = sgd(net, lr, decay=wd)
    name, weight = probe.chosen(net, nn.Linear)[1], hidden(net)[1].weight
    at_start = weight.norm().item()
    with probe.updates(net, optimizer, [name]) as record:
        acc = trained(net, optimizer, 15)['acc']
    turns = record[name][-39:]
    return {
        'acc': acc,
        'norm': weight.norm().item() / at_start,
        'turn': sum(turns) / max(1, len(turns)),
    }


def run_gamma_beta(seed: int, *, train: str, lr: float) -> Numbers:
    """Train a part of the perceptron with batch normalization for 10 epochs.

    'head' is the last layer; 'two-weights' are two random ones a hidden
    feature. Returns 'acc' on the test set; 'trained', the number of trained
    numbers. Source: Frankle et al. 2021.
    """
    set_seed(seed)
    net = stacked('linear-norm-relu', *WIDTHS)
    net.requires_grad_(train == 'all')
    if 'gamma-beta' in train:
        for module in net:
            module.requires_grad_(isinstance(module, nn.BatchNorm1d))
    if 'head' in train:
        net[-1].requires_grad_(True)
    num = sum(p.numel() for p in net.parameters() if p.requires_grad)
    if train == 'two-weights':
        for layer in hidden(net):
            num += 2 * layer.out_features
            chosen = torch.rand_like(layer.weight).topk(2, dim=1).indices
            mask = torch.zeros_like(layer.weight).scatter_(1, chosen, 1.0)
            layer.weight.requires_grad_(True)
            hook: Callable[..., Any] = layer.weight.register_hook
            hook(mask.mul)
    acc = trained(net, sgd(net, lr), 10)['acc']
    return {'acc': acc, 'trained': float(num)}
