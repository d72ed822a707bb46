"""What a column of the oracle is made of: layers, readings, differences.

The layer under test may name its tensors as the lecture or as torch does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d2lmini.norm import TENSORS
from d2lmini.show.lang import Fault

Make = Callable[..., nn.Module]
Measure = Callable[[Make, int], float]  # takes make and num_dims
Layers = tuple[nn.Module, nn.Module]  # the one under test, and torch's
Read = Callable[[nn.Module], Tensor | None]

C = 3  # channels
STEPS = 20  # batches in `trained`: 0.9 ** 20 is 0.12, an almost warm memory


@dataclass(frozen=True)
class Column:
    """One thing in which a layer must agree with torch's.

    Attributes
    ----------
    key : str
    zh, en : str, its name in the table
    tolerance : float, the largest difference allowed, in the output's units
    measure : callable
        Takes `make(num_features, num_dims, **options)` and returns the
        largest absolute difference; raises where there is none to take.
    """

    key: str
    zh: str
    en: str
    tolerance: float
    measure: Callable[[Make], float]


COLUMNS: list[Column] = []  # columns.py fills it, in the table's order


def column(zh: str, en: str, tolerance: float) -> Callable[[Measure], Measure]:
    """Make a measure, by whose name it goes, a column: of 2-D and 4-D input.

    The worse of the two counts; `zh`, `en` and `tolerance` as in `Column`.
    """

    def add(measure: Measure) -> Measure:
        def worst(make: Make) -> float:
            return max(measure(make, 2), measure(make, 4))

        key = measure.__name__.removeprefix('_')
        COLUMNS.append(Column(key, zh, en, tolerance, worst))
        return measure

    return add


def batch(num_dims: int, seed: int = 0) -> Tensor:
    """Return a batch whose channels differ in mean and in spread.

    Returns
    -------
    Tensor, shape (8, C) or (8, C, 4, 5), means -2 to 3, spreads 0.5 to 3
    """
    shape = (8, C) if num_dims == 2 else (8, C, 4, 5)
    numbers = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0.5, 3, C).reshape(1, C, *(1,) * (num_dims - 2))
    return torch.randn(shape, generator=numbers) * spread + 2 * spread - 3


def pair(make: Make, num_dims: int, **options: Any) -> Layers:
    """Build the layer and torch's with the same uneven gamma and beta.

    Raises
    ------
    Fault : `make` does not take the options
    """
    try:
        layer = make(C, num_dims, **options)
    except TypeError as e:
        if 'unexpected keyword' not in str(e):
            raise
        names = ', '.join(options)
        raise Fault(f'没有参数{names}', f'no argument {names}') from e
    kind = nn.BatchNorm1d if num_dims == 2 else nn.BatchNorm2d
    layers = layer, kind(C, **options)
    for what, start in (('gamma', 0.5), ('beta', -1.0)):
        for each in layers:
            tensor = get(each, what)
            tensor.data.copy_((start + torch.arange(C)).reshape(tensor.shape))
    return layers


def train(layers: Layers, num_dims: int) -> None:
    """Show both layers the same batches in training mode."""
    for layer in layers:
        dtype = get(layer, 'gamma').dtype
        for seed in range(STEPS):
            # As behind another layer: only so may a graph grow.
            layer.train()(batch(num_dims, seed).to(dtype).requires_grad_())


def trained(make: Make, num_dims: int, **options: Any) -> Layers:
    """Return a pair that has seen some batches."""
    layers = pair(make, num_dims, **options)
    train(layers, num_dims)
    return layers


def get(layer: nn.Module, what: str) -> Tensor:
    """Return a layer's tensor by its key in TENSORS, however it is called."""
    for name in TENSORS[what]:
        tensor = getattr(layer, name, None)
        if isinstance(tensor, Tensor):
            return tensor
    names = TENSORS[what]
    zh, en = '或'.join(names), ' or '.join(names)
    raise Fault(f'没有张量{zh}', f'no tensor {en}')


def call(layer: nn.Module, X: Tensor) -> Tensor:
    """Return the layer's output.

    Raises
    ------
    Fault : no tensor comes out, or one of another shape, or X is changed
    """
    before = X.detach().clone()
    Y: object = layer(X)
    if not isinstance(Y, Tensor):
        kind = type(Y).__name__
        raise Fault(f'输出是{kind}，不是张量', f'returns {kind}, not a tensor')
    if Y.shape != X.shape:
        shapes = f'{tuple(Y.shape)}, {tuple(X.shape)}'
        raise Fault(f'输出和输入形状不同：{shapes}', f'other shape: {shapes}')
    if not torch.equal(X.detach(), before):
        raise Fault('改动了输入', 'changes its input')
    return Y


def output(X: Tensor) -> Read:
    """Read the output in the layer's present mode."""
    return lambda layer: call(layer, X)


def predicted(X: Tensor) -> Read:
    """Read the output as one evaluates: `eval()`, no gradients."""

    def read(layer: nn.Module) -> Tensor:
        with torch.no_grad():
            return call(layer.eval(), X)

    return read


def gradient(what: str, X: Tensor) -> Read:
    """Read the gradient to X, gamma or beta, of an uneven sum of outputs."""

    def read(layer: nn.Module) -> Tensor | None:
        x = X.detach().requires_grad_()
        source = x if what == 'X' else get(layer, what)
        Y = call(layer, x)
        if not (Y.requires_grad and source.requires_grad):
            return None
        # Of a plain sum, the gradient to X would be 0.
        weights = torch.arange(Y.numel()).cos().reshape(Y.shape)
        total = (Y * weights).sum()
        return torch.autograd.grad(total, source, allow_unused=True)[0]

    return read


def held(what: str) -> Read:
    """Read a tensor that the layer holds."""
    return lambda layer: get(layer, what)


MEMORY = held('mean'), held('var')


def gap(layers: Layers, *reads: Read) -> float:
    """Return the largest absolute difference between the two layers.

    Raises
    ------
    Fault : no gradient, another dtype, another size, or nan
    """
    ours, right = layers
    return max(_distance(read(ours), read(right)) for read in reads)


def _distance(got: Tensor | None, want: Tensor | None) -> float:
    if got is None or want is None:
        raise Fault('没有梯度', 'no gradient')
    if got.dtype != want.dtype:
        kinds = f'{got.dtype}, {want.dtype}'.replace('torch.', '')
        raise Fault(f'类型不同：{kinds}', f'other dtype: {kinds}')
    if got.numel() != want.numel():
        sizes = f'{got.numel()}, {want.numel()}'
        raise Fault(f'元素个数不同：{sizes}', f'other size: {sizes}')
    apart = (got.double().flatten() - want.double().flatten()).abs().max()
    if apart.isnan():
        raise Fault('出现nan', 'nan')
    return apart.item()
