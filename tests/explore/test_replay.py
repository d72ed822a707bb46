"""A record replayed with a momentum is a training with that momentum."""

import itertools
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import d2lmini as d2l
from d2lmini.explore.averages import replayed
from d2lmini.explore.replay import Record, bn_layers, record, statistics
from d2lmini.history import History
from d2lmini.train import Lines, fit

STEPS, KEPT = 8, (3, 4, 8)


def batches() -> list[tuple[Tensor, Tensor]]:
    """Give 4 batches, the last one smaller, of images with 10 classes."""
    draw = torch.Generator().manual_seed(1)
    return [
        (
            torch.rand(n, 1, 28, 28, generator=draw),
            torch.randint(10, (n,), generator=draw),
        )
        for n in (16, 16, 16, 6)
    ]


def net(momentum: float | None = 0.1) -> nn.Sequential:
    d2l.set_seed(0)
    return d2l.lenet(lambda *a: d2l.torch_norm(*a, momentum=momentum))


@pytest.fixture(scope='module')
def tape() -> Record:
    tape, history = record(net(), batches(), batches(), 2, 0.5, KEPT)
    assert len(history.loss) == 2
    return tape


class Probe(Lines):
    """A watcher that notes the running averages and accuracy at steps."""

    def __init__(self, net: nn.Module) -> None:
        self.net, self.seen = net, {}

    def epoch(self, history: History) -> None:
        """Say nothing."""

    def batch(self, history: History) -> None:
        step = len(history.batch_loss)
        if step not in KEPT:
            return
        mean, var = statistics(self.net)
        accuracy = d2l.evaluate_accuracy_gpu(self.net, batches())
        self.seen[step] = mean, var, accuracy


def trained(momentum: float) -> dict[int, tuple[Tensor, Tensor, float]]:
    """Train for real with a momentum; return what there is at each step."""
    real = net(momentum)
    probe = Probe(real)
    fit(real, batches(), batches(), 0.5, 'cpu', History(2, 4), probe)
    return probe.seen


