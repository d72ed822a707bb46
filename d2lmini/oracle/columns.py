"""The oracle's columns: all in which a layer must agree with torch's.

Each is one small measure, run on (N, C) and on (N, C, H, W); its name in the
table and the largest difference it allows stand above it.
"""

import copy
import io

import torch
from torch import Tensor

from d2lmini.norm import TENSORS
from d2lmini.oracle.measure import (
    COLUMNS,
    MEMORY,
    STEPS,
    C,
    Make,
    batch,
    call,
    column,
    gap,
    get,
    gradient,
    held,
    output,
    pair,
    predicted,
    train,
    trained,
)
from d2lmini.show.lang import Fault

__all__ = ['COLUMNS']


@column('训练时的输出', 'output in training', 1e-5)
def _train_output(make: Make, num_dims: int) -> float:
    return gap(pair(make, num_dims), output(batch(num_dims)))


@column('预测时的输出', 'output in evaluation', 1e-5)
def _eval_output(make: Make, num_dims: int) -> float:
    # Twice: the first must leave nothing behind that changes the second.
    reads = [predicted(batch(num_dims, seed)) for seed in (100, 101)]
    return gap(trained(make, num_dims), *reads)


@column('对输入的梯度', 'gradient w.r.t. input', 1e-5)
def _grad_input(make: Make, num_dims: int) -> float:
    return gap(pair(make, num_dims), gradient('X', batch(num_dims)))


@column('对gamma的梯度', 'gradient w.r.t. gamma', 2e-5)
def _grad_gamma(make: Make, num_dims: int) -> float:
    return gap(pair(make, num_dims), gradient('gamma', batch(num_dims)))


@column('对beta的梯度', 'gradient w.r.t. beta', 1e-5)
def _grad_beta(make: Make, num_dims: int) -> float:
    return gap(pair(make, num_dims), gradient('beta', batch(num_dims)))


@column('参数的个数', 'number of parameters', 0)
def _parameters(make: Make, num_dims: int) -> float:
    layer, right = pair(make, num_dims)
    return abs(len([*layer.parameters()]) - len([*right.parameters()]))


@column('移动平均：均值', 'running mean', 1e-5)
def _moving_mean(make: Make, num_dims: int) -> float:
    return gap(trained(make, num_dims), held('mean'))


@column('移动平均：方差', 'running variance', 1e-5)
def _moving_var(make: Make, num_dims: int) -> float:
    return gap(trained(make, num_dims), held('var'))


@column('小批量的计数', 'count of batches', 0)
def _num_batches(make: Make, num_dims: int) -> float:
    layer, _ = trained(make, num_dims)
    predicted(batch(num_dims))(layer)  # not counted
    saved = layer.state_dict()
    if 'num_batches_tracked' not in saved:
        raise Fault('没有num_batches_tracked', 'no num_batches_tracked')
    return abs(int(saved['num_batches_tracked']) - STEPS)


@column('momentum的方向', 'direction of momentum', 1e-5)
def _momentum(make: Make, num_dims: int) -> float:
    return max(
        gap(trained(make, num_dims, momentum=momentum), *MEMORY)
        for momentum in (0.0, 0.01, 0.5, 1.0)
    )


@column('momentum=None', 'momentum=None', 1e-5)
def _momentum_none(make: Make, num_dims: int) -> float:
    return gap(trained(make, num_dims, momentum=None), *MEMORY)


@column('参数eps', 'argument eps', 1e-5)
def _eps(make: Make, num_dims: int) -> float:
    X = batch(num_dims)
    return gap(trained(make, num_dims, eps=0.5), output(X), predicted(X))


@column('几乎不变的通道', 'nearly constant channels', 1e-5)
def _constant(make: Make, num_dims: int) -> float:
    X = batch(num_dims)
    X -= X.mean(dim=[d for d in range(num_dims) if d != 1], keepdim=True)
    X *= 1e-3  # the variance is less than eps
    X[:, 0] = 0.1
    return gap(pair(make, num_dims), output(X))


@column('输入加上1e4', 'input plus 1e4', 1e-2)
def _offset(make: Make, num_dims: int) -> float:
    return gap(pair(make, num_dims), output(batch(num_dims) + 1e4))


@column('一个通道只有一个值', 'one value a channel', 1e-5)
def _one_value(make: Make, num_dims: int) -> float:
    layers = trained(make, num_dims)
    one, apart = batch(num_dims)[:1], 0.0
    if num_dims == 4:  # a single image has many values a channel
        apart = gap(layers, output(one))
        one = one[:, :, :1, :1]
    try:
        layers[0](one)
    except ValueError:
        return max(apart, gap(layers, predicted(one)))
    raise Fault('训练时不报错', 'no ValueError in training')


