"""How far two settings differ, with an interval over the seeds."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

# Student's t that 95% of the values lie within, by degrees of freedom.
T95 = {
    1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31,
    9: 2.26, 10: 2.23, 11: 2.20, 12: 2.18, 13: 2.16, 14: 2.14, 15: 2.13,
}  # fmt: skip


class Weighed(NamedTuple):
    """A mean and its 95% interval; prints as '0.012 (0.007 to 0.017)'."""

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return '{:{s}} ({:{s}} to {:{s}})'.format(*self, s=spec or '.3f')


def difference(a: Sequence[float], b: Sequence[float]) -> Weighed:
    """Return a - b, seed by seed, as a mean with its 95% interval.

    Parameters
    ----------
    a, b : equally many numbers, 1 to 16, one for each seed

    Returns
    -------
    Weighed; infinite where one of the numbers is; one seed gives no
    interval, that is nan

    Raises
    ------
    ValueError : the seeds are not as many
    """
    gaps = [x - y for x, y in zip(a, b, strict=True)]
    if not all(map(math.isfinite, gaps)):
        return Weighed(math.inf, -math.inf, math.inf)
    mean = statistics.mean(gaps)
    if len(gaps) == 1:
        return Weighed(mean, math.nan, math.nan)
    reach = T95[len(gaps) - 1] * statistics.stdev(gaps) / math.sqrt(len(gaps))
    return Weighed(mean, mean - reach, mean + reach)


def ratio(a: Sequence[float], b: Sequence[float]) -> Weighed:
    """Return a / b as `difference` does, by the logarithms; all positive."""
    logs = difference([*map(math.log, a)], [*map(math.log, b)])
    return Weighed(*map(math.exp, logs))
