"""Batch norm and its family against torch's, over shapes and values.

What the oracle measures of `BatchNorm` is asserted in tests/oracle.
"""

import copy
import inspect
import io
import math
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from torch.testing import assert_close

from d2lmini import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    batch_norm,
    norm,
)
from d2lmini.norm import standardize

# Not made smaller: the broken layers below fail on purpose, at any size.
few = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    derandomize=True,
    max_examples=60,
    report_multiple_bugs=False,  # one kind of error where a test must fail
)
needs_rms = pytest.mark.skipif(
    not hasattr(nn, 'RMSNorm'), reason='nn.RMSNorm came with torch 2.4'
)
SHAPE = (4, 6, 2, 3)
OURS = {
    'layer': lambda: LayerNorm(SHAPE[1:]),
    'group': lambda: GroupNorm(3, 6),
    'instance': lambda: InstanceNorm(6, affine=True),
    'instance without gamma': lambda: InstanceNorm(6),
    'rms': lambda: RMSNorm(SHAPE[1:]),
}
TORCHS = {
    'layer': lambda: nn.LayerNorm(SHAPE[1:]),
    'group': lambda: nn.GroupNorm(3, 6),
    'instance': lambda: nn.InstanceNorm2d(6, affine=True),
    'instance without gamma': lambda: nn.InstanceNorm2d(6),
    'rms': lambda: nn.RMSNorm(SHAPE[1:]),
}
KINDS = [pytest.param(k, marks=needs_rms if k == 'rms' else ()) for k in OURS]
Pair = tuple[nn.Module, nn.Module]


def pair(kind: str) -> Pair:
    """Build both layers, with the same uneven gamma and beta."""
    return alike(OURS[kind](), TORCHS[kind]())


def alike(ours: nn.Module, torchs: nn.Module) -> Pair:
    """Give both layers the same numbers, which are no two alike."""
    both = zip(ours.parameters(), torchs.parameters(), strict=True)
    with torch.no_grad():
        for i, (mine, its) in enumerate(both):
            values = torch.linspace(0.5, 2, mine.numel()) - i
            its.copy_(values.view(its.shape))
            mine.copy_(values.view(mine.shape))
    return ours, torchs


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Return examples and channels that differ in mean and spread."""
    draw = torch.Generator().manual_seed(seed)
    X = torch.randn(shape, generator=draw)
    for axis in (0, 1):
        uneven = torch.linspace(1, 3, shape[axis])
        uneven = uneven.view([-1 if d == axis else 1 for d in range(X.dim())])
        X = X * uneven + uneven
    return X


def gradients(layer: nn.Module, X: Tensor) -> list[Tensor]:
    """Return those to X and the parameters, of a loss with uneven weights."""
    X = X.clone().requires_grad_()
    weights = torch.arange(X.numel()).cos().view(X.shape).to(X.dtype)
    sources = [X, *layer.parameters()]
    return list(torch.autograd.grad((layer(X) * weights).sum(), sources))


def check_alike(both: Pair, X: Tensor) -> None:
    """Check output and gradients in float64: the formula, not rounding."""
    ours, torchs = (copy.deepcopy(layer).double() for layer in both)
    X = X.double()
    assert_close(ours(X), torchs(X), rtol=1e-9, atol=1e-9)
    wanted = gradients(torchs, X)
    for got, want in zip(gradients(ours, X), wanted, strict=True):
        assert_close(got.view(want.shape), want, rtol=1e-7, atol=1e-7)


@st.composite
def batches(draw: Any, least: int = 1) -> Tensor:
    """Draw (N, C, ...) of some sizes, spread and offset."""
    size = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(0, 3)))]
    shape = draw(st.integers(1, 4)), draw(st.integers(least, 6)), *size
    X = numbers(*shape, seed=draw(st.integers(0, 2**31)))
    X = X * 10 ** draw(st.floats(-2, 2))
    return X + draw(st.sampled_from([0.0, 1.0, -30.0]))


# Batch norm

BN_SHAPES = [(6, 3), (5, 3, 2, 4)]
MODES = [True, False]


class Case(NamedTuple):
    """A batch and all that `batch_norm` takes beside it."""

    X: Tensor
    gamma: Tensor
    beta: Tensor
    moving_mean: Tensor
    moving_var: Tensor
    eps: float
    momentum: float
    training: bool

    def flat(self) -> list[Tensor]:
        """Return copies of gamma to moving_var in torch's shape, (C,)."""
        return [tensor.clone().flatten() for tensor in self[1:5]]

    def error(self) -> float:
        """Return how far rounding may move an output, roughly.

        The mean of large values is off by some of their last places, and
        the division by a small deviation makes that larger.
        """
        dims = [d for d in range(self.X.dim()) if d != 1]
        var = self.moving_var
        if self.training:
            var = self.X.var(dim=dims, correction=0, keepdim=True)
        large = max(self.X.abs().max(), self.moving_mean.abs().max())
        gain = (self.gamma.abs() / (var + self.eps).sqrt()).max()
        unit = torch.finfo(self.X.dtype).eps
        return 20 * unit * float(1 + self.beta.abs().max() + large * gain)


