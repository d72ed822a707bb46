"""The scenes of `check_BatchNorm`: what a layer does in each, by name."""

import copy
import io
from collections.abc import Callable

import torch
from torch import Tensor, nn

from d2lmini.exercises.guard import Changed
from d2lmini.exercises.scenes import X2, C, Seen, gradients, refusal
from d2lmini.norm import TENSORS
from d2lmini.show.lang import Fault

Make = Callable[..., nn.Module]
Scene = Callable[[Make], Seen]
KEYS = {'gamma': 'gamma', 'beta': 'beta'} | {
    'mean': 'moving_mean', 'var': 'moving_var',
}  # fmt: skip
NEW_NAMES = {name: KEYS[key] for key in TENSORS for name in TENSORS[key]}


def see_layer(make: Make, scene: Scene) -> Seen:
    """Return what is seen of a layer in a scene.

    Parameters
    ----------
    make : callable, `make(num_features, num_dims, eps=..., momentum=...)`
    scene : callable

    Raises
    ------
    NotImplementedError : a class that does nothing yet
    Fault : a layer in place of its class
    """
    if isinstance(make, nn.Module):
        raise Fault(
            '要的是类，来的是一个建好的层。名字后面不要写括号',
            'this asks for the class and got a layer: write its name '
            'without brackets',
        )
    if getattr(make, 'forward', None) is nn.Module.forward:
        raise NotImplementedError
    layer = make(C, 2)
    does_nothing = isinstance(layer, nn.Module) and not _holds(layer)
    if does_nothing and layer(X2.clone()) in (None, ...):
        raise NotImplementedError  # a stub that calls super().__init__()
    return scene(make)


def _holds(layer: nn.Module) -> bool:
    """Tell whether a layer has any tensor."""
    values = [*layer.state_dict().values(), *vars(layer).values()]
    return any(isinstance(value, Tensor) for value in values)


def find(layer: nn.Module, what: str) -> Tensor:
    """Return gamma, beta, mean or var of a layer or of one inside it.

    Parameters
    ----------
    layer : nn.Module
    what : str, a key of `norm.TENSORS`

    Raises
    ------
    Fault : there is none under the names known
    """
    for module in layer.modules():
        for name in TENSORS[what]:
            tensor = getattr(module, name, None)
            if isinstance(tensor, Tensor):
                return tensor
    known = [f'`{name}`' for name in TENSORS[what]]
    zh, en = '或'.join(known), ' or '.join(known)
    raise Fault(f'层里没有{zh}', f'the layer has no {en}')


def _build(make: Make, num_dims: int, **options: float) -> nn.Module:
    """Build a layer with the same uneven gamma and beta as every other."""
    layer = make(C, num_dims, **options)
    if not isinstance(layer, nn.Module):
        kind = type(layer).__name__
        raise Fault(
            f'要的是`nn.Module`，来的是`{kind}`',
            f'it should make an `nn.Module` and makes `{kind}`',
        )
    for what, row in (('gamma', [2.0, -1]), ('beta', [0.5, 3])):
        tensor = find(layer, what)
        if tensor.numel() != C:
            shape, name = tuple(tensor.shape), KEYS[what]
            raise Fault(
                f'`{name}`应该每个通道一个数，共{C}个，形状却是`{shape}`',
                f'`{name}` should hold a number a channel, {C} in all, but '
                f'has the shape `{shape}`',
            )
        tensor.data.copy_(torch.tensor(row).reshape(tensor.shape))
    return layer


def _memory(layer: nn.Module) -> Seen:
    return {
        KEYS[what]: _flat(find(layer, what).detach().clone())
        for what in ('mean', 'var')
    }


def _flat(values: Tensor) -> Tensor:
    return values.reshape(-1) if values.numel() == C else values


