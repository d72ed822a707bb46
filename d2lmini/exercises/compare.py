"""Compares what a learner's code gave with what is right, and shows values.

Strict about values, lenient about how they are written: a number or a tensor
that holds one, a list or a tuple.
"""

import math
from collections.abc import Mapping
from numbers import Number
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from d2lmini.show.lang import Words

MANY = 24  # a tensor with more numbers is shown by its shape and first ones


def difference(got: Any, want: Any, tolerance: float) -> Words | None:
    """Tell in what two values differ.

    Parameters
    ----------
    got, want : any; tensors, numbers, strings, tuples and dicts of such
    tolerance : float, allowed for numbers: absolute, and relative to `want`

    Returns
    -------
    None if they are alike; a pair of sentences where the kind or the shape
    differs; a pair of empty strings where only the values do
    """
    if isinstance(want, Tensor):
        return _tensors(got, want, tolerance)
    if isinstance(want, Mapping):
        if not isinstance(got, Mapping):
            return _kind(got, want)
        if set(got) != set(want):
            return '', ''
        pairs = [(got[key], want[key]) for key in want]
        return _first(pairs, tolerance)
    if isinstance(want, (tuple, list)):
        if isinstance(got, (Tensor, np.ndarray)) and got.ndim == 1:
            got = got.tolist()
        if not isinstance(got, (tuple, list)):
            return _kind(got, want)
        if len(got) != len(want):
            n, m = len(want), len(got)
            return f'应有{n}项，来了{m}项。', f'Should be {n} things, got {m}.'
        return _first(list(zip(got, want, strict=True)), tolerance)
    arrays = Tensor, np.ndarray, np.generic
    if isinstance(got, arrays) and len(got.reshape(-1)) == 1:
        got = got.item()
    if isinstance(want, (bool, str)) or want is None:
        if isinstance(got, str) and isinstance(want, str):
            got, want = got.strip().casefold(), want.strip().casefold()
        elif not isinstance(got, type(want)):
            return _kind(got, want)
        return None if got == want else ('', '')
    if isinstance(want, Number):
        return _numbers(got, want, tolerance)
    return None if bool(got == want) else ('', '')


def _first(pairs: list[tuple[Any, Any]], tolerance: float) -> Words | None:
    for got, want in pairs:
        apart = difference(got, want, tolerance)
        if apart is not None:
            return apart
    return None


def _numbers(got: Any, want: Any, tolerance: float) -> Words | None:
    if not isinstance(got, Number) or isinstance(got, bool):
        return _kind(got, want)
    same = math.isclose(
        got,  # type: ignore[arg-type]  # a real number
        want,
        rel_tol=tolerance,
        abs_tol=tolerance,
    )
    both_nan = math.isnan(want) and got != got
    return None if same or both_nan else ('', '')


def _tensors(got: Any, want: Tensor, tolerance: float) -> Words | None:
    if isinstance(got, np.ndarray) or (
        isinstance(got, Number) and want.dim() == 0
    ):
        got = torch.as_tensor(got)
    if not isinstance(got, Tensor):
        return _kind(got, want)
    if got.shape != want.shape:
        shapes = tuple(want.shape), tuple(got.shape)
        return (
            '形状应是`{}`，来的是`{}`。'.format(*shapes),
            'The shape should be `{}`, got `{}`.'.format(*shapes),
        )
    ours, right = (t.detach().cpu().to(torch.float64) for t in (got, want))
    if bool((ours.isnan() & ~right.isnan()).any()):
        return '出现了`nan`。', 'There is a `nan` in it.'
    same = torch.isclose(
        ours, right, rtol=tolerance, atol=tolerance, equal_nan=True
    )
    return None if bool(same.all()) else ('', '')


def _kind(got: Any, want: Any) -> Words:
    if got is None:
        return '这里什么也没有。', 'Nothing is there.'
    names = type(want).__name__, type(got).__name__
    return (
        '类型应是`{}`，来的是`{}`。'.format(*names),
        'The type should be `{}`, got `{}`.'.format(*names),
    )


def show(value: Any) -> str:
    """Return a value as short as it can be read: four digits, nested lists."""
    if isinstance(value, np.ndarray):
        value = torch.as_tensor(value)
    if isinstance(value, Tensor):
        if value.numel() <= MANY:
            return show(value.tolist())
        first = show(value.flatten()[:6].tolist())
        return f'{first[:-1]}, …] {tuple(value.shape)}'
    if isinstance(value, float):  # a whole one with all its digits
        whole = value.is_integer() and abs(value) < 1e6
        return str(int(value)) if whole else f'{value:.4g}'
    if isinstance(value, Mapping):
        inside = ', '.join(f'{k}: {show(v)}' for k, v in value.items())
        return f'{{{inside}}}'
    if isinstance(value, (list, tuple)):
        inside = ', '.join(map(show, value))
        return f'[{inside}]' if isinstance(value, list) else f'({inside})'
    if isinstance(value, nn.Module) or callable(value):
        return getattr(value, '__name__', type(value).__name__)
    return shorten(str(value), 200, placeholder=' …')
