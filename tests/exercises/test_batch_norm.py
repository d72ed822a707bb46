"""The two big checks pass what is right, and name mistakes in any code."""

import inspect
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from mutants import MUTANTS, TAUGHT, Mutant
from torch import nn
from wrong_answers import (
    RIGHT_FUNCTIONS,
    RIGHT_LAYERS,
    WRONG_FUNCTIONS,
    WRONG_LAYERS,
)

import d2lmini as d2l
from d2lmini.exercises import check_batch_norm, check_BatchNorm
from d2lmini.exercises.batch_norm import BATCH_NORM, BATCH_NORM_LAYER
from d2lmini.exercises.compare import difference
from d2lmini.exercises.engine import Edit, Exercise, edited, results
from d2lmini.show import lang

FUNCTION_AND_LAYER = pytest.mark.parametrize(
    'exercise', [BATCH_NORM, BATCH_NORM_LAYER], ids=['function', 'layer']
)


def name(value: Any) -> str:
    if isinstance(value, Exercise):
        return value.name
    return getattr(value, '__name__', str(value))


def with_mistakes(exercise: Exercise, *keys: str) -> Any:
    """Return the right answer with mistakes, each made in its first way."""
    ways = [next(m for m in exercise.known if m.key == key) for key in keys]
    edits = [way.changes for way in ways if isinstance(way, Edit)]
    return edited(exercise, [change for edit in edits for change in edit])


# What is right passes.


@pytest.mark.parametrize(
    ('check', 'answer'),
    [(check_batch_norm, fn) for fn in RIGHT_FUNCTIONS]
    + [(check_BatchNorm, cls) for cls in RIGHT_LAYERS],
    ids=name,
)
def test_right_answer_passes(check: Any, answer: Any) -> None:
    report = check(answer)
    assert report.ok, repr(report)


@FUNCTION_AND_LAYER
def test_code_without_mistakes_passes(exercise: Exercise) -> None:
    """What the mistakes are told by is their edits alone."""
    assert exercise(with_mistakes(exercise)).ok


def test_count_of_batches_is_only_spoken_of() -> None:
    without = check_BatchNorm(RIGHT_LAYERS[-1])
    assert without.ok and 'num_batches_tracked' in repr(without)
    assert 'num_batches_tracked' not in repr(check_BatchNorm(d2l.BatchNorm))


@pytest.mark.parametrize('case', BATCH_NORM.cases)
def test_cases_are_what_torch_gives(case: Any) -> None:
    """The course's own function, which judges, is itself held to torch."""
    seen = results(BATCH_NORM, d2l.batch_norm, case)
    torchs = results(BATCH_NORM, RIGHT_FUNCTIONS[4], case)
    assert seen.keys() == torchs.keys()
    for key in seen:
        assert difference(seen[key], torchs[key], 1e-2) is None, key


def test_cases_are_left_as_they_were() -> None:
    before = [case.args[0].clone() for case in BATCH_NORM.cases]
    check_batch_norm(RIGHT_FUNCTIONS[3])
    for case, X in zip(BATCH_NORM.cases, before, strict=True):
        assert torch.equal(case.args[0], X)
    assert len(BATCH_NORM_LAYER.cases) == 20


# What is wrong gets its name.


def test_there_are_enough_wrong_answers() -> None:
    shown = {key for key, _, _ in WRONG_FUNCTIONS}
    assert shown == {*BATCH_NORM.mistakes}  # each has its answer
    in_layers = {key for key, _, _ in WRONG_LAYERS}
    assert shown | in_layers == shown | {*BATCH_NORM_LAYER.mistakes}
    assert len(in_layers) >= 40


@pytest.mark.parametrize(
    ('check', 'key', 'fault', 'answer'),
    [(check_batch_norm, *wrong) for wrong in WRONG_FUNCTIONS]
    + [(check_BatchNorm, *wrong) for wrong in WRONG_LAYERS],
    ids=name,
)
def test_mistake_is_named(
    check: Any, key: str, fault: str, answer: Any
) -> None:
    report = check(answer)
    assert (report.ok, report.mistake) == (False, key), repr(report)


