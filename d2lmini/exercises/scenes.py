"""The cases of `check_batch_norm`, and what is looked at in each.

Everything seen has a name, so that the report can say what is wrong.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from d2lmini.exercises.alike import show
from d2lmini.exercises.attempt import Case
from d2lmini.show.lang import Fault

Seen = dict[str, Any]
C = 2  # channels
# Four numbers a channel whose sums are whole: no order of adding them rounds.
X2 = torch.tensor([[1.0, 10], [3, 14], [8, 12], [4, 16]])
X4 = torch.tensor(
    [
        [[[1.0, 3, 8], [4, 0, 2]], [[10, 14, 12], [20, 16, 18]]],
        [[[7, 5, 1], [9, 2, 6]], [[30, 10, 24], [8, 12, 6]]],
    ]
)  # (2, 2, 2, 3): no two axes that could pass for each other are alike
FAR = 1e-2  # 1e4 has a thousandth as its last digit; a right answer loses it
STILL = torch.tensor([[5.0, 1], [5, 1.001], [5, 1.002], [5, 1.001]])


def see_function(fn: Callable[..., Any], *args: Any) -> Seen:
    """Run a `batch_norm` and return what came out, by name.

    Parameters
    ----------
    fn : callable, `fn(X, gamma, beta, moving_mean, moving_var, eps,
        momentum, training)`
    *args : the same

    Returns
    -------
    dict
        The moving averages are flattened: (C,), (1, C) and (1, C, 1, 1) are
        the same here, as long as the function takes back what it gave.
    """
    X, gamma, beta, mean, var, eps, momentum, training = args

    def start() -> tuple[Tensor, ...]:
        fresh = [each.clone() for each in (X, gamma, beta, mean, var)]
        for each in fresh[1:3]:
            each.requires_grad_()
        return tuple(fresh)

    if training and X.numel() == X.shape[1]:
        return refusal(lambda: fn(*start(), eps, momentum, True))
    # The input without a gradient: else writing into it would raise.
    given = start()
    Y, new_mean, new_var = _three(
        fn(X, *given[1:], eps, momentum, training), X
    )
    seen: Seen = {'Y': Y.detach()}
    seen['moving_mean'] = _flat(new_mean)
    seen['moving_var'] = _flat(new_var)
    if not torch.equal(X, given[0]):
        return seen  # the engine says that it is changed
    if training:
        kept = new_mean.detach().clone(), new_var.detach().clone()
        out = _three(fn(*start()[:3], *kept, eps, momentum, False), X)
        seen['Y (training=False)'] = out[0].detach()
    x, gamma, beta, mean, var = start()
    x.requires_grad_()
    Y, new_mean, new_var = _three(
        fn(x, gamma, beta, mean, var, eps, momentum, training), X
    )
    seen |= gradients(Y, {'X': x, 'gamma': gamma, 'beta': beta})
    seen['moving_mean.requires_grad'] = new_mean.requires_grad
    seen['moving_var.requires_grad'] = new_var.requires_grad
    with torch.no_grad():
        out = _three(fn(*start(), eps, momentum, training), X)
    seen['Y (no_grad)'] = out[0].detach()
    return seen


def refusal(attempt: Callable[[], Any]) -> Seen:
    """Return the name of the error that is raised, as one should be."""
    try:
        attempt()
    except NotImplementedError:
        raise
    except Exception as e:
        return {'raises': type(e).__name__}
    return {'raises': 'nothing'}


def _three(value: Any, X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if value is None or value is ...:
        raise NotImplementedError
    ok = isinstance(value, (tuple, list)) and len(value) == 3
    if not ok or not all(isinstance(each, Tensor) for each in value):
        raise Fault(
            '要返回三个张量：`Y`、`moving_mean`、`moving_var`',
            'it should return three tensors, `Y`, `moving_mean` and '
            '`moving_var`',
        )
    Y, mean, var = value
    if Y.shape != X.shape:
        shapes = tuple(Y.shape), tuple(X.shape)
        raise Fault(
            '`Y`的形状是`{}`，`X`是`{}`'.format(*shapes),
            '`Y` has the shape `{}` and `X` `{}`'.format(*shapes),
        )
    return Y, mean, var


def _flat(values: Tensor) -> Tensor:
    """Return a number a channel as (C,); another size as it is."""
    values = values.detach().clone()
    return values.reshape(-1) if values.numel() == C else values


def gradients(Y: Tensor, sources: dict[str, Tensor]) -> Seen:
    """Return the gradients of an uneven sum of Y; of a plain one, X's is 0."""
    names = [f'{name}.grad' for name in sources]
    if not Y.requires_grad:
        return dict.fromkeys(names)
    weights = torch.arange(Y.numel()).cos().reshape(Y.shape)
    total = (Y * weights).sum()
    asked = [each for each in sources.values() if each.requires_grad]
    found = torch.autograd.grad(total, asked, allow_unused=True)
    grads = {id(a): g for a, g in zip(asked, found, strict=True)}
    return {
        name: None
        if grads.get(id(each)) is None
        else grads[id(each)].flatten()
        for name, each in zip(names, sources.values(), strict=True)
    }


def _case(
    X: Tensor,
    training: bool,
    eps: float = 1e-5,
    uneven: bool = True,
    tolerance: float | None = None,
) -> Case:
    """Return a case; `uneven` gives each channel other parameters."""
    shape = (1, C) + (1,) * (X.dim() - 2)
    rows = [[1.0, 1], [0.0, 0], [0.0, 0], [1.0, 1]]
    if uneven:
        rows = [[2.0, -1], [0.5, 3], [2.0, 11], [4.0, 9]]
    held = [torch.tensor(row).reshape(shape) for row in rows]
    momentum = 0.25 if uneven else 0.1
    args = (X, *held, eps, momentum, training)
    pairs = dict(zip(ARGUMENTS, args, strict=True))
    told = [f'`{name} = {show(pairs.pop(name))}`' for name in ARGUMENTS[:1]]
    told.append(', '.join(f'`{k}={show(v)}`' for k, v in pairs.items()))
    text = '\n'.join(told)
    return Case(args, text, text, tolerance)


ARGUMENTS = (
    'X', 'gamma', 'beta', 'moving_mean', 'moving_var', 'eps', 'momentum',
    'training',
)  # fmt: skip
FUNCTION_CASES = (
    _case(X2, True, uneven=False),
    _case(X2, False),
    _case(X2, True, eps=0.5),
    _case(X4, True, eps=0.5),
    _case(X4, False),
    _case(STILL, True, uneven=False),
    _case(X2 + 1e4, True, uneven=False, tolerance=FAR),
    _case(X4[:1], True),
    _case(X2[:1], False),
    _case(X2[:1], True, uneven=False),
)