@column('train()加no_grad', 'train() under no_grad', 1e-5)
def _train_no_grad(make: Make, num_dims: int) -> float:
    layers = trained(make, num_dims)
    with torch.no_grad():
        return gap(layers, output(batch(num_dims, 100)), *MEMORY)


@column('eval()时开着梯度', 'eval() with gradients on', 1e-5)
def _eval_grad(make: Make, num_dims: int) -> float:
    ours, right = trained(make, num_dims)
    layers, X = (ours.eval(), right.eval()), batch(num_dims, 100)
    return gap(layers, output(X), gradient('X', X), *MEMORY)


@column('存盘再读回', 'saved and loaded', 0)
def _save_load(make: Make, num_dims: int) -> float:
    layer, _ = trained(make, num_dims)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh = make(C, num_dims)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return gap((fresh, layer), predicted(batch(num_dims)))


@column('.to(device)', '.to(device)', 0)
def _to_device(make: Make, num_dims: int) -> float:
    layer = trained(make, num_dims)[0].to('meta')  # every machine has it
    for what, names in TENSORS.items():
        if not get(layer, what).is_meta:
            raise Fault(f'{names[0]}留在原处', f'{names[0]} stays behind')
    return 0.0


@column('.double()', '.double()', 1e-12)
def _double(make: Make, num_dims: int) -> float:
    ours, right = pair(make, num_dims)
    layers, X = (ours.double(), right.double()), batch(num_dims).double()
    gap(layers, *MEMORY)  # their types, before a batch could change them
    train(layers, num_dims)
    return gap(layers, output(X), *MEMORY, predicted(X))


@column('半精度float16', 'float16', 8e-3)
def _half(make: Make, num_dims: int) -> float:
    return _low_precision(make, num_dims, torch.float16)


@column('半精度bfloat16', 'bfloat16', 7e-2)
def _bfloat16(make: Make, num_dims: int) -> float:
    return _low_precision(make, num_dims, torch.bfloat16)


def _low_precision(make: Make, num_dims: int, dtype: torch.dtype) -> float:
    """Measure input that a computation in `dtype` itself gets wrong.

    The tolerance is one step of `dtype` at 8 to 16, the largest output.
    """
    X = (100 * batch(num_dims)).to(dtype)
    mixed = gap(pair(make, num_dims), output(X + 6000))
    ours, right = pair(make, num_dims)
    layers = ours.to(dtype), right.to(dtype)
    # Here torch rounds the mean itself, so without the 6000.
    apart = gap(layers, output(X), predicted(X / 10))
    gap(layers, *MEMORY)  # their types
    return max(mixed, apart)


@column('deepcopy', 'deepcopy', 0)
def _deepcopy(make: Make, num_dims: int) -> float:
    layer, same = trained(make, num_dims)[0], trained(make, num_dims)[0]
    twin, read = copy.deepcopy(layer), predicted(batch(num_dims))
    apart = gap((twin, layer), read)
    for what in TENSORS:
        get(twin, what).data.zero_()  # must not reach the first one
    return max(apart, gap((layer, same), read))


@column('不留计算图', 'keeps no graph', 0)
def _no_graph(make: Make, num_dims: int) -> float:
    layer, _ = trained(make, num_dims)
    kept = [*layer.buffers(), *vars(layer).values()]
    return sum(isinstance(t, Tensor) and t.grad_fn is not None for t in kept)


@column('不连续的输入', 'non-contiguous input', 1e-5)
def _non_contiguous(make: Make, num_dims: int) -> float:
    X = batch(num_dims).transpose(0, 1).contiguous().transpose(0, 1)
    return gap(pair(make, num_dims), output(X), gradient('X', X))


@column('通道在后的输入', 'channels-last input', 1e-5)
def _channels_last(make: Make, num_dims: int) -> float:
    if num_dims == 2:
        return 0.0
    last = torch.channels_last
    layers, X = pair(make, 4), batch(4).contiguous(memory_format=last)
    if not call(layers[0], X).is_contiguous(memory_format=last):
        raise Fault('输出不再是通道在后', 'the output is channels-first')
    return gap(layers, output(X), gradient('X', X))


@column('双精度梯度检验', 'gradient check in float64', 0)
def _gradcheck(make: Make, num_dims: int) -> float:
    layer = pair(make, num_dims)[0].double()
    X = batch(num_dims)[:4].double().requires_grad_()
    check = torch.autograd.gradcheck
    if check(layer, X, fast_mode=True, raise_exception=False):
        return 0.0
    raise Fault('和数值梯度不同', 'not the numerical gradient')