# What the package's mutants are, but for those that are a known mistake word
# for word, as the gate says.
NAMED = {
    'unbiased variance to normalize': 'unbiased_normalizes',
    'beta left out': 'no_beta',
    'batch statistics in evaluation': 'batch_in_eval',
    'statistics without gradient': 'cut_gradient',
    'mean without gradient': 'cut_mean',
    'variance without gradient': 'cut_var',
    'the mean is a parameter': 'trained_averages',
    'standard deviation remembered': 'std_remembered',
    'momentum the other way': 'momentum_reversed',
    'momentum fixed': 'momentum_fixed',
    'eps fixed': 'eps_fixed',
    'eps remembered': 'eps_remembered',
    'no argument eps': 'no_options',
    'E[x^2] - E[x]^2, not below 0': 'cancels',
    'one value raises another error': 'one_value',
    'without gradients it evaluates': 'gradients_mode',
    'without gradients it remembers nothing': 'gradients_mode',
    'with gradients it trains': 'gradients_mode',
    'is_grad_enabled is the mode': 'gradients_mode',
    'gamma not saved': 'plain_gamma',
    'the memory keeps the graph': 'keeps_graph',
}
# Wrong, and rightly given no name: nobody makes these by mistake.
UNNAMED = {
    'changes its input',
    'remembers in evaluation',
    'another eps in evaluation',
    'gradient to gamma turned round',
    'half of the gradient to beta',
    'a copy is the layer itself',
    'a copy shares the tensors',
    'momentum=None starts one late',
    'momentum=None ignored',
    'momentum 0 taken for none given',
}
# More than is asked of a learner: columns of the oracle, and faults.
UNASKED = {
    'half', 'bfloat16', 'non_contiguous', 'channels_last',
    'evaluation without gradient', 'all computed in float32',
    'no num_batches_tracked saved', 'counts in evaluation',
    'a copy starts anew',
}  # fmt: skip


@pytest.mark.parametrize(
    'mutant', MUTANTS, ids=lambda m: f'{m.column}-{m.fault}'
)
def test_mutants_are_named(mutant: Mutant) -> None:
    report = check_BatchNorm(mutant.build())
    assert report.ok == bool({mutant.column, mutant.fault} & UNASKED)
    if mutant.fault in NAMED:
        assert report.mistake == NAMED[mutant.fault], repr(report)
    elif not report.ok:
        assert (report.mistake is None) == (mutant.fault in UNNAMED)


@pytest.mark.parametrize(
    ('taught', 'key'),
    [
        ('the lecture', 'plain_tensors'),
        ('plain tensors', 'plain_tensors'),
        ('cut gradient', 'unbiased_normalizes'),
        ('running deviation', 'unbiased_normalizes'),
        ('graph kept', 'biased_remembered'),
    ],
)
def test_layers_as_taught_get_one_of_their_faults(
    taught: str, key: str
) -> None:
    assert check_BatchNorm(TAUGHT[taught].make).mistake == key


PAIRS = [
    ('momentum_reversed', 'biased_remembered'),
    ('eps_outside', 'unbiased_normalizes'),
    ('swapped', 'eps_missing'),
    ('keeps_graph', 'biased_remembered'),
    ('cut_gradient', 'no_beta'),
    ('axes_batch_only', 'momentum_reversed'),
    ('always_trains', 'std_remembered'),
    ('not_rooted', 'var_not_centred'),
    ('no_keepdim', 'one_value'),
    ('cancels', 'one_value'),
]


@pytest.mark.parametrize('pair', PAIRS, ids='+'.join)
@FUNCTION_AND_LAYER
def test_of_two_mistakes_one_is_named_and_then_the_other(
    exercise: Exercise, pair: tuple[str, str]
) -> None:
    first = exercise(with_mistakes(exercise, *pair)).mistake
    assert first in pair
    (rest,) = {*pair} - {first}
    assert exercise(with_mistakes(exercise, rest)).mistake == rest


def test_of_two_mistakes_in_a_layer_the_first_to_show_is_named() -> None:
    for first, later in (
        ('plain_tensors', 'gradients_mode'),
        ('var_zeros', 'momentum_reversed'),
        ('trained_averages', 'swapped'),
    ):
        both = with_mistakes(BATCH_NORM_LAYER, first, later)
        assert check_BatchNorm(both).mistake == first


# A check that can't fail proves nothing.


def test_mistake_that_is_not_known_is_only_wrong() -> None:
    for key, fault, answer in WRONG_FUNCTIONS[::6]:
        known = {k: m for k, m in BATCH_NORM.mistakes.items() if k != key}
        report = replace(BATCH_NORM, mistakes=known)(answer)
        assert not report.ok and report.mistake != key, fault


# Answers that misbehave.


def stub_function(
    X, gamma, beta, moving_mean, moving_var, eps, momentum, training
): ...


class Stub(nn.Module):
    pass


class StubForward(nn.Module):
    def __init__(self, num_features, num_dims, eps=1e-5, momentum=0.1):
        super().__init__()
        ...

    def forward(self, X): ...


