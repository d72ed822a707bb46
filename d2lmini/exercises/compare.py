"""Compares what a learner's code gave with what is right, and shows values.

Strict about values, lenient about how they are written: a number or a tensor
that holds one, a list or a tuple.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, MappingView
from decimal import Decimal
from numbers import Real
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from d2lmini.show.lang import Words

MANY = 24  # a tensor with more numbers is shown by its shape and first ones


def plain(value: Any) -> Any:
    """Return a value without graph, arrays or iterators: it is all there."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = torch.as_tensor(value) if value.ndim else value.item()
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    views = isinstance(value, MappingView) and isinstance(value, Iterable)
    if views or isinstance(value, (list, Iterator, range)):
        return [plain(each) for each in value]
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def difference(got: Any, want: Any, tolerance: float) -> Words | None:
    """Tell in what two plain values differ, or None if they are alike.

    Where the kind or shape differs it is a pair of sentences, else of empty
    ones. The tolerance is absolute, and relative to `want`.
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
        if isinstance(got, Tensor) and got.numel() == max(
            got.shape, default=0
        ):
            got = got.flatten().tolist()
        if not isinstance(got, (tuple, list)):
            return _kind(got, want)
        if len(got) != len(want):
            n, m = len(want), len(got)
            return f'应有{n}项，来了{m}项。', f'Should be {n} things, got {m}.'
        return _first(list(zip(got, want, strict=True)), tolerance)
    if isinstance(got, (list, tuple)) and len(got) == 1:
        got = got[0]
    if isinstance(got, Tensor) and got.numel() == 1:
        got = got.item()
    if isinstance(want, str) and isinstance(got, str):
        alike = got.strip().casefold() == want.strip().casefold()
        return None if alike else ('', '')
    if isinstance(want, (bool, str)) or want is None:
        if not isinstance(got, type(want)):
            return _kind(got, want)
    elif isinstance(want, Real):
        return _numbers(got, want, tolerance)
    try:
        return None if bool(got == want) else ('', '')
    except Exception:  # things of the learner's own, or tensors
        return '', ''


def _first(pairs: list[tuple[Any, Any]], tolerance: float) -> Words | None:
    for got, want in pairs:
        apart = difference(got, want, tolerance)
        if apart is not None:
            return apart
    return None


def _numbers(got: Any, want: Any, tolerance: float) -> Words | None:
    if not isinstance(got, (Real, Decimal)) or isinstance(got, bool):
        return _kind(got, want)
    try:
        got = float(got)
    except (OverflowError, ValueError):  # a number too large
        return '', ''
    same = math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance)
    both_nan = math.isnan(want) and math.isnan(got)
    return None if same or both_nan else ('', '')


def _tensors(got: Any, want: Tensor, tolerance: float) -> Words | None:
    if isinstance(got, Real) and want.dim() == 0:
        got = torch.as_tensor(got)
    if not isinstance(got, Tensor):
        return _kind(got, want)
    if got.shape != want.shape:
        shapes = tuple(want.shape), tuple(got.shape)
        return (
            '形状应是`{}`，来的是`{}`。'.format(*shapes),
            'The shape should be `{}`, got `{}`.'.format(*shapes),
        )
    ours, right = (t.to(torch.float64) for t in (got, want))
    if bool((ours.isnan() & ~right.isnan()).any()):
        return '出现了`nan`。', 'There is a `nan` in it.'
    same = torch.isclose(
        ours, right, rtol=tolerance, atol=tolerance, equal_nan=True
    )
    return None if bool(same.all()) else ('', '')


def _kind(got: Any, want: Any) -> Words:
    if got is None or got is ...:
        return '还少一些。', 'Something is missing.'
    names = type(want).__name__, type(got).__name__
    return (
        '类型应是`{}`，来的是`{}`。'.format(*names),
        'The type should be `{}`, got `{}`.'.format(*names),
    )


def show(value: Any, side: int = 0) -> str:
    """Return a value as short as it can be read: four digits, nested lists.

    Text such as '没有 · none' is told in one language, by its side.
    """
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
        inside = ', '.join(f'{k}: {show(v, side)}' for k, v in value.items())
        return f'{{{inside}}}'
    if isinstance(value, (list, tuple)):
        inside = ', '.join(show(each, side) for each in value)
        return f'[{inside}]' if isinstance(value, list) else f'({inside})'
    if isinstance(value, nn.Module) or callable(value):
        return getattr(value, '__name__', type(value).__name__)
    if isinstance(value, str):
        words = value.split(' · ')
        value = words[side] if len(words) > 1 else repr(value)
    text = '...' if value is ... else str(value)
    return shorten(text, 200, placeholder=' …')
