"""The live picture: throttled, replaced by a still one, and gone."""

import base64
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from IPython.core.events import EventManager
from ipywidgets.widgets.widget import _instances as open_widgets
from matplotlib import pyplot as plt
from nbclient import NotebookClient
from PIL import Image
from torch import nn

from d2lmini import Animator, train, train_ch6
from d2lmini.history import History
from d2lmini.show import live
from d2lmini.show.canvas import Canvas

WIDGET = 'application/vnd.jupyter.widget-view+json'
BATCHES = 4


class Page:
    """A notebook page that keeps what it is shown, and a clock beside it."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.updates = 0
        self.time = 0.0

    def publish(self, bundle: dict[str, Any], *, display_id: bool) -> 'Page':
        assert display_id
        self.outputs.append(bundle)
        return self

    def update(self, bundle: dict[str, Any], **how: Any) -> None:
        alt = how['metadata']['image/png']['alt']
        assert how['raw'] and alt == bundle['text/plain']
        self.updates += 1
        self.outputs[-1] = bundle


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """Pretend to be in a notebook; in the end nothing may be left open."""
    page, before = Page(), set(open_widgets)
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    monkeypatch.setattr('d2lmini.show.lang._chosen', 'en')
    monkeypatch.setattr(live, 'publish', page.publish)
    for module in (live, train):
        monkeypatch.setattr(module, 'in_notebook', lambda: True)
        monkeypatch.setattr(module, 'perf_counter', lambda: page.time)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', 'Glyph')  # in any picture here
        yield page
    assert set(open_widgets) == before
    assert plt.get_fignums() == []


def batches(n: int = BATCHES) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(n, 5, 8, generator=generator)
    return [(x, torch.arange(5) % 3) for x in X]


def go_on(history: History, losses: list[float]) -> None:
    """Add batches, and an epoch where one is full."""
    for loss in losses:
        history.batch_loss.append(loss)
        if len(history.batch_loss) % history.num_batches == 0:
            history.add_epoch(20, 1.0, loss, 0.7, 0.6)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize('cost', [0.001, 0.04])
def test_drawing_takes_no_more_than_its_share(
    cost: float, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = []

    def redraw(canvas: Canvas) -> None:
        frames.append(page.time)
        page.time += cost

    monkeypatch.setattr(Canvas, 'redraw', redraw)
    history = History(10, 100)
    with closing(train.watching(history)) as watcher:
        page.time = 50.0
        for i in range(1000):
            page.time += 0.01
            go_on(history, [1 / (i + 1)])
            watcher.batch(history)
    # The first frame is drawn before the training starts.
    first, *waits = np.diff(frames)
    wait = max(live.PAUSE, cost / live.SHARE) + cost
    assert first > 50 and len(waits) > 2
    assert wait <= min(waits) and max(waits) < wait + 0.011
    assert cost * len(waits) <= live.SHARE * (page.time - 50)


def test_one_output_whose_widget_gives_way_to_a_still_picture(
    page: Page,
) -> None:
    history = History(2, BATCHES, 'Fashion-MNIST')
    with closing(train.watching(history)) as watcher:
        (shown,) = page.outputs
        assert WIDGET in shown and shown['text/plain'] == 'training'
        for loss in np.linspace(2, 1, 2 * BATCHES):
            page.time += 10
            go_on(history, [loss])
            watcher.batch(history)
        assert page.updates == 0 and len(open_widgets) > 0
    (shown,) = page.outputs
    assert page.updates == 1 and WIDGET not in shown
    alt = f'Loss and accuracy by epoch on Fashion-MNIST: {history.summary()}'
    assert shown['text/plain'] == alt
    assert f'<img alt="{alt}"' in shown['text/html']
    png = base64.b64decode(shown['image/png'])
    assert pixels(png).shape[:2] == (int(2.9 * 144), int(7.2 * 144))


def test_the_last_frame_only_where_it_is_not_to_move(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(Canvas, 'redraw', lambda _: drawn.append(1))
    history = History(1, BATCHES)
    with closing(train.watching(history, moving=False)) as watcher:
        go_on(history, [1.0] * BATCHES)
        page.time += 100
        watcher.batch(history)
        assert page.outputs == [{'text/plain': 'training'}]
    assert not drawn and 'image/png' in page.outputs[0]


def test_without_anywidget_a_training_leaves_its_still_picture(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, 'has_widgets', lambda: False)
    monkeypatch.setitem(sys.modules, 'anywidget', None)
    monkeypatch.delitem(sys.modules, 'd2lmini.show.drawing', raising=False)
    train_ch6(nn.Linear(8, 3), batches(), batches(), 1, 0.1, 'cpu')
    assert page.updates == 1 and 'image/png' in page.outputs[0]


COURSES = {
    'nothing': [],
    'a batch': [2.4],
    'mid-epoch': [2.4, 2.2, 2.0, 1.5, 1.4, 1.3],
    'a spike': [2.4, 90.0, 2.0, 1.5, 1.4],
    'diverging': [2.4, 1e3, 1e30],
    'whole': [2.0] * 3 * BATCHES,
}


@pytest.mark.parametrize('course', COURSES)
def test_a_frame_shows_what_the_figure_has(course: str, page: Page) -> None:
    losses, history = COURSES[course], History(3, BATCHES, 'drawn garments')
    picture = train.Picture(history)
    for loss in losses:
        page.time += 100
        go_on(history, [loss])
        picture.batch(history)
    canvas = picture.live.canvas
    status, *strokes = canvas.widget.frame['strokes']
    assert status == canvas.figure.get_suptitle()
    assert strokes == canvas.strokes()[1:]
    assert len(strokes[0]) == 2 * len(losses)
    shown, want = canvas.widget.picture, canvas.picture()
    for look, right in zip(shown['looks'], want['looks'], strict=True):
        assert look.get('clip') == pytest.approx(right.get('clip'), abs=3)
    low, high = canvas.figure.axes[0].get_ylim()
    assert low == 0 and max(losses, default=0) < high
    picture.close()
    assert page.updates == 1


def test_the_limits_grow_even_for_a_spike_between_two_frames(
    page: Page,
) -> None:
    history = History(3, BATCHES)
    picture = train.Picture(history)
    axes = picture.live.canvas.figure.axes[0]
    picture.batch(history_with(history, [2.0]))
    before = axes.get_ylim()
    picture.batch(history_with(history, [50.0]))  # too soon to be drawn
    assert axes.get_ylim() == before
    still = picture.live.canvas.widget.picture['still']
    page.time += 100
    picture.batch(history_with(history, [1.0]))
    assert axes.get_ylim() == (0, 60)
    assert picture.live.canvas.widget.picture['still'] != still
    picture.close()


def history_with(history: History, losses: list[float]) -> History:
    go_on(history, losses)
    return history


@pytest.mark.parametrize(
    ('seconds', 'left'), [(10.0, '30 s'), (33.0, '99 s'), (100.0, '5 min')]
)
def test_the_time_left_is_told(seconds: float, left: str, page: Page) -> None:
    history = History(4, BATCHES, 'Fashion-MNIST')
    picture = train.Picture(history)
    title = picture.live.canvas.figure.get_suptitle
    assert title() == 'Fashion-MNIST: starting'
    page.time += seconds
    picture.batch(history_with(history, [1.0] * BATCHES))
    assert title() == f'Fashion-MNIST: epoch 2 of 4, about {left} left'
    page.time += 3 * seconds
    picture.batch(history_with(history, [1.0] * 3 * BATCHES))
    assert title() == 'Fashion-MNIST: epoch 4 of 4, about 0 s left'
    history.stop()
    picture.close()
    assert title().endswith('4.0 s, interrupted at epoch 4, batch 4')


PLACES = {
    'at the start': (Canvas, 'redraw'),
    'in a frame': (train.Picture, 'batch'),
    'at the end': (live, 'still'),
}


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('error', [KeyboardInterrupt, ZeroDivisionError])
def test_training_with_a_picture_that_fails(
    place: str,
    error: type[BaseException],
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(*PLACES[place], fail)
    net = nn.Linear(8, 3)
    if error is ZeroDivisionError:
        with pytest.raises(error):
            train_ch6(net, batches(), batches(), 1, 0.1, 'cpu')
    else:
        history = train_ch6(net, batches(), batches(), 1, 0.1, 'cpu')
        assert history.interrupted and not net.training
    assert net.weight.grad is None
    assert len(page.outputs) == (place != 'at the start')
    assert page.updates == (place == 'in a frame')


def test_a_training_draws_and_leaves_one_output(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    history = train_ch6(nn.Linear(8, 3), batches(), batches(), 2, 0.1, 'cpu')
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0] == 'training on cpu'
    assert lines[1] in page.outputs[0]['text/plain']
    assert len(page.outputs) == 1 and len(history.loss) == 2


def test_outside_a_notebook_it_prints_a_line_an_epoch(
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(train, 'in_notebook', lambda: False)
    history = History(3, BATCHES)
    with closing(train.watching(history)) as watcher:
        go_on(history, [0.5] * BATCHES)
        watcher.batch(history)
        assert capsys.readouterr().out == ''
        watcher.epoch(history)
    assert capsys.readouterr().out == (
        'epoch 1/3: loss 0.500, train acc 0.700, test acc 0.600, 1.0 s\n'
    )
    assert page.outputs == []


@pytest.fixture
def end_cell(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that ends the cell, as IPython would."""
    events = EventManager(None, {'post_execute': lambda: None})
    shell = SimpleNamespace(events=events)
    monkeypatch.setattr('IPython.get_ipython', lambda: shell)
    return lambda: events.trigger('post_execute')