def _call(layer: nn.Module, X: Tensor) -> Tensor:
    """Return the output for a copy of X, which must not be written into."""
    given = X.clone()
    Y: object = layer(given)
    if Y is None or Y is ...:
        raise NotImplementedError
    if not isinstance(Y, Tensor):
        kind = type(Y).__name__
        raise Fault(
            f'`forward`要返回一个张量，返回的是`{kind}`',
            f'`forward` should return a tensor and returns `{kind}`',
        )
    if Y.shape != X.shape:
        shapes = tuple(Y.shape), tuple(X.shape)
        raise Fault(
            '`Y`的形状是`{}`，`X`是`{}`'.format(*shapes),
            '`Y` has the shape `{}` and `X` `{}`'.format(*shapes),
        )
    if not torch.equal(given, X):
        raise Changed('X')
    return Y


def new(num_dims: int) -> Scene:
    """Look at a layer just built: its numbers, and what is registered."""

    def see(make: Make) -> Seen:
        layer = make(C, num_dims)
        held = {
            KEYS[what]: _flat(find(layer, what).detach().clone())
            for what in KEYS
        }
        trained = [name.split('.')[-1] for name, _ in layer.named_parameters()]
        saved = [name.split('.')[-1] for name in layer.state_dict()]
        return held | {
            'parameters()': sorted(NEW_NAMES.get(n, n) for n in trained),
            'state_dict()': sorted(
                NEW_NAMES[n] for n in saved if n in NEW_NAMES
            ),
        }

    return see


def trains(X: Tensor, **options: float) -> Scene:
    """Look at a step of training: output, moving averages, gradients."""

    def see(make: Make) -> Seen:
        layer = _build(make, X.dim(), **options).train()
        seen: Seen = {'Y': _call(layer, X).detach()} | _memory(layer)
        layer = _build(make, X.dim(), **options).train()
        x = X.clone().requires_grad_()
        sources = {'X': x}
        sources |= {what: find(layer, what) for what in ('gamma', 'beta')}
        seen |= gradients(layer(x), sources)
        for what in ('mean', 'var'):
            alone = find(layer, what).grad_fn is None
            seen[f'{KEYS[what]}.grad_fn is None'] = alone
        return seen

    return see


def trains_twice(make: Make) -> Seen:
    """Look at the moving averages after two steps."""
    layer = _build(make, 2).train()
    _call(layer, X2)
    _call(layer, X2 + 1)
    return _memory(layer)


def evaluates(X: Tensor, gradients_on: bool) -> Scene:
    """Look at an evaluation after a step, and what it leaves behind."""

    def see(make: Make) -> Seen:
        layer = _build(make, X.dim()).train()
        _call(layer, X)
        layer.eval()
        with torch.set_grad_enabled(gradients_on):
            Y = _call(layer, X + 1)
        return {'Y': Y.detach()} | _memory(layer)

    return see


def trains_without_gradients(make: Make) -> Seen:
    """Look at a step in training mode while gradients are off."""
    layer = _build(make, 2).train()
    with torch.no_grad():
        return {'Y': _call(layer, X2).detach()} | _memory(layer)


def is_saved(make: Make) -> Seen:
    """Look at the output of a new layer that loads a trained one."""
    layer, fresh = _build(make, 2).train(), make(C, 2)
    _call(layer, X2)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    fresh.load_state_dict(saved)
    with torch.no_grad():
        return {'Y': _call(fresh.eval(), X2).detach()}


def is_double(make: Make) -> Seen:
    """Look at the types after `.double()`."""
    layer = _build(make, 2).double()
    return {
        f'{KEYS[what]}.dtype': str(find(layer, what).dtype) for what in KEYS
    }


def is_copied(make: Make) -> Seen:
    """Look at the moving averages while a copy of the layer trains."""
    layer = _build(make, 2).train()
    layer(X2.clone().requires_grad_())  # as behind another layer
    twin = copy.deepcopy(layer)
    _call(twin, X2)
    return _memory(layer)


def evaluates_one(make: Make) -> Seen:
    """Look at the evaluation of one example."""
    layer = _build(make, 2).eval()
    return {'Y': _call(layer, X2[:1]).detach()}


def gets_one(make: Make) -> Seen:
    """Look at what one example raises in training mode."""
    layer = _build(make, 2).train()
    return refusal(lambda: _call(layer, X2[:1]))


def counts(make: Make) -> bool:
    """Tell whether a layer saves how many batches it has seen."""
    names = make(C, 2).state_dict()
    return any(name.endswith('num_batches_tracked') for name in names)
