"""What the book's own training loops count and time with.

Source: the book's helpers of these names.
"""

from itertools import accumulate
from time import perf_counter
from typing import Any

from torch import Tensor


def accuracy(y_hat: Tensor, y: Tensor) -> float:
    """Count the right predictions: a number, not a share.

    Parameters
    ----------
    y_hat : Tensor (N, classes, ...) of scores, or of classes, shaped as `y`
    y : Tensor (N, ...) of classes

    Raises
    ------
    ValueError : shapes that do not go together, or one-hot classes
    """
    scores = y_hat.ndim > 1 and y_hat.shape[1] > 1
    guess = y_hat.argmax(dim=1) if scores else y_hat
    if guess.shape != y.shape:
        raise ValueError(
            'predictions (N, classes) go with classes y (N,), got '
            f'{tuple(y_hat.shape)} and {tuple(y.shape)}: reshape one of them'
        )
    return float((guess.to(y.dtype) == y).sum())


class Accumulator:
    """Sums that grow from batch to batch: `metric[0]` is the first of them.

    Parameters
    ----------
    n : int, the number of sums
    """

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *values: Any) -> None:
        """Add a number to each sum; ValueError where there are not n."""
        if len(values) != len(self.data):
            raise ValueError(
                f'add takes a number for each of the {len(self.data)} sums, '
                f'got {len(values)}'
            )
        for i, value in enumerate(values):
            self.data[i] += float(value)

    def reset(self) -> None:
        """Start all sums from 0 again."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, i: int) -> float:
        return self.data[i]


class Timer:
    """A stopwatch that runs from the start and keeps every time it took.

    Attributes
    ----------
    times : list of float, seconds from each start to its stop
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Start to take a time."""
        self._began = perf_counter()

    def stop(self) -> float:
        """Keep the time since the last start, and return it."""
        self.times.append(perf_counter() - self._began)
        return self.times[-1]

    def avg(self) -> float:
        """Return the mean of the times."""
        return self.sum() / len(self.times)

    def sum(self) -> float:
        """Return the sum of the times."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Return the sum of the times up to each of them."""
        return list(accumulate(self.times))