def test_an_animator_moves_and_ends_with_its_cell(
    page: Page, end_cell: Any
) -> None:
    animator = Animator('epoch', legend=['loss', 'acc'], xlim=[1, 9])
    assert page.outputs == []
    animator.add(1, (torch.tensor(2.0), None))
    page.time += 100
    animator.add(2, np.array([1.0, 0.5]))
    (shown,) = page.outputs
    assert WIDGET in shown and page.updates == 0
    axes = animator._ax
    assert axes.get_xlim() == (1, 9) and axes.get_xlabel() == 'epoch'
    assert axes.get_ylim()[0] < 0.5 < 2 < axes.get_ylim()[1]
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert named == ['loss', 'acc']
    animator.add(3, (0.25, 0.75))  # too soon for a frame, yet in the last
    end_cell()
    end_cell()
    assert page.updates == 1 and WIDGET not in page.outputs[0]
    alt = 'Curves by epoch, at the end: loss 0.25, acc 0.75'
    assert page.outputs[0]['text/plain'] == alt
    assert [list(line.get_ydata()) for line in axes.lines] == animator.Y
    animator.add(4, (0.2, 0.8))  # in a cell of its own
    end_cell()
    assert len(page.outputs) == page.updates == 2
    assert animator.X == [[1, 2, 3, 4], [2, 3, 4]]
    assert animator.Y == [[2, 1, 0.25, 0.2], [0.5, 0.75, 0.8]]


