"""The checks pass what is right, however written, and name what is wrong."""

import inspect
import re
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
from d2lmini.exercises.alike import difference
from d2lmini.exercises.attempt import results
from d2lmini.exercises.check import (
    BATCH_NORM,
    BATCH_NORM_LAYER,
    check_batch_norm,
    check_BatchNorm,
)
from d2lmini.exercises.faults import faulty_batch_norm
from d2lmini.exercises.faulty_layer import faulty_layer
from d2lmini.exercises.mistakes import MISTAKES
from d2lmini.exercises.mistakes_layer import LAYER_MISTAKES
from d2lmini.exercises.verdict import Exercise, Mistake, Report, judge
from d2lmini.show import lang


def name(answer: Any) -> str:
    return getattr(answer, '__name__', str(answer))


def faults(wrong: tuple[str, str, Any]) -> str:
    return f'{wrong[0]}-{wrong[1]}'


# What is right passes.


@pytest.mark.parametrize('answer', RIGHT_FUNCTIONS, ids=name)
def test_right_function_passes(answer: Any) -> None:
    report = check_batch_norm(answer)
    assert report.ok, repr(report)


@pytest.mark.parametrize('answer', RIGHT_LAYERS, ids=name)
def test_right_layer_passes(answer: Any) -> None:
    report = check_BatchNorm(answer)
    assert report.ok, repr(report)


def test_code_without_faults_passes() -> None:
    """What the mistakes are told by is their fault alone."""
    assert check_batch_norm(faulty_batch_norm(())).ok
    assert check_BatchNorm(faulty_layer(())).ok


def test_count_of_batches_is_only_spoken_of() -> None:
    without = check_BatchNorm(faulty_layer(()))
    assert without.ok and 'num_batches_tracked' in repr(without)
    assert 'num_batches_tracked' not in repr(check_BatchNorm(d2l.BatchNorm))


@pytest.mark.parametrize('seed', range(3))
def test_cases_are_what_torch_gives(seed: int) -> None:
    """The course's own function, which judges, is itself held to torch."""
    torch.manual_seed(seed)
    for case in BATCH_NORM.cases[: 7 - 2 * seed]:
        seen = results(BATCH_NORM, d2l.batch_norm, case)
        torchs = results(BATCH_NORM, RIGHT_FUNCTIONS[4], case)
        assert seen.keys() == torchs.keys()
        for key in seen:
            assert difference(seen[key], torchs[key], 1e-2) is None, key


# What is wrong gets its name.


def test_there_are_enough_wrong_answers() -> None:
    told = {m.key for m in MISTAKES}, {m.key for m in LAYER_MISTAKES}
    shown = (
        {key for key, _, _ in WRONG_FUNCTIONS},
        {key for key, _, _ in WRONG_LAYERS},
    )
    assert shown[0] == told[0]  # every mistake in `batch_norm` has its answer
    assert len(shown[1]) >= 40 and shown[1] <= told[1]
    assert shown[0] | shown[1] == told[0] | told[1]


@pytest.mark.parametrize('wrong', WRONG_FUNCTIONS, ids=faults)
def test_mistake_in_the_function_is_named(
    wrong: tuple[str, str, Any],
) -> None:
    report = check_batch_norm(wrong[2])
    assert (report.ok, report.mistake) == (False, wrong[0]), repr(report)


@pytest.mark.parametrize('wrong', WRONG_LAYERS, ids=faults)
def test_mistake_in_the_layer_is_named(wrong: tuple[str, str, Any]) -> None:
    report = check_BatchNorm(wrong[2])
    assert (report.ok, report.mistake) == (False, wrong[0]), repr(report)


def test_every_way_to_make_a_mistake_gets_its_name() -> None:
    for mistakes, check in (
        (MISTAKES, check_batch_norm),
        (LAYER_MISTAKES, check_BatchNorm),
    ):
        named = {
            mistake: check(mistake.wrong).mistake
            for mistake in mistakes
            if mistake.wrong is not None
        }
        assert all(named[m] == m.key for m in named), {
            m.key: key for m, key in named.items() if m.key != key
        }


