"""The oracle's columns: all in which a layer must agree with torch's.

Each has one small measure, run on (N, C) and on (N, C, H, W); their names and
the largest differences they allow stand at the end. The layer under test may
name its tensors as the lecture or as torch does.
"""

import copy
import io
from collections.abc import Callable
from functools import partial, partialmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from d2lmini.norm import TENSORS
from d2lmini.show.lang import Fault

Make = Callable[..., nn.Module]
Layers = tuple[nn.Module, nn.Module]  # the one under test, and torch's
Read = Callable[[nn.Module], Tensor | None]

C = 3  # channels
STEPS = 20  # batches in `trained`: 0.9 ** 20 is 0.12, an almost warm memory


# Readings of a layer, and the difference of two.


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
    """Return the layer's output, if it is one and X is left as it was."""
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
    return partial(call, X=X)


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


# What the layer remembers.
MEAN, VAR = partial(get, what='mean'), partial(get, what='var')


def gap(layers: Layers, *reads: Read) -> float:
    """Return the largest absolute difference between the two layers."""
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


class _Bench:
    """The layer under test and torch's, for inputs of 2 or 4 dimensions."""

    def __init__(self, make: Make, num_dims: int) -> None:
        self.make, self.num_dims = make, num_dims

    def batch(self, seed: int = 0) -> Tensor:
        """Return 8 examples; their channels differ in mean and in spread."""
        sizes = (4, 5)[: self.num_dims - 2]
        numbers = torch.Generator().manual_seed(seed)
        spread = torch.linspace(0.5, 3, C).reshape(1, C, *(1 for _ in sizes))
        noise = torch.randn((8, C, *sizes), generator=numbers)
        return noise * spread + 2 * spread - 3

    def pair(self, **options: Any) -> Layers:
        """Build the layer and torch's with the same uneven gamma and beta."""
        try:
            layer = self.make(C, self.num_dims, **options)
        except TypeError as e:
            if 'unexpected keyword' not in str(e):
                raise
            names = ', '.join(options)
            raise Fault(f'没有参数{names}', f'no argument {names}') from e
        kind = nn.BatchNorm1d if self.num_dims == 2 else nn.BatchNorm2d
        layers = layer, kind(C, **options)
        for what, start in (('gamma', 0.5), ('beta', -1.0)):
            for each in layers:
                tensor, values = get(each, what), start + torch.arange(C)
                tensor.data.copy_(values.reshape(tensor.shape))
        return layers

    def train(self, layers: Layers) -> Layers:
        """Show both layers the same batches in training mode."""
        for layer in layers:
            dtype = get(layer, 'gamma').dtype
            for seed in range(STEPS):
                # As behind another layer: only so may a graph grow.
                layer.train()(self.batch(seed).to(dtype).requires_grad_())
        return layers

    def trained(self, **options: Any) -> Layers:
        """Return a pair that has seen some batches."""
        return self.train(self.pair(**options))

    # A measure for each column, in the table's order.

    def train_output(self) -> float:
        return gap(self.pair(), output(self.batch()))

    def eval_output(self) -> float:
        # Twice: the first must leave nothing behind that changes the second.
        reads = [predicted(self.batch(seed)) for seed in (100, 101)]
        return gap(self.trained(), *reads)

    def gradient_to(self, what: str) -> float:
        return gap(self.pair(), gradient(what, self.batch()))

    grad_input = partialmethod(gradient_to, 'X')
    grad_gamma = partialmethod(gradient_to, 'gamma')
    grad_beta = partialmethod(gradient_to, 'beta')

    def parameters(self) -> float:
        layer, right = self.pair()
        return abs(len([*layer.parameters()]) - len([*right.parameters()]))

    def memory(self, *reads: Read, **options: Any) -> float:
        return gap(self.trained(**options), *reads)

    moving_mean = partialmethod(memory, MEAN)
    moving_var = partialmethod(memory, VAR)
    momentum_none = partialmethod(memory, MEAN, VAR, momentum=None)

    def num_batches(self) -> float:
        layer, _ = self.trained()
        predicted(self.batch())(layer)  # not counted
        saved = layer.state_dict()
        if 'num_batches_tracked' not in saved:
            raise Fault('没有num_batches_tracked', 'no num_batches_tracked')
        return abs(int(saved['num_batches_tracked']) - STEPS)

    def momentum(self) -> float:
        return max(
            self.memory(MEAN, VAR, momentum=momentum)
            for momentum in (0.0, 0.01, 0.5, 1.0)
        )

    def eps(self) -> float:
        X = self.batch()
        return gap(self.trained(eps=0.5), output(X), predicted(X))

    def constant(self) -> float:
        X = self.batch()
        X -= X.mean(dim=[d for d in range(X.dim()) if d != 1], keepdim=True)
        X *= 1e-3  # the variance is less than eps
        X[:, 0] = 0.1
        return gap(self.pair(), output(X))

    def offset(self) -> float:
        return gap(self.pair(), output(self.batch() + 1e4))

    def one_value(self) -> float:
        layers = self.trained()
        one, apart = self.batch()[:1], 0.0
        if self.num_dims == 4:  # a single image has many values a channel
            apart = gap(layers, output(one))
            one = one[:, :, :1, :1]
        try:
            layers[0](one)
        except ValueError:
            return max(apart, gap(layers, predicted(one)))
        raise Fault('训练时不报错', 'no ValueError in training')

    def train_no_grad(self) -> float:
        layers = self.trained()
        with torch.no_grad():
            return gap(layers, output(self.batch(100)), MEAN, VAR)

    def eval_grad(self) -> float:
        ours, right = self.trained()
        layers, X = (ours.eval(), right.eval()), self.batch(100)
        return gap(layers, output(X), gradient('X', X), MEAN, VAR)

    def save_load(self) -> float:
        layer, _ = self.trained()
        file = io.BytesIO()
        torch.save(layer.state_dict(), file)
        file.seek(0)
        fresh = self.make(C, self.num_dims)
        fresh.load_state_dict(torch.load(file, weights_only=True))
        return gap((fresh, layer), predicted(self.batch()))

    def to_device(self) -> float:
        layer = self.trained()[0].to('meta')  # every machine has it
        for what, names in TENSORS.items():
            if not get(layer, what).is_meta:
                raise Fault(f'{names[0]}留在原处', f'{names[0]} stays behind')
        return 0.0

    def double(self) -> float:
        ours, right = self.pair()
        layers, X = (ours.double(), right.double()), self.batch().double()
        gap(layers, MEAN, VAR)  # their types, before a batch could change them
        self.train(layers)
        return gap(layers, output(X), MEAN, VAR, predicted(X))

    def low_precision(self, dtype: torch.dtype) -> float:
        """Measure input that a computation in `dtype` itself gets wrong.

        The tolerance is one step of `dtype` at 8 to 16, the largest output.
        """
        X = (100 * self.batch()).to(dtype)
        mixed = gap(self.pair(), output(X + 6000))
        ours, right = self.pair()
        layers = ours.to(dtype), right.to(dtype)
        # Here torch rounds the mean itself, so without the 6000.
        apart = gap(layers, output(X), predicted(X / 10))
        gap(layers, MEAN, VAR)  # their types
        return max(mixed, apart)

    half = partialmethod(low_precision, torch.float16)
    bfloat16 = partialmethod(low_precision, torch.bfloat16)

    def deepcopy(self) -> float:
        layer, same = self.trained()[0], self.trained()[0]
        twin, read = copy.deepcopy(layer), predicted(self.batch())
        apart = gap((twin, layer), read)
        for what in TENSORS:
            get(twin, what).data.zero_()  # must not reach the first one
        return max(apart, gap((layer, same), read))

    def no_graph(self) -> float:
        layer, _ = self.trained()
        kept = [*layer.buffers(), *vars(layer).values()]
        return sum(
            isinstance(t, Tensor) and t.grad_fn is not None for t in kept
        )

    def non_contiguous(self) -> float:
        X = self.batch().transpose(0, 1).contiguous().transpose(0, 1)
        return gap(self.pair(), output(X), gradient('X', X))

    def channels_last(self) -> float:
        if self.num_dims == 2:
            return 0.0
        last = torch.channels_last
        layers, X = self.pair(), self.batch().contiguous(memory_format=last)
        if not call(layers[0], X).is_contiguous(memory_format=last):
            raise Fault('输出不再是通道在后', 'the output is channels-first')
        return gap(layers, output(X), gradient('X', X))

    def gradcheck(self) -> float:
        layer = self.pair()[0].double()
        X = self.batch()[:4].double().requires_grad_()
        check = torch.autograd.gradcheck
        if check(layer, X, fast_mode=True, raise_exception=False):
            return 0.0
        raise Fault('和数值梯度不同', 'not the numerical gradient')


