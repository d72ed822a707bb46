"""The from-scratch layer against torch's, over shapes and values."""

import copy
import io
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from d2lmini import BatchNorm, batch_norm

SHAPES = [(6, 3), (5, 3, 2, 4)]
MODES = [True, False]
few = settings(deadline=None, derandomize=True, max_examples=60)


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
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=numbers, dtype=dtype)

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


def torchs(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Return what torch's function gives out and remembers."""
    gamma, beta, mean, var = case.flat()
    Y = F.batch_norm(
        case.X, mean, var, gamma, beta,
        case.training, case.momentum, case.eps,
    )  # fmt: skip
    return Y, mean, var


def pair(shape: tuple[int, ...], **options: Any) -> tuple[BatchNorm, Any]:
    """Build both layers, with the same uneven gamma and beta."""
    layer = BatchNorm(shape[1], len(shape), **options)
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    right = kind(shape[1], **options)
    with torch.no_grad():
        for tensor in (layer.gamma, right.weight):
            tensor.copy_(torch.linspace(0.5, 2, shape[1]).view(tensor.shape))
        for tensor in (layer.beta, right.bias):
            tensor.copy_(torch.linspace(-1, 1, shape[1]).view(tensor.shape))
    return layer, right


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Return a batch with mean 2 and deviation 3."""
    return 3 * torch.randn(shape, generator=_seeded(seed)) + 2


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_same_memory(layer: BatchNorm, right: Any) -> None:
    """Assert that both layers remember the same."""
    mean, var = layer.moving_mean.flatten(), layer.moving_var.flatten()
    torch.testing.assert_close(mean, right.running_mean)
    torch.testing.assert_close(var, right.running_var)
    assert layer.num_batches_tracked == right.num_batches_tracked


@few
@given(cases())
def test_output_equals_torchs(case: Case) -> None:
    got, want = batch_norm(*case)[0], torchs(case)[0]
    torch.testing.assert_close(got, want, rtol=0, atol=case.error())


@few
@given(cases(training=True))
def test_memory_equals_torchs(case: Case) -> None:
    (_, *got), (_, *want) = batch_norm(*case), torchs(case)
    rtol = 40 * torch.finfo(case.X.dtype).eps
    for ours, right, power in zip(got, want, (1, 2), strict=True):
        # Of values around 1000, the sum in the variance is of squares of
        # differences whose last places are those of 1000.
        large = float(case.X.abs().max())
        spread = float((case.X - case.X.mean()).abs().max())
        atol = rtol * large * (1 if power == 1 else 1 + spread)
        assert ours.shape == case.gamma.shape
        torch.testing.assert_close(ours.flatten(), right, rtol=rtol, atol=atol)


@few
@given(cases())
def test_gradients_equal_torchs(case: Case) -> None:
    """In float64: what is wrong is the formula, not the rounding."""
    case = Case(*(t.double() for t in case[:5]), *case[5:])
    sources = [t.requires_grad_() for t in case[:3]]
    weights = torch.arange(case.X.numel()).cos().view(case.X.shape).double()
    ours = torch.autograd.grad((batch_norm(*case)[0] * weights).sum(), sources)
    right = torch.autograd.grad((torchs(case)[0] * weights).sum(), sources)
    for got, want in zip(ours, right, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)


@few
@given(
    shape=st.sampled_from(SHAPES),
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
    layer, right = pair(shape, eps=eps, momentum=momentum)
    for step, training in enumerate(modes):
        X = numbers(*shape, seed=step)
        got, want = layer.train(training)(X), right.train(training)(X)
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
        assert_same_memory(layer, right)


@pytest.mark.parametrize('training', MODES)
@pytest.mark.parametrize('shape', SHAPES)
def test_gradients_are_the_numerical_ones(
    shape: tuple[int, ...], training: bool
) -> None:
    X = numbers(*shape).double().requires_grad_()
    layer, _ = pair(shape)
    gamma, beta = layer.gamma.double(), layer.beta.double()

    def output(X: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        mean, var = layer.moving_mean.double(), layer.moving_var.double()
        return batch_norm(X, gamma, beta, mean, var, 1e-5, 0.1, training)[0]

    assert torch.autograd.gradcheck(output, (X, gamma, beta))


def test_gradient_to_the_input_sums_to_zero_in_each_channel() -> None:
    X = numbers(5, 3, 2, 4).requires_grad_()
    layer, _ = pair(X.shape)
    (layer(X) ** 3).sum().backward()
    assert X.grad is not None
    assert X.grad.abs().max() > 0.01
    assert X.grad.sum(dim=(0, 2, 3)).abs().max() < 1e-4


@pytest.mark.parametrize('shape', SHAPES)
def test_training_with_sgd_takes_torchs_path(shape: tuple[int, ...]) -> None:
    layers = pair(shape)
    for layer in layers:
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        for step in range(5):
            optimizer.zero_grad()
            (layer(numbers(*shape, seed=step)) ** 2).mean().backward()
            optimizer.step()
    ours, right = layers
    torch.testing.assert_close(ours.gamma.flatten(), right.weight)
    torch.testing.assert_close(ours.beta.flatten(), right.bias)
    assert_same_memory(ours, right)


@pytest.mark.parametrize('training', MODES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_comes_back_as_it_came(
    dtype: torch.dtype, training: bool
) -> None:
    X = numbers(8, 3).to(dtype)
    layer, right = pair(X.shape)
    got, want = layer.train(training)(X), right.train(training)(X)
    assert got.dtype == want.dtype == dtype
    torch.testing.assert_close(got, want)
    assert layer.moving_var.dtype == torch.float32
    assert_same_memory(layer, right)


@pytest.mark.parametrize('training', MODES)
@pytest.mark.parametrize('shape', SHAPES)
def test_function_changes_none_of_its_inputs(
    shape: tuple[int, ...], training: bool
) -> None:
    layer, _ = pair(shape)
    inputs = [
        numbers(*shape), layer.gamma, layer.beta,
        layer.moving_mean, layer.moving_var,
    ]  # fmt: skip
    before = [tensor.detach().clone() for tensor in inputs]
    batch_norm(*inputs, 1e-5, 0.1, training)
    for tensor, was in zip(inputs, before, strict=True):
        assert torch.equal(tensor, was)


def test_function_gives_back_the_same_memory_in_evaluation() -> None:
    layer, _ = pair((6, 3))
    memory = layer.moving_mean, layer.moving_var
    _, mean, var = batch_norm(
        numbers(6, 3), layer.gamma, layer.beta, *memory, 1e-5, 0.1, False
    )
    assert mean is memory[0]
    assert var is memory[1]


def test_function_gives_back_a_new_memory_without_a_graph() -> None:
    layer, _ = pair((6, 3))
    memory = layer.moving_mean, layer.moving_var
    X = numbers(6, 3).requires_grad_()
    _, *new = batch_norm(X, layer.gamma, layer.beta, *memory, 1e-5, 0.1, True)
    for tensor, old in zip(new, memory, strict=True):
        assert tensor is not old
        assert not tensor.requires_grad


def test_deeper_nets_train_with_no_graph_kept() -> None:
    net = nn.Sequential(nn.Linear(4, 3), BatchNorm(3, 2), nn.Linear(3, 1))
    for step in range(30):
        net(numbers(6, 4, seed=step)).sum().backward()
    assert all(buffer.grad_fn is None for buffer in net.buffers())
    assert not any(buffer.requires_grad for buffer in net.buffers())


def test_a_second_forward_does_not_spoil_the_first_ones_backward() -> None:
    """The memory changes in place between them."""
    layer, right = pair((6, 3))
    grads = []
    for each in (layer, right):
        X = numbers(6, 3).requires_grad_()
        once = each(X).cos().sum()
        each(numbers(6, 3, seed=1))
        once.backward()
        grads.append(X.grad)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize('shape', [(1, 3, 4, 5), (1, 3, 1, 2)])
def test_one_image_trains(shape: tuple[int, ...]) -> None:
    layer, right = pair(shape)
    X = numbers(*shape)
    torch.testing.assert_close(layer(X), right(X))
    assert_same_memory(layer, right)


@pytest.mark.parametrize('shape', [(1, 3), (1, 3, 1, 1)])
def test_one_value_a_channel_raises_in_training_as_in_torch(
    shape: tuple[int, ...],
) -> None:
    layer, right = pair(shape)
    X = numbers(*shape)
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        right(X)
    with pytest.raises(ValueError, match='more than 1 value per chan') as told:
        layer(X)
    assert f'got shape {shape}' in str(told.value)
    assert 'use a larger batch, or eval()' in str(told.value)
    assert layer.moving_mean.abs().sum() == 0
    torch.testing.assert_close(layer.eval()(X), right.eval()(X))


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
    layer, _ = pair(built)
    with pytest.raises(ValueError, match='X must be') as told:
        layer.train(training)(torch.ones(shape))
    assert str(shape) in str(told.value)
    assert '(N, C, H, W)' in str(told.value)


@pytest.mark.parametrize('num_dims', [0, 1, 3, 5, 2.5])
def test_num_dims_must_be_two_or_four(num_dims: Any) -> None:
    with pytest.raises(ValueError, match=f'be 2 or 4, got {num_dims}'):
        BatchNorm(3, num_dims)


@pytest.mark.parametrize('momentum', [0.0, 0.1, 1.0, None])
@pytest.mark.parametrize('shape', SHAPES)
def test_saved_and_loaded_layer_goes_on_alike(
    shape: tuple[int, ...], momentum: float | None
) -> None:
    layer, _ = pair(shape, momentum=momentum)
    layer(numbers(*shape))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh = BatchNorm(shape[1], len(shape), momentum=momentum)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for training in (False, True, False):
        X = numbers(*shape, seed=1)
        assert torch.equal(fresh.train(training)(X), layer.train(training)(X))


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


def test_deepcopy_shares_nothing() -> None:
    layer, _ = pair((6, 3))
    layer(numbers(6, 3))
    twin, before = copy.deepcopy(layer), copy.deepcopy(layer.state_dict())
    assert all(
        torch.equal(tensor, before[name])
        for name, tensor in twin.state_dict().items()
    )
    twin(numbers(6, 3, seed=1)).sum().backward()
    torch.optim.SGD(twin.parameters(), lr=1).step()
    for name, tensor in layer.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert twin.num_batches_tracked == 2


def test_double_computes_in_double() -> None:
    layer, right = (each.double() for each in pair((6, 3)))
    X = numbers(6, 3).double()
    torch.testing.assert_close(layer(X), right(X), rtol=0, atol=1e-14)
    assert layer.moving_mean.dtype == torch.float64


def test_train_mode_without_gradients_still_trains() -> None:
    layer, right = pair((6, 3))
    X = numbers(6, 3)
    with torch.no_grad():
        torch.testing.assert_close(layer(X), right(X))
    assert_same_memory(layer, right)
    assert layer.num_batches_tracked == 1


def test_eval_mode_with_gradients_still_evaluates() -> None:
    layer, right = pair((6, 3))
    layer(numbers(6, 3)), right(numbers(6, 3))
    outputs, grads = [], []
    for each in (layer.eval(), right.eval()):
        X = numbers(6, 3, seed=1).requires_grad_()
        outputs.append(each(X))
        outputs[-1].cos().sum().backward()
        grads.append(X.grad)
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*grads)
    assert_same_memory(layer, right)
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize('shape', SHAPES)
def test_momentum_none_is_the_plain_average(shape: tuple[int, ...]) -> None:
    layer = BatchNorm(3, len(shape), momentum=None)
    dims = [d for d in range(len(shape)) if d != 1]
    batches = [numbers(*shape, seed=seed) for seed in range(7)]
    for X in batches:
        layer(X)
    means = torch.stack([X.mean(dim=dims) for X in batches])
    unbiased = torch.stack([X.var(dim=dims) for X in batches])
    torch.testing.assert_close(layer.moving_mean.flatten(), means.mean(dim=0))
    torch.testing.assert_close(layer.moving_var.flatten(), unbiased.mean(0))


@pytest.mark.parametrize('momentum', [0.0, 1.0])
def test_momentum_is_the_weight_of_the_new_batch(momentum: float) -> None:
    layer, X = BatchNorm(3, 2, momentum=momentum), numbers(6, 3)
    layer(X)
    want = momentum * X.mean(dim=0)
    torch.testing.assert_close(layer.moving_mean.flatten(), want)


def test_offset_takes_little_precision() -> None:
    """The variance is that of differences, not of squares: 1e4 is no harm."""
    layer, right = pair((8, 3))
    X = numbers(8, 3) + 1e4
    torch.testing.assert_close(layer(X), right(X), rtol=0, atol=5e-3)


@pytest.mark.parametrize('training', MODES)
def test_memory_format_stays(training: bool) -> None:
    X = numbers(2, 3, 4, 5)
    last = X.contiguous(memory_format=torch.channels_last)
    layer = BatchNorm(3, 4).train(training)
    Y = layer(last)
    assert Y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(Y, BatchNorm(3, 4).train(training)(X))


def test_output_is_standard_before_gamma_and_beta() -> None:
    Y = BatchNorm(3, 4)(numbers(5, 3, 2, 4))
    mean, var = Y.mean(dim=(0, 2, 3)), Y.var(dim=(0, 2, 3), correction=0)
    assert mean.abs().max() < 1e-6
    torch.testing.assert_close(var, torch.ones(3), rtol=0, atol=1e-4)