# What each mutant of the package's layer is, where the check asks for it.
NAMED = {
    'pools the batch only': 'axes_batch_only',
    'pools each example': 'axes_channels',
    'pools the channels too': 'axes_all',
    'unbiased variance to normalize': 'unbiased_normalizes',
    'divides by the variance': 'not_rooted',
    'gamma and beta swapped': 'swapped',
    'beta left out': 'no_beta',
    'batch statistics in evaluation': 'batch_in_eval',
    'statistics without gradient': 'cut_gradient',
    'mean without gradient': 'cut_mean',
    'variance without gradient': 'cut_var',
    'gamma detached': 'cut_gamma',
    'beta detached': 'cut_gamma',
    'the mean is a parameter': 'trained_averages',
    'gamma is no parameter': 'plain_gamma',
    'mean starts at one': 'mean_ones',
    'mean forgets nothing': 'forgets_nothing',
    'biased variance remembered': 'biased_remembered',
    'variance starts at zero': 'var_zeros',
    'standard deviation remembered': 'std_remembered',
    'momentum the other way': 'momentum_reversed',
    'momentum fixed': 'momentum_fixed',
    'eps fixed': 'eps_fixed',
    'eps outside the root': 'eps_outside',
    'eps remembered': 'eps_remembered',
    'no argument eps': 'no_options',
    'eps missing': 'eps_missing',
    'variance clamped': 'eps_least',
    'E[x^2] - E[x]^2': 'cancels',
    'E[x^2] - E[x]^2, not below 0': 'cancels',
    'one value passes silently': 'one_value',
    'one value raises another error': 'one_value',
    'one image refused': 'one_image',
    'one value refused in evaluation too': 'one_value_in_eval',
    'without gradients it evaluates': 'gradients_mode',
    'without gradients it remembers nothing': 'gradients_mode',
    'with gradients it trains': 'gradients_mode',
    'is_grad_enabled is the mode': 'gradients_mode',
    'mean not saved': 'not_saved',
    'gamma not saved': 'plain_gamma',
    'mean a plain tensor': 'plain_tensors',
    'variance a plain tensor': 'plain_tensors',
    'variance stays float32': 'plain_tensors',
    'the memory keeps the graph': 'keeps_graph',
    'the last output is kept': 'keeps_output',
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
}
# More than is asked of a learner.
UNASKED = {'num_batches', 'momentum_none', 'half', 'bfloat16'} | {
    'non_contiguous', 'channels_last',
}  # fmt: skip


@pytest.mark.parametrize(
    'mutant', MUTANTS, ids=lambda m: f'{m.column}-{m.fault}'
)
def test_mutants_are_named(mutant: Mutant) -> None:
    report = check_BatchNorm(mutant.build())
    if mutant.fault in NAMED:
        assert report.mistake == NAMED[mutant.fault], repr(report)
    elif mutant.fault in UNNAMED:
        assert (report.ok, report.mistake) == (False, None), repr(report)
    else:
        assert report.ok, repr(report)


def test_mutants_that_pass_are_beyond_the_task() -> None:
    passing = {
        (mutant.column, mutant.fault)
        for mutant in MUTANTS
        if mutant.fault not in NAMED.keys() | UNNAMED
    }
    beyond = {
        'momentum 0 taken for none given',
        'evaluation without gradient',
        'all computed in float32',
        'a copy starts anew',
    }
    assert {fault for col, fault in passing if col not in UNASKED} == beyond


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
@pytest.mark.parametrize(
    ('build', 'check'),
    [(faulty_batch_norm, check_batch_norm), (faulty_layer, check_BatchNorm)],
    ids=['function', 'layer'],
)
def test_of_two_mistakes_one_is_named_and_then_the_other(
    build: Any, check: Any, pair: tuple[str, str]
) -> None:
    first = check(build(pair)).mistake
    assert first in pair
    (rest,) = {*pair} - {first}
    assert check(build([rest])).mistake == rest


LAYER_PAIRS = [
    ('plain_tensors', 'gradients_mode'),
    ('var_zeros', 'momentum_reversed'),
    ('trained_averages', 'swapped'),
]


@pytest.mark.parametrize('pair', LAYER_PAIRS, ids='+'.join)
def test_of_two_mistakes_in_a_layer_the_first_to_show_is_named(
    pair: tuple[str, str],
) -> None:
    known = {m.key: m.faults for m in reversed(LAYER_MISTAKES) if m.wrong}  # type: ignore[attr-defined]
    both = [word for key in pair for word in known[key]]
    assert check_BatchNorm(faulty_layer(both)).mistake == pair[0]


