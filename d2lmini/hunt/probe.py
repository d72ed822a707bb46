"""Look inside a net while it trains, and leave no trace.

Each of `activations`, `gradients` and `updates` is a context manager that
gives a `Record`,

    {name: [value at step 0, value at step 1, ...]}

with a list for every layer by its name in the net. It is empty at first and
grows by one value a step: a forward pass, a backward pass, or an optimizer's
step. When the block ends, also by an exception, every hook comes off; outside
the block nothing is paid.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
)
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Reduce = Callable[[Tensor], Any]
See = Callable[[Tensor], None]
Watched = TypeVar('Watched')
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
    """Return the names of the layers of some kinds, such as nn.Linear."""
    return [n for n, layer in layers(net).items() if isinstance(layer, kinds)]


def activations(
    net: nn.Module,
    names: list[str] | None = None,
    reduce: Reduce = torch.clone,
    *,
    of: str = 'output',
) -> AbstractContextManager[Record]:
    """Record what each layer gives, or gets, at every forward pass.

    Parameters
    ----------
    net : nn.Module
    names : list of str, names of layers (or KeyError); None for all
    reduce : function of the detached Tensor; its value is recorded
    of : 'output' or 'input'

    Yields
    ------
    Record, of what `reduce` returned at each forward pass
    """
    if of not in ('output', 'input'):
        raise ValueError(f"of must be 'output' or 'input', got {of!r}")

    def watch(layer: nn.Module, see: See) -> RemovableHandle:
        if of == 'output':
            return layer.register_forward_hook(lambda *given: see(given[-1]))
        return layer.register_forward_pre_hook(
            lambda _, args, kwargs: see((*args, *kwargs.values())[0]),
            with_kwargs=True,
        )

    return _recorded(_named(net, names), watch, reduce)


def gradients(
    net: nn.Module, names: list[str] | None = None, reduce: Reduce = norm
) -> AbstractContextManager[Record]:
    """Record the gradient of each layer's weight at every backward pass.

    Parameters
    ----------
    net : nn.Module
    names : list of str, layers with a weight (or ValueError); None for all
    reduce : function of the gradient; its value is recorded

    Yields
    ------
    Record, of floats unless `reduce` returns others; of a frozen weight,
    which gets no gradient, an empty list
    """

    def watch(weight: Tensor, see: See) -> AbstractContextManager[Any]:
        put: Callable[..., RemovableHandle] = weight.register_hook
        return put(see) if weight.requires_grad else nullcontext()

    return _recorded(_weights(net, names), watch, reduce)


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
    names : list of str, layers with a weight (or ValueError); None for all

    Yields
    ------
    Record, of floats, one a step; infinite where the weight was zero
    """
    record: Record = {name: [] for name in _weights(net, names)}
    before: dict[str, Tensor] = {}

    def remember(*_: Any) -> None:
        for name, weight in _weights(net, [*record]).items():
            before[name] = weight.detach().clone()

    def compare(*_: Any) -> None:
        for name, weight in _weights(net, [*record]).items():
            change = weight.detach() - before[name]
            record[name].append(float(change.norm() / before[name].norm()))

    with (
        optimizer.register_step_pre_hook(remember),
        optimizer.register_step_post_hook(compare),
    ):
        yield record


@contextmanager
def _recorded(
    watched: Mapping[str, Watched],
    watch: Callable[[Watched, See], AbstractContextManager[Any]],
    reduce: Reduce,
) -> Iterator[Record]:
    """Record what each thing shows; `watch` hooks the seeing to it."""
    record: Record = {name: [] for name in watched}

    def seeing(name: str) -> See:
        return lambda seen: record[name].append(reduce(seen.detach()))

    with ExitStack() as hooks:  # takes them off, also by an exception
        for name, thing in watched.items():
            hooks.enter_context(watch(thing, seeing(name)))
        yield record


def _named(net: nn.Module, names: list[str] | None) -> dict[str, nn.Module]:
    """Return some layers by their names; all for None."""
    found = layers(net)
    for name in names or []:
        if name not in found:
            raise KeyError(
                f'no layer is called {name!r}; there are {", ".join(found)}'
            )
    return found if names is None else {name: found[name] for name in names}


def _weights(net: nn.Module, names: list[str] | None) -> dict[str, Tensor]:
    """Return the weights of some layers; for None of all that have one."""
    weights = {}
    for name, layer in _named(net, names).items():
        weight = getattr(layer, 'weight', None)
        if isinstance(weight, Tensor):
            weights[name] = weight
        elif names is not None:
            raise ValueError(f'layer {name!r} has no weight to watch')
    return weights