@st.composite
def cases(draw: Any, **fixed: Any) -> Case:
    """Draw batches of all kinds: few or many, small or large, off centre."""
    num_dims = draw(st.sampled_from([2, 4]))
    channels = draw(st.integers(1, 5))
    size = [draw(st.integers(1, 6)) for _ in range(num_dims - 2)]
    least = 1 if size and size[0] * size[1] > 1 else 2
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    seeded = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=seeded, dtype=dtype)

    X = normal(draw(st.integers(least, 9)), channels, *size)
    X *= 10 ** draw(st.floats(-2, 2))  # the spread
    X += draw(st.sampled_from([0.0, 1.0, -30.0, 1000.0]))
    shape = (1, channels) + (1,) * (num_dims - 2)
    options = {
        'eps': draw(st.sampled_from([1e-5, 1e-3, 0.1, 2.0])),
        'momentum': draw(st.floats(0, 1)),
        'training': draw(st.booleans()),
    }
    return Case(
        X,
        gamma=normal(*shape),
        beta=normal(*shape),
        moving_mean=normal(*shape),
        moving_var=normal(*shape) ** 2 + 0.1,
        **(options | fixed),
    )


def bn_torchs(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Return what torch's function gives out and remembers."""
    gamma, beta, mean, var = case.flat()
    Y = F.batch_norm(
        case.X, mean, var, gamma, beta,
        case.training, case.momentum, case.eps,
    )  # fmt: skip
    return Y, mean, var


def assert_same_memory(layer: BatchNorm, right: Any) -> None:
    """Assert that both layers remember the same."""
    mean, var = layer.moving_mean.flatten(), layer.moving_var.flatten()
    assert_close(mean, right.running_mean)
    assert_close(var, right.running_var)
    assert layer.num_batches_tracked == right.num_batches_tracked


def bn_pair(shape: tuple[int, ...], **options: Any) -> tuple[Any, Any]:
    """Build our batch norm and torch's, with the same gamma and beta."""
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    ours = BatchNorm(shape[1], len(shape), **options)
    return alike(ours, kind(shape[1], **options))


@few
@given(cases())
def test_output_equals_torchs(case: Case) -> None:
    got, want = batch_norm(*case)[0], bn_torchs(case)[0]
    assert_close(got, want, rtol=0, atol=case.error())


@few
@given(cases(training=True))
def test_memory_equals_torchs(case: Case) -> None:
    (_, *got), (_, *want) = batch_norm(*case), bn_torchs(case)
    rtol = 40 * torch.finfo(case.X.dtype).eps
    for ours, right, power in zip(got, want, (1, 2), strict=True):
        # Of values around 1000, the sum in the variance is of squares of
        # differences whose last places are those of 1000.
        large = float(case.X.abs().max())
        spread = float((case.X - case.X.mean()).abs().max())
        atol = rtol * large * (1 if power == 1 else 1 + spread)
        assert ours.shape == case.gamma.shape
        assert_close(ours.flatten(), right, rtol=rtol, atol=atol)


@few
@given(cases())
def test_gradients_equal_torchs(case: Case) -> None:
    """In float64: what is wrong is the formula, not the rounding."""
    case = Case(*(t.double() for t in case[:5]), *case[5:])
    sources = [t.requires_grad_() for t in case[:3]]
    weights = torch.arange(case.X.numel()).cos().view(case.X.shape).double()
    ours = torch.autograd.grad((batch_norm(*case)[0] * weights).sum(), sources)
    right = torch.autograd.grad((bn_torchs(case)[0] * weights).sum(), sources)
    for got, want in zip(ours, right, strict=True):
        assert_close(got, want, rtol=1e-6, atol=1e-6)


@few
@given(
    shape=st.sampled_from(BN_SHAPES),
    modes=st.lists(st.booleans(), min_size=1, max_size=6),
    eps=st.floats(1e-5, 1),
    momentum=st.none() | st.floats(0, 1),
)
def test_layer_equals_torchs_step_by_step(
    shape: tuple[int, ...],
    modes: list[bool],
    eps: float,
    momentum: float | None,
) -> None:
    layer, right = bn_pair(shape, eps=eps, momentum=momentum)
    for step, training in enumerate(modes):
        X = numbers(*shape, seed=step)
        got, want = layer.train(training)(X), right.train(training)(X)
        assert_close(got, want, rtol=1e-5, atol=1e-5)
        assert_same_memory(layer, right)


@pytest.mark.parametrize('shape', BN_SHAPES)
def test_batch_norm_trained_with_sgd_takes_torchs_path(
    shape: tuple[int, ...],
) -> None:
    layers = bn_pair(shape)
    for layer in layers:
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        for step in range(5):
            optimizer.zero_grad()
            (layer(numbers(*shape, seed=step)) ** 2).mean().backward()
            optimizer.step()
    ours, right = layers
    assert_close(ours.gamma.flatten(), right.weight)
    assert_close(ours.beta.flatten(), right.bias)
    assert_same_memory(ours, right)


@pytest.mark.parametrize('training', MODES)
@pytest.mark.parametrize('shape', BN_SHAPES)
def test_function_changes_none_of_its_inputs(
    shape: tuple[int, ...], training: bool
) -> None:
    layer, _ = bn_pair(shape)
    inputs = [
        numbers(*shape), layer.gamma, layer.beta,
        layer.moving_mean, layer.moving_var,
    ]  # fmt: skip
    before = [tensor.detach().clone() for tensor in inputs]
    batch_norm(*inputs, 1e-5, 0.1, training)
    for tensor, was in zip(inputs, before, strict=True):
        assert torch.equal(tensor, was)


def test_function_gives_back_the_same_memory_in_evaluation() -> None:
    layer, _ = bn_pair((6, 3))
    memory = layer.moving_mean, layer.moving_var
    _, mean, var = batch_norm(
        numbers(6, 3), layer.gamma, layer.beta, *memory, 1e-5, 0.1, False
    )
    assert mean is memory[0]
    assert var is memory[1]


def test_function_gives_back_a_new_memory_without_a_graph() -> None:
    layer, _ = bn_pair((6, 3))
    memory = layer.moving_mean, layer.moving_var
    X = numbers(6, 3).requires_grad_()
    _, *new = batch_norm(X, layer.gamma, layer.beta, *memory, 1e-5, 0.1, True)
    for tensor, old in zip(new, memory, strict=True):
        assert tensor is not old
        assert not tensor.requires_grad


def test_a_second_forward_does_not_spoil_the_first_ones_backward() -> None:
    """The memory changes in place between them."""
    layer, right = bn_pair((6, 3))
    grads = []
    for each in (layer, right):
        X = numbers(6, 3).requires_grad_()
        once = each(X).cos().sum()
        each(numbers(6, 3, seed=1))
        once.backward()
        grads.append(X.grad)
    assert_close(*grads)


@pytest.mark.parametrize('shape', [(1, 3), (1, 3, 1, 1)])
def test_one_value_a_channel_raises_in_training_as_in_torch(
    shape: tuple[int, ...],
) -> None:
    layer, right = bn_pair(shape)
    X = numbers(*shape)
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        right(X)
    with pytest.raises(ValueError, match='more than 1 value per chan') as told:
        layer(X)
    assert f'got shape {shape}' in str(told.value)
    assert 'use a larger batch, or eval()' in str(told.value)
    assert layer.moving_mean.abs().sum() == 0
    assert_close(layer.eval()(X), right.eval()(X))


@pytest.mark.parametrize(
    ('built', 'shape'),
    [
        ((4, 3), (4, 2)),
        ((4, 3), (4, 3, 2, 2)),
        ((4, 3), (3,)),
        ((4, 3), ()),
        ((4, 3), (4, 3, 2)),
        ((4, 3, 2, 2), (4, 2, 3, 2)),
        ((4, 3, 2, 2), (4, 3)),
        ((4, 3, 2, 2), (3, 2, 2)),
        ((4, 3, 2, 2), (4, 3, 2, 2, 2)),
    ],
)
@pytest.mark.parametrize('training', MODES)
def test_shape_that_does_not_fit_is_named(
    built: tuple[int, ...], shape: tuple[int, ...], training: bool
) -> None:
    layer, _ = bn_pair(built)
    with pytest.raises(ValueError, match='X must be') as told:
        layer.train(training)(torch.ones(shape))
    assert str(shape) in str(told.value)
    assert '(N, C, H, W)' in str(told.value)


@pytest.mark.parametrize('num_dims', [0, 1, 3, 5, 2.5])
def test_num_dims_must_be_two_or_four(num_dims: Any) -> None:
    with pytest.raises(ValueError, match=f'be 2 or 4, got {num_dims}'):
        BatchNorm(3, num_dims)


def test_state_has_the_lectures_names() -> None:
    layer = BatchNorm(3, 4)
    shapes = {name: t.shape for name, t in layer.state_dict().items()}
    channel = (1, 3, 1, 1)
    assert shapes == {
        'gamma': channel, 'beta': channel,
        'moving_mean': channel, 'moving_var': channel,
        'num_batches_tracked': (),
    }  # fmt: skip
    assert [name for name, _ in layer.named_parameters()] == ['gamma', 'beta']


def test_fresh_layer_starts_as_torchs() -> None:
    layer, right = BatchNorm(3, 2), nn.BatchNorm1d(3)
    values = zip(
        layer.state_dict().values(), right.state_dict().values(), strict=True
    )
    assert all(torch.equal(a.flatten(), b.flatten()) for a, b in values)
    assert (layer.eps, layer.momentum) == (right.eps, right.momentum)


# As near to the truth as torch, on numbers of all kinds

STEPS = int(os.environ.get('NORM_STEPS', '60'))  # 1200 for all of them
TWINS: dict[str, Callable[..., Any]] = {
    'batch': lambda C, size: bn_pair((9, C, *size)),
    'group': lambda C, size: (GroupNorm(C // 2, C), nn.GroupNorm(C // 2, C)),
    'layer': lambda C, size: (LayerNorm((C, *size)), nn.LayerNorm((C, *size))),
    'instance': lambda C, size: (
        InstanceNorm(C, affine=True),
        nn.InstanceNorm2d(C, affine=True),
    ),
}


class Step(NamedTuple):
    """One forward and backward pass of a layer, ours and torch's."""

    layers: Pair
    X: Tensor
    weights: Tensor  # the gradient of the loss to the output

    @classmethod
    def drawn(cls, i: int) -> 'Step':
        """Draw sizes, offset, spread, a constant, the type, the mode."""
        draw = torch.Generator().manual_seed(i)

        def among(*choices: Any) -> Any:
            return choices[
                int(torch.randint(len(choices), (), generator=draw))
            ]

        def power(low: float, high: float) -> float:
            at = torch.rand((), generator=draw).item()
            return 10 ** (low + (high - low) * at)

        kind, C = among('batch', 'batch', *TWINS), among(2, 4, 6)
        size = [int(power(0.31, 1.6)), int(power(0, 1.6))]
        most = (1e6 if i % 20 == 0 else 1e4) / math.prod(size)
        if kind == 'batch' and among(True, False):
            size = []
        X = torch.randn(max(2, int(power(0.31, math.log10(max(most, 3))))), C,
                        *size, generator=draw)  # fmt: skip
        offset = among(0, 1, power(0, 6), -power(0, 6))
        X = X * power(-3, 3) + offset
        if among(True, *[False] * 6):
            X = torch.full_like(X, among(1, -1) * power(-3, 10))
        weights = torch.randn(X.shape, generator=draw)
        ours, torchs = TWINS[kind](C, size)
        with torch.no_grad():
            for mine, its in zip(
                ours.state_dict().values(), torchs.state_dict().values(),
                strict=True,
            ):  # fmt: skip
                if its.is_floating_point():
                    its.normal_(generator=draw).abs_()
                    mine.copy_(its.view(mine.shape))
        dtype = among(torch.float, torch.float, torch.half, torch.bfloat16)
        X = X.clamp(-6e4, 6e4).to(dtype)
        if dtype != torch.float and among(True, False):
            ours, torchs = ours.to(dtype), torchs.to(dtype)
        training = among(True, True, True, False)
        for layer in (ours, torchs):
            layer.train(training)
        return cls((ours, torchs), X, weights.to(dtype))

    def results(self, layer: nn.Module, X: Tensor) -> list[Tensor]:
        """Return the output, all gradients, and what is remembered."""
        X = X.clone().requires_grad_()
        sources = [X, *layer.parameters()]
        Y = layer(X)
        grads = torch.autograd.grad(Y, sources, self.weights.to(Y.dtype))
        return [Y.detach(), *grads, *[*layer.buffers()][:2]]

    def excess(self) -> float:
        """Return how far ours exceed twice torch's errors, in roundings."""
        ours, torchs = self.layers
        exact = copy.deepcopy(torchs).double()
        all_of_them = zip(
            self.results(ours, self.X), self.results(torchs, self.X),
            self.results(exact, self.X.double()), strict=True,
        )  # fmt: skip
        most, spread = 0.0, float(self.X.double().std())
        for i, (mine, its, true) in enumerate(all_of_them):
            got, want = mine.double().flatten(), its.double().flatten()
            if not want.isfinite().all():
                assert torch.equal(got.isfinite(), want.isfinite())
                continue
            assert got.isfinite().all()  # nan is no distance
            right, limits = true.double().flatten(), torch.finfo(mine.dtype)
            error = (got - right).abs().max() - 2 * (want - right).abs().max()
            size = right.abs().max() + limits.smallest_normal
            if i == 4:  # the moving mean
                size = size + spread  # a mean of 0 has no digits to lose
            most = max(most, float(error / size) / limits.eps)
        return most


@pytest.mark.filterwarnings('ignore:Mismatch dtype')
@pytest.mark.parametrize('i', range(STEPS))
def test_no_result_is_farther_from_the_truth_than_twice_torchs(i: int) -> None:
    assert Step.drawn(i).excess() < 8


# Layer, instance, group and RMS norm equal torch's

EPS = st.sampled_from([1e-5, 1e-3, 0.1, 2.0])


@few
@given(batches(least=2), EPS, st.data())
def test_layer_norm_equals_torchs(X: Tensor, eps: float, data: Any) -> None:
    first = data.draw(st.integers(1, X.dim() - 1), label='first axis')
    shape: Any = X.shape[first:]
    if shape.numel() < 2:
        shape = X.shape[1:]
    if len(shape) == 1 and data.draw(st.booleans(), label='as a number'):
        shape = shape[0]
    check_alike(alike(LayerNorm(shape, eps), nn.LayerNorm(shape, eps)), X)


@few
@given(batches(), EPS, st.data())
def test_group_norm_equals_torchs(X: Tensor, eps: float, data: Any) -> None:
    C, places = X.shape[1], math.prod(X.shape[2:])
    fit = [g for g in range(1, C + 1) if C % g == 0 and C // g * places > 1]
    if not fit:
        with pytest.raises(ValueError, match='more than 1 value'):
            GroupNorm(C, C)(X)
        return
    how = data.draw(st.sampled_from(fit)), C, eps, data.draw(st.booleans())
    check_alike(alike(GroupNorm(*how), nn.GroupNorm(*how)), X)


@few
@given(batches(), EPS, st.booleans(), st.booleans())
def test_instance_norm_equals_torchs(
    X: Tensor, eps: float, affine: bool, training: bool
) -> None:
    C, size = X.shape[1], X.shape[2:]
    if math.prod(size) < 2:
        with pytest.raises(ValueError, match='more than 1 value'):
            InstanceNorm(C)(X)
        return
    kinds = nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d
    torchs = kinds[len(size) - 1](C, eps, affine=affine)
    ours, torchs = alike(InstanceNorm(C, eps, affine), torchs)
    check_alike((ours.train(training), torchs.train(training)), X)


@needs_rms
@few
@given(batches(), st.none() | EPS, st.data())
def test_rms_norm_equals_torchs(
    X: Tensor, eps: float | None, data: Any
) -> None:
    shape = X.shape[data.draw(st.integers(1, X.dim() - 1)) :]
    check_alike(alike(RMSNorm(shape, eps), nn.RMSNorm(shape, eps)), X)


@few
@given(batches(), EPS)
def test_rms_norm_is_its_formula(X: Tensor, eps: float) -> None:
    """Also where torch is too old to have the layer."""
    X = X.double().flatten(1)
    layer = RMSNorm(X.shape[1], eps).double()
    nn.init.normal_(layer.gamma, generator=torch.Generator().manual_seed(0))
    for got, x in zip(layer(X), X.tolist(), strict=True):
        rms = math.sqrt(math.fsum(v * v for v in x) / len(x) + eps)
        gamma = layer.gamma.tolist()
        want = [g * v / rms for g, v in zip(gamma, x, strict=True)]
        right = torch.tensor(want, dtype=torch.float64)
        assert_close(got, right, rtol=1e-12, atol=0)


@pytest.mark.parametrize('kind', KINDS)
def test_outputs_agree_in_single_precision(kind: str) -> None:
    ours, torchs = pair(kind)
    assert_close(ours(numbers(*SHAPE)), torchs(numbers(*SHAPE)))


@pytest.mark.parametrize('kind', OURS)
def test_gradients_are_the_numerical_ones(kind: str) -> None:
    layer = OURS[kind]().double()
    names = [name for name, _ in layer.named_parameters()]
    X = numbers(2, *SHAPE[1:]).double().requires_grad_()
    draw = torch.Generator().manual_seed(1)
    values = [
        torch.randn(p.shape, generator=draw, dtype=torch.float64)
        for p in layer.parameters()
    ]

    def output(X: Tensor, *values: Tensor) -> Tensor:
        named = dict(zip(names, values, strict=True))
        return torch.func.functional_call(layer, named, (X,))

    sources = X, *(value.requires_grad_() for value in values)
    assert torch.autograd.gradcheck(output, sources)


@pytest.mark.parametrize('same', [True, False])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.filterwarnings('ignore:Mismatch dtype')
def test_half_precision_comes_back_as_it_came(
    kind: str, dtype: torch.dtype, same: bool
) -> None:
    """With float32 parameters, and with parameters in half."""
    ours, torchs = (m.to(dtype) if same else m for m in pair(kind))
    if kind == 'rms':  # the default has been another one in half
        ours.eps = torchs.eps = 1e-5
    X = numbers(*SHAPE).to(dtype)
    got, want = ours(X), torchs(X)
    assert got.dtype == want.dtype == dtype
    # Torch may round on the way: terms of up to 8 add up to an output.
    unit = torch.finfo(dtype).eps
    assert_close(got, want, rtol=2 * unit, atol=8 * unit)


def test_half_precision_does_not_overflow_on_the_way() -> None:
    X = torch.tensor([[300.0, -300.0, 200.0, 0.0]]).half()  # 300^2 > 65504
    for layer in (LayerNorm(4), GroupNorm(1, 4), RMSNorm(4)):
        assert_close(layer(X).float(), layer(X.float()), rtol=0, atol=2e-3)


def test_rms_norm_without_eps_takes_that_of_the_computing_type() -> None:
    for dtype in (torch.float32, torch.float64):
        x = torch.full((1, 4), 1e-4, dtype=dtype)
        want = x / torch.sqrt(x**2 + torch.finfo(dtype).eps)
        assert_close(RMSNorm(4).to(dtype)(x), want)


@pytest.mark.parametrize('kind', KINDS)
def test_training_with_sgd_takes_torchs_path(kind: str) -> None:
    net, right = (
        nn.Sequential(nn.Conv2d(6, 6, 1), layer) for layer in pair(kind)
    )
    right[0].load_state_dict(net[0].state_dict())
    for each in (net, right):
        optimizer = torch.optim.SGD(each.parameters(), lr=0.1)
        for step in range(5):
            optimizer.zero_grad()
            (each(numbers(*SHAPE, seed=step)) - 1).abs().mean().backward()
            optimizer.step()
    both = zip(net.parameters(), right.parameters(), strict=True)
    for mine, its in both:
        assert_close(mine, its, rtol=1e-4, atol=1e-5)


# What an example gives depends on nothing but itself


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('kind', OURS)
def test_an_example_is_alone(kind: str, training: bool) -> None:
    layer, X = OURS[kind]().train(training), numbers(*SHAPE)
    assert not list(layer.buffers())
    alone = torch.cat([layer(x[None]) for x in X])
    assert_close(layer(X), alone, rtol=1e-6, atol=1e-6)
    assert_close(layer(X), copy.deepcopy(layer).eval()(X), rtol=0, atol=0)
    assert layer(X[:0]).shape == (0, *SHAPE[1:])


def test_the_family_meets_at_its_ends() -> None:
    """One group is layer norm, a group a channel is instance norm."""
    X = numbers(*SHAPE)
    layer, one = LayerNorm(SHAPE[1:]), GroupNorm(1, 6)
    assert_close(layer(X), one(X))
    assert torch.equal(InstanceNorm(6)(X), GroupNorm(6, 6)(X))
    centred = X - X.mean(dim=(1, 2, 3), keepdim=True)
    rms = RMSNorm(SHAPE[1:], eps=1e-5)
    assert_close(rms(centred), layer(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_any_memory_layout_gives_the_same(kind: str) -> None:
    ours, torchs = pair(kind)
    X = numbers(*SHAPE)
    odd = X.transpose(2, 3).contiguous().transpose(2, 3)
    last = X.contiguous(memory_format=torch.channels_last)
    for each in (odd, last):
        assert not each.is_contiguous()
        assert_close(ours(each), torchs(X))


@pytest.mark.parametrize('kind', OURS)
def test_offset_takes_little_precision(kind: str) -> None:
    """The variance is that of differences: an offset of 1e4 is no harm."""
    layer, X = OURS[kind](), numbers(*SHAPE) + 1e4
    want = copy.deepcopy(layer).double()(X.double()).float()
    assert_close(layer(X), want, rtol=0, atol=5e-3)


@pytest.mark.parametrize('kind', OURS)
def test_the_input_stays_as_it_was(kind: str) -> None:
    X = numbers(*SHAPE)
    OURS[kind]()(X)
    assert torch.equal(X, numbers(*SHAPE))


@pytest.mark.parametrize('kind', OURS)
def test_saved_and_copied_layers_go_on_alike(kind: str) -> None:
    layer, fresh = OURS[kind](), OURS[kind]()
    for p in layer.parameters():
        nn.init.normal_(p, generator=torch.Generator().manual_seed(0))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    X = numbers(*SHAPE)
    for twin in (fresh, copy.deepcopy(layer)):
        assert torch.equal(twin(X), layer(X))


@pytest.mark.parametrize('kind', KINDS)
def test_state_has_torchs_shapes(kind: str) -> None:
    ours, torchs = OURS[kind](), TORCHS[kind]()
    names = {'weight': 'gamma', 'bias': 'beta'}
    want = {names[k]: v for k, v in torchs.state_dict().items()}
    assert list(ours.state_dict()) == list(want)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, want[name])
    if kind != 'rms':
        assert ours.eps == torchs.eps


# Errors say the rule, what came and what to do


@pytest.mark.parametrize('training', MODES)
@pytest.mark.parametrize('eps', [-1e-5, -1, 0, 0.0, 1e-30, math.nan])
def test_eps_is_refused_where_torch_refuses_it(
    eps: float, training: bool
) -> None:
    ours, torchs = (each.train(training) for each in bn_pair((6, 3), eps=eps))
    if eps < 0 or (training and eps == 0):
        with pytest.raises(ValueError, match='eps must be '):
            ours(numbers(6, 3))
        assert not ours.moving_mean.any()
        return
    got = ours(numbers(6, 3))
    try:
        want = torchs(numbers(6, 3))
    except ValueError:  # torch 2.11 takes no 0 in evaluation either
        assert eps == 0
    else:
        assert_close(got, want, equal_nan=True)


@pytest.mark.parametrize('momentum', [0, 1, -0.5, 1.5, True, math.nan, '0.1'])
def test_momentum_is_taken_where_torch_takes_it(momentum: Any) -> None:
    ours, torchs = bn_pair((6, 3), momentum=momentum)
    if isinstance(momentum, str):
        for layer in (ours, torchs):
            with pytest.raises(TypeError):
                layer(numbers(6, 3))
        return
    for layer in (ours, torchs):
        layer(numbers(6, 3))
    mean = ours.moving_mean.flatten()
    assert_close(mean, torchs.running_mean, equal_nan=True)


def filled(layer: nn.Module) -> dict[str, Any]:
    """Return a state in which no two numbers are alike."""
    state = layer.state_dict()
    for i, value in enumerate(state.values()):
        value.copy_((torch.arange(value.numel()) + 3 * i).view(value.shape))
    return state


@pytest.mark.parametrize('depth', ['', '0.'])
@pytest.mark.parametrize(
    'made', [BatchNorm(3, 2), BatchNorm(3, 4), nn.BatchNorm2d(3)]
)
def test_a_state_is_taken_where_torch_takes_it(
    made: nn.Module, depth: str
) -> None:
    layer: nn.Module = BatchNorm(3, 4)
    state = filled(nn.Sequential(made) if depth else made)
    before = list(state)
    (nn.Sequential(layer) if depth else layer).load_state_dict(state)
    assert list(state) == before  # the reader's own is left alone
    for got, want in zip(layer.state_dict().values(), state.values(),
                         strict=True):  # fmt: skip
        assert torch.equal(got.flatten(), want.flatten())


def test_an_old_state_may_lack_the_count_and_a_new_one_may_not() -> None:
    for layer in (BatchNorm(3, 4), nn.BatchNorm2d(3)):
        state = filled(layer)
        del state['num_batches_tracked']
        layer.num_batches_tracked.fill_(7)
        with pytest.raises(RuntimeError, match='Missing key'):
            layer.load_state_dict(state)
        layer.load_state_dict(dict(state))  # without its version
        assert layer.num_batches_tracked == 7
        state[next(iter(state))] = torch.ones(2)
        with pytest.raises(RuntimeError, match='size mismatch'):
            layer.load_state_dict(dict(state))


def told(work: Callable[[], Any]) -> str:
    with pytest.raises(ValueError) as error:
        work()
    return str(error.value)


@pytest.mark.parametrize('groups', [0, -1, 4, 5, 12])
def test_groups_must_divide_the_channels(groups: int) -> None:
    text = told(lambda: GroupNorm(groups, 6))
    assert 'must divide' in text and f'got {groups} and 6' in text
    assert '[1, 2, 3, 6]' in text


@pytest.mark.parametrize('shape', [(), (6,), (2, 5), (6, 2, 2), (2, 5, 6)])
def test_channels_that_do_not_fit_are_named(shape: tuple[int, ...]) -> None:
    for layer in (GroupNorm(2, 6), InstanceNorm(6)):
        text = told(lambda layer=layer: layer(torch.ones(shape)))
        assert '(N, 6, ...)' in text and f'got {shape}' in text


@pytest.mark.parametrize('shape', [(), (2, 5), (6, 5), (6,)])
def test_last_axes_that_do_not_fit_are_named(shape: tuple[int, ...]) -> None:
    for layer in (LayerNorm((5, 6)), RMSNorm((5, 6))):
        text = told(lambda layer=layer: layer(torch.ones(shape)))
        assert '(5, 6)' in text and f'got shape {shape}' in text
        assert 'sizes of the last axes' in text


def test_no_axes_are_too_few() -> None:
    assert 'end in the axes ()' in told(lambda: LayerNorm([])(torch.ones(2)))


@pytest.mark.parametrize(
    ('make', 'shape'),
    [
        (lambda: LayerNorm(1), (4, 1)),
        (lambda: GroupNorm(6, 6), (4, 6)),
        (lambda: GroupNorm(6, 6), (4, 6, 1, 1)),
        (lambda: InstanceNorm(6), (4, 6)),
        (lambda: InstanceNorm(6), (4, 6, 1, 1)),
    ],
)
def test_one_value_a_mean_is_refused(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    text = told(lambda: make()(torch.ones(shape)))
    assert 'more than 1 value' in text and 'fewer groups' in text
    assert RMSNorm(1)(torch.full((4, 1), -3.0)).tolist() == [[-1.0]] * 4


# Each check above sees what it is for: norms broken in one place.

_CENTRE = 'if centre:'
BROKEN = {
    'the mean stays in': (_CENTRE, 'if False:'),
    'no gradient through the mean': ('x - x.mean', 'x - x.detach().mean'),
    'no gradient through the size': ('torch.sqrt((x', 'torch.sqrt((x.data'),
    'unbiased': (
        '(x**2).mean(dim=dims, keepdim=True)',
        'x.var(dim=dims, keepdim=True)',
    ),
    'eps outside the root': (' + eps)', ') + eps'),
    'RMS norm takes the mean away': ('centre=False)', 'centre=True)'),
    'layer norm over one axis': (
        'X_hat = standardize(X, last_axes(X, self.shape), self.eps)',
        'X_hat = standardize(X, (-1,), self.eps)',
    ),
    'groups also over examples': ('range(2, groups', 'range(0, groups'),
    'groups that are not neighbours': (
        'X.reshape(N, G, C // G, *size)',
        'X.reshape(N, C // G, G, *size).transpose(1, 2)',
    ),
    'layer norm without beta': (' * X_hat + self.beta)', ' * X_hat)'),
    'group norm without gamma': (
        'gamma.view(each[1:]).expand(each) * ',
        '',
    ),
    'group norm with gamma squared': (
        'Y = gamma.view(each[1:])',
        'Y = gamma.view(each[1:]).square()',
    ),
    'always with gamma': ('if affine:', 'if True:'),
}
WHERE: dict[str, Callable[[Any], tuple[nn.Module, nn.Module, tuple]]] = {
    'layer': lambda m: (m.LayerNorm((6, 3)), nn.LayerNorm((6, 3)), (4, 6, 3)),
    'group': lambda m: (m.GroupNorm(3, 6), nn.GroupNorm(3, 6), SHAPE),
    'instance': lambda m: (
        m.InstanceNorm(6),
        nn.InstanceNorm2d(6),
        SHAPE,
    ),
    'rms': lambda m: (m.RMSNorm(6, 1e-2), RMSNorm(6, 1e-2), (4, 6)),
}


def broken(old: str, new: str) -> SimpleNamespace:
    source = inspect.getsource(norm)
    assert old in source, f'norm.py has no {old!r}'
    names: dict[str, Any] = {'__name__': 'broken'}
    exec(source.replace(old, new), names)
    return SimpleNamespace(**names)


def differing(names: Any) -> set[str]:
    """Return the layers in which the comparison above finds a fault."""
    found = set()
    for kind, build in WHERE.items():
        *layers, shape = build(names)
        try:
            check_alike(alike(*layers), numbers(*shape))
        except (AssertionError, ValueError):  # a count of parameters differs
            found.add(kind)
    return found


def test_sound_layers_pass_the_comparison() -> None:
    assert differing(norm) == set()


@pytest.mark.parametrize('fault', BROKEN)
def test_the_comparison_sees_a_broken_layer(fault: str) -> None:
    assert differing(broken(*BROKEN[fault]))


_SQUARE = '(x**2).mean(dim=dims, keepdim=True)'
_GAMMA = 'nn.Parameter(torch.ones(self.shape))'
_BETA = 'nn.Parameter(torch.zeros(self.shape))'
SEEN: list[tuple[Callable[..., None], tuple, str, str]] = [
    (test_layer_norm_equals_torchs, (), _CENTRE, 'if False:'),
    (test_group_norm_equals_torchs, (), 'range(2, g', 'range(0, g'),
    (test_instance_norm_equals_torchs, (), 'if affine:', 'if False:'),
    (test_rms_norm_equals_torchs, (), 'centre=False)', 'centre=True)'),
    (test_rms_norm_is_its_formula, (), 'centre=False)', 'centre=True)'),
    (
        test_outputs_agree_in_single_precision,
        ('layer',),
        ' + eps)',
        ' + 2 * eps + 1e-3)',
    ),
    (
        test_gradients_are_the_numerical_ones,
        ('group',),
        'x - x.mean',
        'x - x.detach().mean',
    ),
    (
        test_half_precision_comes_back_as_it_came,
        ('group', torch.half, False),
        'return Y.to(X.dtype)',
        'return Y',
    ),
    (
        test_half_precision_does_not_overflow_on_the_way,
        (),
        'X.float() if',
        'X if',
    ),
    (
        test_rms_norm_without_eps_takes_that_of_the_computing_type,
        (),
        'torch.finfo(x.dtype).eps',
        'torch.finfo(torch.float32).eps',
    ),
    (
        test_training_with_sgd_takes_torchs_path,
        ('layer',),
        _BETA,
        _BETA.replace('))', '), requires_grad=False)'),
    ),
    (test_an_example_is_alone, ('group', True), 'range(2, g', 'range(0, g'),
    (
        test_the_family_meets_at_its_ends,
        (),
        '(num_features, num_features',
        '(1, num_features',
    ),
    (
        test_any_memory_layout_gives_the_same,
        ('group',),
        'groups = X.reshape(',
        'groups = X.as_strided(X.shape, X.contiguous().stride()).reshape(',
    ),
    (
        test_offset_takes_little_precision,
        ('layer',),
        _SQUARE,
        '((X**2).mean(dims, keepdim=True) - X.mean(dims, keepdim=True)**2)',
    ),
    (
        test_the_input_stays_as_it_was,
        ('layer',),
        'x = x - x.detach()',
        'x -= x.detach()',
    ),
    (
        test_saved_and_copied_layers_go_on_alike,
        ('layer',),
        _GAMMA,
        'torch.rand(self.shape)',
    ),
    (
        test_state_has_torchs_shapes,
        ('group',),
        'torch.ones(num_channels)',
        'torch.ones(1, num_channels)',
    ),
    (
        test_one_value_a_mean_is_refused,
        (lambda: LayerNorm(1), (4, 1)),
        'if centre and math',
        'if False and math',
    ),
]


@needs_rms
@pytest.mark.parametrize('test, args, old, new', SEEN)
def test_each_check_fails_on_a_broken_layer(
    test: Callable[..., None],
    args: tuple,
    old: str,
    new: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in vars(broken(old, new)).items():
        if name.endswith('Norm') or name == 'standardize':
            monkeypatch.setitem(globals(), name, value)
    told = AssertionError, RuntimeError, ValueError, pytest.fail.Exception
    with pytest.raises(told):
        test(*args)


@pytest.mark.parametrize(
    'rule',
    [
        'num_groups < 1 or num_channels % num_groups',
        'centre and math.prod(X.shape[d] for d in dims) == 1',
        'k == 0 or X.shape[-k:] != shape',
    ],
)
def test_without_its_check_an_error_is_not_raised(rule: str) -> None:
    names: Any = broken(f'if {rule}:', 'if False:')
    works = (
        lambda: names.GroupNorm(4, 6),
        lambda: names.LayerNorm(1)(torch.ones(4, 1)),
        lambda: names.LayerNorm(1)(torch.ones(4, 2)),
    )
    silent = 0
    for work in works:
        try:
            work()
            silent += 1
        except (ValueError, RuntimeError):
            pass
    assert silent == 1


def test_standardize_is_exact_where_arithmetic_is() -> None:
    X = torch.tensor([[1.0, 3.0], [-5.0, 5.0]])
    want = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])
    assert torch.equal(standardize(X, (1,), 0.0), want)
    kept = standardize(X, (1,), 0.0, centre=False)
    assert_close((kept**2).mean(dim=1), torch.ones(2))
    assert_close(kept[1], want[1])


@pytest.mark.parametrize('centre', [True, False], ids=['group', 'rms'])
def test_the_backward_formula_that_lesson_08_shows(centre: bool) -> None:
    make = torch.Generator().manual_seed(0)
    X, g, gamma = (
        torch.randn(size, generator=make, dtype=torch.float64)
        for size in ((4, 6, 5), (4, 6, 5), (6, 1))
    )
    X.requires_grad_()
    # S: a group of 3 channels, or for RMS norm the whole example
    layer = GroupNorm(2, 6) if centre else RMSNorm((6, 5), eps=1e-6)
    layer = layer.double()
    with torch.no_grad():
        layer.gamma.copy_(gamma.expand(6, 5) if not centre else gamma[:, 0])
    (found,) = torch.autograd.grad((g * layer(X)).sum(), X)

    sets = (4, 2 if centre else 1, -1)  # a set each
    x, up = X.detach().view(sets), (gamma * g).view(sets)
    x_hat = standardize(x, (2,), layer.eps, centre=centre)
    centred = x - x.mean(2, keepdim=True) if centre else x
    up_mean = up.mean(2, keepdim=True) if centre else 0.0
    want = up - up_mean - x_hat * (up * x_hat).mean(2, keepdim=True)
    sigma = torch.sqrt((centred**2).mean(2, keepdim=True) + layer.eps)
    assert_close(found, (want / sigma).view(X.shape))
