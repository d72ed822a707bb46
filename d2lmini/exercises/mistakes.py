"""The mistakes that people make in `batch_norm`, with a hint for each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from d2lmini.exercises.attempt import Mistake
from d2lmini.exercises.faults import AXES, faulty_batch_norm
from d2lmini.exercises.hints import HINTS, Hint
from d2lmini.exercises.hints_numbers import NUMBER_HINTS, ROUGH_HINTS


@dataclass(frozen=True)
class Faulty(Mistake):
    """A mistake that is made of faults.

    Attributes
    ----------
    faults : tuple of str, words of faults.py and faulty_layer.py
    """

    faults: tuple[str, ...] = ()


# Mistakes that are made in several ways; in place, other errors come of them.
Ways = Mapping[str, tuple[tuple[str, ...], ...]]
WAYS: Ways = {
    'gradients_mode': (
        ('gradients_mode',),
        ('mode_and_gradients',),
        ('mode_or_gradients',),
    ),
    'std_remembered': (('std_remembered',), ('std_remembered', 'std_squared')),
    'forgets_nothing': (('forgets_nothing',), ('forgets_no_mean',)),
    'cut_gamma': (('cut_gamma',), ('cut_beta',), ('cut_gamma', 'cut_beta')),
    **{key: ((key,), (key, 'in_place')) for key in (*AXES, 'no_keepdim')},
    'axes_rows': (('axes_rows',),),  # in place, as axes_last
}


def table(
    hints: Iterable[Hint],
    build: Callable[[tuple[str, ...]], Any],
    ways: Ways,
    rough: bool = False,
) -> tuple[Faulty, ...]:
    """Return the mistakes that the hints are for, one for each way.

    Parameters
    ----------
    hints : of (key, Chinese, English)
    build : callable, makes code with the faults named
    ways : mapping, lists of faults by key; by default the key is the fault
    rough : bool, as in `Mistake`
    """
    return tuple(
        Faulty(key, zh, en, build(faults), rough=rough, faults=faults)
        for key, zh, en in hints
        for faults in ways.get(key, ((key,),))
    )


MISTAKES = table(HINTS + NUMBER_HINTS, faulty_batch_norm, WAYS) + table(
    ROUGH_HINTS, faulty_batch_norm, WAYS, rough=True
)