# A check that can't fail proves nothing.


def test_without_its_mistake_in_the_table_an_answer_is_only_wrong() -> None:
    for key, fault, answer in WRONG_FUNCTIONS[::6]:
        others = [m for m in MISTAKES if m.key != key]
        fields = {**vars(BATCH_NORM), 'mistakes': others, 'together': None}
        report = judge(Exercise(**fields), answer)
        assert (report.ok, report.mistake == key) == (False, False), fault


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
    'report',
    [
        check_batch_norm(stub_function),
        check_batch_norm(...),
        check_BatchNorm(Stub),
        check_BatchNorm(StubForward),
        check_BatchNorm(None),
    ],
)
def test_stubs_are_not_tried(report: Report) -> None:
    assert not report.tried and not report.ok
    assert 'not tried yet' in repr(report)


@pytest.mark.parametrize(
    ('answer', 'says'),
    [
        (lambda X, *rest: X, 'should return three tensors'),
        (lambda X, g, b, m, v, *rest: (X[0], m, v), '`Y` has the shape'),
        (lambda X: X, 'TypeError'),
        (d2l.BatchNorm, 'TypeError'),
    ],
)
def test_other_things_than_the_function(answer: Any, says: str) -> None:
    report = check_batch_norm(answer)
    assert report.tried and not report.ok
    assert says.replace('`', '') in repr(report)


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


class OtherNames(nn.Module):
    def __init__(self, num_features, num_dims, eps=1e-5, momentum=0.1):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(num_features))

    def forward(self, X):
        return X


@pytest.mark.parametrize(
    ('answer', 'says'),
    [
        (TwoOutputs, 'forward should return a tensor and returns tuple'),
        (OtherNames, 'The layer has no gamma or weight'),
        (lambda *_, **__: 3, 'AttributeError'),
    ],
)
def test_other_things_than_the_layer(answer: Any, says: str) -> None:
    report = check_BatchNorm(answer)
    assert report.tried and not report.ok
    assert says in repr(report)


def test_layer_in_place_of_its_class_stays_as_it_was() -> None:
    net = d2l.BatchNorm(2, 2)
    report = check_BatchNorm(net)
    assert not report.ok and 'without brackets' in repr(report)
    assert int(net.num_batches_tracked) == 0 and net.training


# The words.

ALL = {m.key: m for m in (*MISTAKES, *LAYER_MISTAKES)}
# What mends a mistake; a hint that says it would be the answer.
ANSWERS = (
    'keepdim=', 'unbiased=', 'correction=', 'register_buffer', 'no_grad',
    'self.training', 'nn.Parameter', 'super()', 'sqrt(', 'n - 1', 'n-1',
    'detach', '1 - momentum', '无偏方差是', '除以n',
)  # fmt: skip


@pytest.mark.parametrize('mistake', ALL.values(), ids=lambda m: m.key)
def test_hint_leads_on_without_giving_the_answer(mistake: Mistake) -> None:
    for text in (mistake.zh, mistake.en):
        assert text and not [word for word in ANSWERS if word in text]
    assert re.search('[一-鿿]', mistake.zh)
    assert not re.search('[一-鿿]', mistake.en)
    assert not re.search('[您请!！]', mistake.zh + mistake.en)
    # A hint is a few sentences, and the same code stands in both.
    assert len(mistake.zh) < 110 and len(mistake.en) < 280
    ticks = [set(re.findall('`(.+?)`', t)) for t in (mistake.zh, mistake.en)]
    assert ticks[0] == ticks[1]


def test_same_key_has_the_same_hint() -> None:
    for mistakes in (MISTAKES, LAYER_MISTAKES):
        hints: dict[str, set[tuple[str, str]]] = {}
        for mistake in mistakes:
            hints.setdefault(mistake.key, set()).add((mistake.zh, mistake.en))
        assert {len(words) for words in hints.values()} == {1}


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


def test_cases_are_left_as_they_were() -> None:
    before = [case.args[0].clone() for case in BATCH_NORM.cases]
    check_batch_norm(RIGHT_FUNCTIONS[3])
    for case, X in zip(BATCH_NORM.cases, before, strict=True):
        assert torch.equal(case.args[0], X)
    assert len(BATCH_NORM_LAYER.cases) == 19