@pytest.mark.parametrize(
    ('check', 'stub'),
    [
        (check_batch_norm, stub_function),
        (check_batch_norm, ...),
        (check_BatchNorm, Stub),
        (check_BatchNorm, StubForward),
        (check_BatchNorm, None),
    ],
)
def test_stubs_are_not_tried(check: Any, stub: Any) -> None:
    report = check(stub)
    assert not report.tried and not report.ok
    assert 'not tried yet' in repr(report)


def test_input_written_into_is_told() -> None:
    def writes(X: Any, *rest: Any) -> Any:
        Y, *new = d2l.batch_norm(X, *rest)
        return X.copy_(Y.detach()), *new

    class Writes(d2l.BatchNorm):
        def forward(self, X):
            with torch.no_grad():
                X.add_(1)
            return super().forward(X)

    assert check_batch_norm(writes).trouble == 'changed'
    assert check_BatchNorm(Writes).trouble == 'changed'


class TwoOutputs(d2l.BatchNorm):
    def forward(self, X):
        return super().forward(X), self.moving_mean


class Misspelt(nn.Module):
    def __init__(self, num_features, num_dims, eps=1e-5, momentum=0.1):
        super().__init__()

    def foward(self, X):
        return X


class NoReturn(d2l.BatchNorm):
    def forward(self, X):
        super().forward(X)


class OwnTrain(d2l.BatchNorm):
    def train(self):
        self.training = True


class InDouble(d2l.BatchNorm):
    def forward(self, X):
        return super().forward(X).double()


class OtherNames(nn.Module):
    def __init__(self, num_features, num_dims, eps=1e-5, momentum=0.1):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(num_features))

    def forward(self, X):
        return X


@pytest.mark.parametrize(
    ('check', 'answer', 'says'),
    [
        (check_batch_norm, lambda X, *_: X, 'should return three tensors'),
        (
            check_batch_norm,
            lambda X, gamma, beta, mean, var, *_: (X[0], mean, var),
            'The output has the shape',
        ),
        (check_batch_norm, lambda X: X, 'should be these, in this order: X'),
        (check_batch_norm, d2l.BatchNorm, 'should be these, in this'),
        (check_BatchNorm, TwoOutputs, 'should be a tensor and is tuple'),
        (check_BatchNorm, OtherNames, 'The layer has no gamma or weight'),
        (check_BatchNorm, lambda *_, **__: 3, 'be an nn.Module and is int'),
        (check_BatchNorm, Misspelt, 'The class has no method forward'),
        (check_BatchNorm, NoReturn, 'It returns nothing'),
        (check_BatchNorm, OwnTrain, 'train should take mode'),
        (check_BatchNorm, InDouble, 'the dtype torch.float64'),
    ],
)
def test_other_things_are_told(check: Any, answer: Any, says: str) -> None:
    report = check(answer)
    assert report.tried and not report.ok
    assert says in repr(report)


def test_layer_in_place_of_its_class_stays_as_it_was() -> None:
    net = d2l.BatchNorm(2, 2)
    report = check_BatchNorm(net)
    assert not report.ok and 'without brackets' in repr(report)
    assert int(net.num_batches_tracked) == 0 and net.training


# The words.

HINTS = {
    mistake.key: mistake.zh + mistake.en
    for mistake in BATCH_NORM.known + BATCH_NORM_LAYER.known
}
# What mends a mistake; a hint that says it would be the answer.
ANSWERS = (
    'keepdim=', 'unbiased=', 'correction=', 'register_buffer', 'no_grad',
    'self.training', 'nn.Parameter', 'super()', 'sqrt(', 'n - 1', 'n-1',
    'detach', '1 - momentum', '无偏方差是', '除以n',
)  # fmt: skip


@pytest.mark.parametrize('key', HINTS)
def test_hint_leads_on_without_giving_the_answer(key: str) -> None:
    assert not [word for word in ANSWERS if word in HINTS[key]]


@pytest.mark.parametrize('language', ['zh', 'en'])
def test_report_reads_in_one_language(language: str) -> None:
    lang.set_language(language)
    report = check_BatchNorm(TAUGHT['graph kept'].make)
    chinese = re.search('[一-鿿]', repr(report))
    assert bool(chinese) == (language == 'zh')


def test_answer_is_the_packages_own_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_batch_norm(None).answer()
    assert capsys.readouterr().out == inspect.getsource(d2l.batch_norm)
    check_BatchNorm(None).answer()
    assert capsys.readouterr().out == inspect.getsource(d2l.BatchNorm)