def test_weights_are_kept_after_long_steps_too(tape: Record) -> None:
    longer = float(tape.lengths.sort().values[STEPS // 2])
    more, _ = record(net(), batches(), batches(), 2, 0.5, KEPT, longer)
    torch.testing.assert_close(more.lengths, tape.lengths)
    long = [i for i, x in enumerate(tape.lengths, 1) if x > longer]
    assert {*long} - {*KEPT}  # some that are not kept anyway
    assert more.steps == sorted({*KEPT, *long})
    assert tape.steps == [*KEPT]


@pytest.mark.parametrize('momentum', [0.0, 0.001, 0.03, 0.1, 0.5, 0.9, 1.0])
def test_a_replay_equals_a_training(tape: Record, momentum: float) -> None:
    X, y = (torch.cat(parts) for parts in zip(*batches(), strict=True))
    for step, (mean, var, accuracy) in trained(momentum).items():
        ours = tape.averages(step, momentum)
        torch.testing.assert_close(ours[0], mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours[1], var, rtol=1e-5, atol=1e-5)
        net = tape.copy(step, momentum)
        assert d2l.evaluate_accuracy_gpu(net, [(X, y)]) == accuracy
        seen = replayed(tape, momentum, step, X, y)
        assert (seen.step, seen.accuracy) == (step, accuracy)
        assert seen.running[-1] == pytest.approx(
            float(mean[tape.sizes[0]]), abs=1e-5
        )


def test_a_wrong_direction_would_be_seen(tape: Record) -> None:
    mean = trained(0.1)[8][0]
    assert not torch.allclose(tape.averages(8, 0.9)[0], mean, atol=1e-3)


def test_a_biased_variance_would_be_seen(tape: Record) -> None:
    var = trained(0.1)[8][1]
    biased = tape.averages(8, 0.1)[1] * 15 / 16
    assert not torch.allclose(biased, var, rtol=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, STEPS), st.floats(0, 1))
def test_the_weights_add_up_to_one(step: int, momentum: float) -> None:
    tape = Record(nn.Sequential(nn.BatchNorm1d(2)))
    layer = nn.BatchNorm1d(2)
    layer.running_mean.fill_(1)  # all batches alike, as is the start's var
    for _ in range(STEPS):
        tape.add(nn.Sequential(layer), ())
    mean, var = tape.averages(step, momentum)
    start = (1 - momentum) ** step
    assert mean.tolist() == pytest.approx([1 - start] * 2, abs=1e-5)
    assert var.tolist() == pytest.approx([1, 1], abs=1e-5)


def test_a_copy_stays_as_it_is(tape: Record) -> None:
    copied = tape.copy(8, 0.1)
    before = {k: v.clone() for k, v in copied.state_dict().items()}
    tape.copy(3, 1.0)
    for name, value in copied.state_dict().items():
        assert torch.equal(value, before[name])


def test_steps_in_any_order_give_the_same(tape: Record) -> None:
    X, y = batches()[0]
    order = itertools.chain(KEPT, reversed(KEPT))
    seen = [(step, tape.copy(step, 0.1)(X).sum().item()) for step in order]
    assert len(set(seen)) == len(KEPT) and len(y) == 16


@pytest.mark.parametrize('momentum', [-0.1, 1.1, float('nan')])
def test_a_momentum_out_of_range_is_told(
    tape: Record, momentum: float
) -> None:
    with pytest.raises(ValueError, match=r'momentum must be in \[0, 1\]'):
        tape.averages(8, momentum)


@pytest.mark.parametrize('step', [0, STEPS + 1])
def test_a_step_out_of_range_is_told(tape: Record, step: int) -> None:
    with pytest.raises(ValueError, match=r'step must be in \[1, 8\]'):
        tape.averages(step, 0.1)


def test_a_step_without_weights_is_told(tape: Record) -> None:
    with pytest.raises(KeyError, match='no weights kept at step 5'):
        tape.copy(5, 0.1)


class Interrupted(list):  # type: ignore[type-arg]
    """Batches with interrupts before the second one."""

    times = 0

    def __iter__(self) -> Iterator[Any]:
        for i, batch in enumerate(super().__iter__()):
            for _ in range(self.times if i == 1 else 0):
                signal.raise_signal(signal.SIGINT)
            yield batch


def test_an_interrupted_record_ends_at_the_next_kept_step(
    tape: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Interrupted(batches())
    given.times = 1
    short, history = record(net(), given, batches(), 2, 0.5, KEPT)
    assert history.interrupted and short.steps == [3] and len(short.mean) == 3
    assert 'The record ends at step 3, which stands' in capsys.readouterr().out
    for step in (3, 4, 5, 8, 100):
        ours, whole = short.copy(step, 0.1), tape.copy(3, 0.1)
        for a, b in zip(ours.parameters(), whole.parameters(), strict=True):
            assert torch.equal(a, b)
        assert torch.equal(statistics(ours)[0], statistics(whole)[0])
        assert torch.equal(
            short.at(step, *short.averages(3, 0.1))(given[0][0]),
            ours(given[0][0]),
        )


def test_a_record_interrupted_twice_ends_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = Interrupted(batches())
    given.times = 2
    short, history = record(net(), given, batches(), 2, 0.5, KEPT)
    assert history.interrupted and short.steps == [] and len(short.mean) == 1
    assert 'The record ends at step 0, which' in capsys.readouterr().out
    with pytest.raises(KeyError, match='no weights kept at step 1'):
        short.copy(1, 0.1)


def test_a_whole_record_has_no_later_steps(tape: Record) -> None:
    with pytest.raises(KeyError, match='no weights kept at step 9'):
        tape.at(9, tape.mean[0], tape.var[0])
    with pytest.raises(ValueError, match='step must be in'):
        tape.copy(9, 0.1)


def test_the_nearest_kept_step_is_replayed(tape: Record) -> None:
    X, y = batches()[0]
    assert replayed(tape, 0.1, 7, X, y).step == 8
    assert replayed(tape, 0.1, 1, X, y).step == 3


def test_a_net_takes_any_averages_and_keeps_its_momentum(
    tape: Record,
) -> None:
    mean, var = tape.mean[2:7].mean(dim=0), tape.var[2:7].mean(dim=0)
    taken = tape.at(8, mean, var)
    assert not taken.training
    assert {layer.momentum for layer in bn_layers(taken)} == {0.1}
    for ours, asked in zip(statistics(taken), (mean, var), strict=True):
        assert torch.equal(ours, asked)


def test_the_lengths_are_those_of_the_steps(tape: Record) -> None:
    assert tape.lengths.shape == (STEPS,) == (len(tape.mean),)
    three, four = (
        torch.cat([value.flatten() for value in tape.copy(k, 1).parameters()])
        for k in (3, 4)
    )
    assert torch.isclose(tape.lengths[3], (four - three).norm())


def test_a_net_without_batch_norm_is_told() -> None:
    with pytest.raises(ValueError, match='a net with nn'):
        Record(d2l.lenet())


@pytest.mark.parametrize('steps', [63, 64, 65, 128, 129, 300])
def test_a_long_record_holds_each_step(steps: int) -> None:
    """However often its memory had to grow."""
    draw = torch.Generator().manual_seed(steps)
    layer = nn.BatchNorm1d(3)
    net, tape, seen = nn.Sequential(layer), Record(nn.Sequential(layer)), []
    for step in range(1, steps + 1):
        before = layer.weight.detach().clone()
        for value in (layer.running_mean, layer.running_var, layer.weight):
            value.data = torch.rand(3, generator=draw)
        length = (layer.weight - before).norm().item()
        seen.append((*layer.running_mean, *layer.running_var, length))
        early = tape.mean
        tape.add(net, {64, 65})
        assert len(early) == step - 1 and len(tape.mean) == step
    found = torch.cat([tape.mean, tape.var, tape.lengths[:, None]], dim=1)
    torch.testing.assert_close(found, torch.tensor(seen))
    assert tape.steps == [step for step in (64, 65) if step <= steps]