class Column(NamedTuple):
    """One thing in which a layer must agree with torch's.

    Attributes
    ----------
    key : str, the name of its measure
    zh, en : str, its name in the table
    tolerance : float, the largest difference allowed, in the output's units
    """

    key: str
    zh: str
    en: str
    tolerance: float

    def measure(self, make: Make) -> float:
        """Return the larger of the differences for 2-D and for 4-D input."""
        benches = _Bench(make, 2), _Bench(make, 4)
        return max(float(getattr(bench, self.key)()) for bench in benches)


COLUMNS = [
    Column(*row)
    for row in (
        ('train_output', '训练时的输出', 'output in training', 1e-5),
        ('eval_output', '预测时的输出', 'output in evaluation', 1e-5),
        ('grad_input', '对输入的梯度', 'gradient w.r.t. input', 1e-5),
        ('grad_gamma', '对gamma的梯度', 'gradient w.r.t. gamma', 2e-5),
        ('grad_beta', '对beta的梯度', 'gradient w.r.t. beta', 1e-5),
        ('parameters', '参数的个数', 'number of parameters', 0),
        ('moving_mean', '移动平均：均值', 'running mean', 1e-5),
        ('moving_var', '移动平均：方差', 'running variance', 1e-5),
        ('num_batches', '小批量的计数', 'count of batches', 0),
        ('momentum', 'momentum的方向', 'direction of momentum', 1e-5),
        ('momentum_none', 'momentum=None', 'momentum=None', 1e-5),
        ('eps', '参数eps', 'argument eps', 1e-5),
        ('constant', '几乎不变的通道', 'nearly constant channels', 1e-5),
        ('offset', '输入加上1e4', 'input plus 1e4', 1e-2),
        ('one_value', '一个通道只有一个值', 'one value per channel', 1e-5),
        ('train_no_grad', 'train()加no_grad', 'train() under no_grad', 1e-5),
        ('eval_grad', 'eval()时开着梯度', 'eval() with gradients on', 1e-5),
        ('save_load', '保存再读回', 'saved and loaded', 0),
        ('to_device', '.to(device)', '.to(device)', 0),
        ('double', '.double()', '.double()', 1e-12),
        ('half', '半精度float16', 'float16', 8e-3),
        ('bfloat16', '半精度bfloat16', 'bfloat16', 7e-2),
        ('deepcopy', 'deepcopy', 'deepcopy', 0),
        ('no_graph', '不留计算图', 'keeps no graph', 0),
        ('non_contiguous', '不连续的输入', 'non-contiguous input', 1e-5),
        ('channels_last', '通道在后的输入', 'channels-last input', 1e-5),
        ('gradcheck', '双精度梯度检验', 'gradient check in float64', 0),
    )
]
