"""Look inside a net while it trains, and leave no trace.

Each of `activations`, `gradients`, `updates` and `batch_statistics` is a
context manager that gives a `Record`,

    {name: [value at step 0, value at step 1, ...]}

with a list for every layer by its name in the net. It is empty at first and
grows by one value a step: a forward pass, a backward pass, or an optimizer's
step. When the block ends, also by an exception, every hook comes off; outside
the block nothing is paid.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Reduce = Callable[[Tensor], Any]
Record = dict[str, list[Any]]  # {name: [value at step 0, 1, ...]}


def norm(x: Tensor) -> float:
    """Return the Euclidean norm of all numbers in x, of any shape."""
    return float(x.norm())


def layers(net: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that hold no others, by name, in order."""
    return {
        name: module
        for name, module in net.named_modules()
        if not list(module.children())
    }


def chosen(net: nn.Module, *kinds: type[nn.Module]) -> list[str]:
    """Return the names of the layers of some kinds, in order.

    Parameters
    ----------
    net : nn.Module
    *kinds : classes, such as nn.Linear
    """
    return [n for n, layer in layers(net).items() if isinstance(layer, kinds)]


@contextmanager
def activations(
    net: nn.Module,
    names: list[str] | None = None,
    reduce: Reduce = torch.clone,
    *,
    of: str = 'output',
) -> Iterator[Record]:
    """Record what each layer gives, or gets, at every forward pass.

    Parameters
    ----------
    net : nn.Module
    names : list of str, names of layers; None for all
    reduce : function of the detached Tensor; its value is recorded
    of : 'output' or 'input'

    Yields
    ------
    Record, of what `reduce` returned at each forward pass

    Raises
    ------
    ValueError : `of` is neither
    KeyError : no layer of that name
    """
    if of not in ('output', 'input'):
        raise ValueError(f"of must be 'output' or 'input', got {of!r}")
    record = _record(net, names)

    def watch(name: str, layer: nn.Module) -> RemovableHandle:
        def see(seen: Tensor) -> None:
            record[name].append(reduce(seen.detach()))

        if of == 'output':
            return layer.register_forward_hook(lambda *given: see(given[-1]))
        return layer.register_forward_pre_hook(
            lambda _, args, kwargs: see((*args, *kwargs.values())[0]),
            with_kwargs=True,
        )

    watched = {name: _layer(net, name) for name in record}
    with _hooks() as handles:
        handles += [watch(name, layer) for name, layer in watched.items()]
        yield record


@contextmanager
def gradients(
    net: nn.Module,
    names: list[str] | None = None,
    reduce: Reduce = norm,
) -> Iterator[Record]:
    """Record the gradient of each layer's weight at every backward pass.

    Parameters
    ----------
    net : nn.Module
    names : list of str, names of layers; None for all that have a weight
    reduce : function of the gradient; its value is recorded

    Yields
    ------
    Record, of floats unless `reduce` returns others; of a frozen weight,
    which gets no gradient, an empty list

    Raises
    ------
    KeyError : no layer of that name
    ValueError : a named layer has no weight
    """
    record = _weighted(net, names)

    def watch(name: str, weight: Tensor) -> RemovableHandle:
        def see(grad: Tensor) -> None:
            record[name].append(reduce(grad.detach()))

        put: Callable[..., RemovableHandle] = weight.register_hook
        return put(see)

    weights = {name: _weight(net, name) for name in record}
    with _hooks() as handles:
        handles += [watch(n, w) for n, w in weights.items() if w.requires_grad]
        yield record


@contextmanager
def updates(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    names: list[str] | None = None,
) -> Iterator[Record]:
    """Record the relative size of each step, norm(change) / norm(weight).

    Parameters
    ----------
    net : nn.Module
    optimizer : the one that steps
    names : list of str, names of layers; None for all that have a weight

    Yields
    ------
    Record, of floats, one a step; infinite where the weight was zero

    Raises
    ------
    KeyError : no layer of that name
    ValueError : a named layer has no weight
    """
    record = _weighted(net, names)
    before: dict[str, Tensor] = {}

    def remember(*_: Any) -> None:
        for name in record:
            before[name] = _weight(net, name).detach().clone()

    def compare(*_: Any) -> None:
        for name, old in before.items():
            change = _weight(net, name).detach() - old
            record[name].append(float(change.norm() / old.norm()))

    with _hooks() as handles:
        handles += [
            optimizer.register_step_pre_hook(remember),
            optimizer.register_step_post_hook(compare),
        ]
        yield record


@contextmanager
def batch_statistics(net: nn.Module) -> Iterator[Record]:
    """Record the batch mean and variance that each BN layer gets to see.

    Parameters
    ----------
    net : nn.Module, with BN layers of ours or of torch's

    Yields
    ------
    Record, of (mean, biased variance) a forward pass, each a Tensor (C,)
    """
    names = [
        name
        for name, layer in layers(net).items()
        if hasattr(layer, 'moving_mean') or hasattr(layer, 'running_mean')
    ]

    def statistics(X: Tensor) -> tuple[Tensor, Tensor]:
        dims = [d for d in range(X.dim()) if d != 1]
        var, mean = torch.var_mean(X, dim=dims, correction=0)
        return mean, var

    with activations(net, names, statistics, of='input') as record:
        yield record


@contextmanager
def _hooks() -> Iterator[list[RemovableHandle]]:
    """Give a list for handles, and take off at the end all that it holds."""
    handles: list[RemovableHandle] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def _record(net: nn.Module, names: list[str] | None) -> Record:
    return {name: [] for name in (layers(net) if names is None else names)}


def _weighted(net: nn.Module, names: list[str] | None) -> Record:
    if names is None:
        names = [
            name
            for name, layer in layers(net).items()
            if isinstance(getattr(layer, 'weight', None), Tensor)
        ]
    for name in names:
        _weight(net, name)  # complain before anything is hooked
    return _record(net, names)


def _layer(net: nn.Module, name: str) -> nn.Module:
    found = layers(net)
    if name not in found:
        raise KeyError(
            f'no layer is called {name!r}; there are {", ".join(found)}'
        )
    return found[name]


def _weight(net: nn.Module, name: str) -> Tensor:
    weight = getattr(_layer(net, name), 'weight', None)
    if not isinstance(weight, Tensor):
        raise ValueError(f'layer {name!r} has no weight to watch')
    return weight
