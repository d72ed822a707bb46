"""A race of two nets: the numbers, and the thread that runs them."""

import math
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

import d2lmini as d2l
from d2lmini.explore.race import Point, Race, race, told

# Its function `race` stands before the file of that name in the room.
race_file = import_module('d2lmini.explore.race')

START: dict[str, Any] = {
    'lr': 0.5, 'batch_size': 32, 'momentum': 0.1, 'eps': 1e-5, 'depth': 2,
}  # fmt: skip
Data = tuple[Tensor, Tensor, Tensor, Tensor]


def data() -> Data:
    """Give classes that are told apart by their brightness."""
    draw = torch.Generator().manual_seed(3)
    y = torch.arange(512) % 10
    X = torch.rand(512, 1, 28, 28, generator=draw) * 0.2
    X += y.view(-1, 1, 1, 1) / 10
    return X, y, X[:100], y[:100]


@pytest.fixture
def panel() -> Iterator[Race]:
    panel = Race(data(), passes=2)
    yield panel
    panel.stop()


# The numbers


def test_the_same_values_give_the_same_race() -> None:
    runs = [list(race(data(), **START, passes=2)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 32 and runs[0][-1].images == 1024
    assert runs[0][-1].loss[0] < runs[0][0].loss[0]


def test_it_leaves_the_global_random_numbers_alone() -> None:
    d2l.set_seed(7)
    want = torch.rand(3)
    d2l.set_seed(7)
    list(race(data(), **START, passes=1))
    assert torch.equal(torch.rand(3), want)


def test_both_start_alike_and_see_the_same_batches() -> None:
    whole = race(data(), **{**START, 'momentum': 1.0}, passes=1)
    other = race(data(), **{**START, 'momentum': 0.0}, passes=1)
    for one, two in zip(whole, other, strict=True):
        assert one.trained == two.trained  # momentum changes no training
        assert one.loss[1] == two.loss[1]
        assert one.accuracy[1] == two.accuracy[1]
    assert one.loss[0] != two.loss[0]


@pytest.mark.parametrize(
    ('name', 'value'),
    [(name, value) for name, slider in Race(data()).sliders.items()
     for value in (slider.least, slider.most)],
)  # fmt: skip
def test_it_runs_at_both_ends_of_each_slider(name: str, value: Any) -> None:
    points = race(data(), **{**START, name: value}, passes=1)
    point = next(points)
    assert point.images >= START['batch_size'] or name == 'batch_size'
    assert all(0 <= accuracy <= 1 for accuracy in point.accuracy)


@pytest.mark.parametrize(
    ('name', 'value'),
    [('lr', 0), ('lr', math.inf), ('batch_size', 1), ('batch_size', 513),
     ('momentum', 1.5), ('eps', 0), ('depth', 0)],
)  # fmt: skip
def test_values_out_of_range_are_told_at_once(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f'^{name} must be .* got'):
        race(data(), **{**START, name: value})


def test_both_losses_are_told_in_evaluation_mode() -> None:
    whole = {**START, 'batch_size': 512, 'lr': 1e-9, 'momentum': 1.0}
    *_, last = race(data(), **whole, passes=2)
    # With one batch of all images, the two modes differ in n and n - 1.
    assert last.loss == pytest.approx(last.trained, rel=1e-3)


def test_a_diverging_net_is_told_and_the_other_goes_on() -> None:
    bad = (data()[0] * math.nan, *data()[1:])
    *_, last = race(bad, **START, passes=2)
    assert math.isnan(last.loss[1])
    zh, en = told(last.loss[1], last.accuracy[1])
    assert 'diverged' in en and '发散' in zh


# The panel


def test_it_trains_in_the_background_to_its_end(panel: Race) -> None:
    before = panel.widget.frame
    panel.start()
    assert threading.current_thread() is threading.main_thread()
    panel.wait()
    assert not panel.running and panel.points[-1].images == 1024
    assert panel.widget.frame['strokes'] != before['strokes']
    assert '1024' in panel.widget.frame['en'] and panel.widget.trouble == ''


def test_stop_ends_it_early(panel: Race) -> None:
    panel._options['passes'] = 10_000
    panel.start()
    assert panel.running
    panel.stop()
    assert not panel.running


def test_a_second_start_ends_the_first_and_keeps_its_lines(
    panel: Race,
) -> None:
    left = panel.canvas.figure.axes[0]
    panel.run()
    lines = len(left.lines)
    first = panel._thread
    panel.start()
    panel.start()
    panel.stop()
    assert panel._thread is not first and not first.is_alive()
    assert len(left.lines) > lines
    assert left.lines[-1].get_alpha() == 0.25


def test_a_rerun_of_its_cell_ends_the_race_before(panel: Race) -> None:
    panel._options['passes'] = 10_000
    panel.start()
    again = Race(data())
    assert not panel.running and not again.running
    assert race_file._latest is again


def test_it_survives_its_output_being_closed(panel: Race) -> None:
    panel._options['passes'] = 10_000
    panel.start()
    panel.canvas.close()
    assert panel.running
    panel.stop()
    assert panel.widget.trouble == ''


def test_values_out_of_range_are_shown_not_raised(panel: Race) -> None:
    panel.move(batch_size=9_999)
    panel.start()
    assert 'batch_size must be in [2, 512], got 9999' in panel.widget.trouble
    panel.move(**panel.starts)
    panel.run()
    assert panel.widget.trouble == '' and panel.points


def test_an_error_in_the_thread_is_shown(
    panel: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Iterator[Point]:
        yield Point(1, (1.0, 1.0), (1.0, 1.0), (0.1, 0.1))
        raise ArithmeticError('3 < 4')

    monkeypatch.setattr(race_file, 'race', broken)
    panel.run()
    assert 'ArithmeticError: 3 < 4' in panel.widget.trouble


def test_rehearse_raises_what_a_race_raises(
    panel: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Iterator[Point]:
        raise ArithmeticError('never')

    monkeypatch.setenv('D2LMINI_QUICK', '1')
    monkeypatch.setattr(race_file, 'race', broken)
    with pytest.raises(ArithmeticError):
        panel.show()
