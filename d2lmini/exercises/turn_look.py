"""What an exercise sees of an answer: run it, compare it, show it."""

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import shorten
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from d2lmini.exercises.limit import TooLong, limited

SECONDS = 5.0  # the cases are tiny: what takes longer does not end
FEW = 16  # numbers of a tensor that are shown


@dataclass(frozen=True)
class Raised:
    """What an answer raised in place of returning something.

    Attributes
    ----------
    kind, text : str
    """

    kind: str
    text: str


def look_at(run: Callable[[], Any]) -> Any:
    """Return what `run` returns, or `Raised`.

    Parameters
    ----------
    run : callable without arguments
    """
    try:
        return limited(run, SECONDS)
    except TooLong:
        return Raised('Slow', f'no end after {SECONDS:g} s')
    except Exception as e:  # whatever an answer may raise
        return Raised(type(e).__name__, shorten(str(e), 120))


def untried(answer: Any) -> bool:
    """Tell whether the answer is the stub as it stands.

    Parameters
    ----------
    answer : function whose body is `...`, or `...`, or a list of them
    """
    if isinstance(answer, list | tuple):
        return any(each is ... for each in answer)
    code = getattr(answer, '__code__', None)
    return answer is ... or (code is not None and _does(code) == _NOTHING)


def _does(code: CodeType) -> tuple[bytes, tuple[Any, ...]]:
    return code.co_code, code.co_consts


def _stub() -> None: ...


_NOTHING = _does(_stub.__code__)


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Tell whether two things seen are the same.

    Parameters
    ----------
    a, b : numbers, strings, tensors, `Raised`, or lists and dicts of them
        A tensor of one number counts as a number; a tuple as a list.
    tolerance : float, relative and absolute
    """
    a, b = _plain(a), _plain(b)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and torch.allclose(
            a.double(), b.double(), tolerance, tolerance, equal_nan=True
        )
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(
            same(x, y, tolerance) for x, y in zip(a, b, strict=True)
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(
            same(a[key], b[key], tolerance) for key in a
        )
    if isinstance(a, float) and isinstance(b, float):
        both = torch.tensor([a, b], dtype=torch.float64)
        return same(both[:1], both[1:], tolerance)
    if isinstance(a, Raised) and isinstance(b, Raised):
        return a.kind == b.kind
    return type(a) is type(b) and bool(a == b)


def _plain(x: Any) -> Any:
    """Return x with numbers as float, tuples as list."""
    if isinstance(x, Tensor):
        return x.detach().item() * 1.0 if x.dim() == 0 else x.detach()
    if isinstance(x, tuple):
        return list(x)
    is_number = hasattr(x, '__float__') and not isinstance(x, bool | str)
    return float(x) if is_number else x


def shown(x: Any) -> str:
    """Return a thing seen in a few letters.

    Parameters
    ----------
    x : as in `same`
    """
    x = _plain(x)
    if isinstance(x, Raised):
        return f'{x.kind}: {x.text}'
    if isinstance(x, Tensor):
        if x.numel() > FEW:
            mean, std = x.double().mean(), x.double().std()
            return f'tensor {tuple(x.shape)}, mean {mean:.4f}, std {std:.4f}'
        told = shown(x.tolist())
        return told if x.dim() < 2 else f'{told}, shape {tuple(x.shape)}'
    if isinstance(x, float):
        return f'{x:.4g}'
    if isinstance(x, list):
        return '[' + ', '.join(map(shown, x)) + ']'
    if isinstance(x, dict):
        return '{' + ', '.join(f'{k}: {shown(v)}' for k, v in x.items()) + '}'
    return shorten(str(x), 200)


def apart(want: Any, got: Any, tolerance: float) -> tuple[Any, Any]:
    """Leave of two dicts with the same keys only what differs.

    Parameters
    ----------
    want, got, tolerance : as in `same`
    """
    both = isinstance(want, dict) and isinstance(got, dict)
    if not both or want.keys() != got.keys():
        return want, got
    keys = [k for k in want if not same(want[k], got[k], tolerance)]
    return {k: want[k] for k in keys}, {k: got[k] for k in keys}