def test_an_animators_axes_are_as_asked(page: Page, end_cell: Any) -> None:
    animator = Animator(
        'step', 'loss', None, [1, 1], (1e-3, 10), 'linear', 'log', ['g-.'],
        1, 2, (4, 2),
    )  # fmt: skip
    animator.add([1, 2], [0.1, torch.tensor([0.2]).sum()])
    end_cell()
    axes, left_out = animator._ax.figure.axes
    assert axes.get_yscale() == 'log' and axes.get_ylim() == (1e-3, 10)
    assert axes.get_ylabel() == 'loss' and axes.get_legend() is None
    assert axes.lines[0].get_color() == 'g' and not left_out.lines
    assert axes.get_xlim()[1] > axes.get_xlim()[0]
    with pytest.raises(ValueError, match=r'each of the 2 curves.*3 in y'):
        animator.add(3, [1, 2, 3])
    assert animator.Y[0] == [0.1]


def test_an_animator_is_quiet_outside_a_notebook(
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(live, 'in_notebook', lambda: False)
    animator = Animator(xlabel='epoch')
    animator.add(1, 0.5)
    assert (animator.X, animator.Y) == ([[1.0]], [[0.5]])
    assert page.outputs == [] and capsys.readouterr().out == ''


CELL = """
import torch
import d2lmini as d2l
from d2lmini.show.lang import switch
switch()
batches = [(torch.rand(8, 4), torch.arange(8) % 3) for _ in range(9)]
history = d2l.train_ch6(
    torch.nn.Linear(4, 3), batches, batches, 2, 0.1, d2l.try_gpu())
"""
GROWING = """
animator = d2l.Animator(xlabel='epoch', legend=['loss'])
for i in range(3):
    animator.add(i, [1 / (i + 1)])
"""


def test_in_a_real_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('D2LMINI_LANG', 'both')
    cells = map(nbformat.v4.new_code_cell, (CELL, 'history.plot()', GROWING))
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    NotebookClient(notebook, timeout=120).execute()
    first, second, third = (cell.outputs for cell in notebook.cells)
    buttons, twin, start, picture, end = first
    assert WIDGET in buttons.data and '中文' in twin.data['text/html']
    assert start.text == 'training on cpu\n'
    assert end.text.startswith('loss ') and 'examples/sec' in end.text
    for output in (picture, *second):
        assert '<img alt="Loss and accuracy' in output.data['text/html']
        assert 'image/png' in output.data and WIDGET not in output.data
    assert '2 of 2 epochs, loss ' in picture.data['text/plain']
    (grown,) = third
    assert 'image/png' in grown.data and WIDGET not in grown.data
    assert grown.data['text/plain'].endswith('at the end: loss 0.3333')
