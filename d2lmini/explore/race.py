"""The race of lesson 05: nets with and without batch norm, and its panel."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from threading import Event, Thread
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.data import quick
from d2lmini.explore.averages import log_slider, moving_line
from d2lmini.explore.slide import NAMES, ends, with_field
from d2lmini.models import mlp, torch_norm
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, new_figure, still
from d2lmini.show.lang import tr, words
from d2lmini.show.notebook import in_notebook, publish

WIDTH = 100
TOLD = 40  # points in a race
Data = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass
class Point:
    """How far the two are; the net with batch norm comes first.

    Attributes
    ----------
    images : int, training images seen by each
    loss : pair of float, means since the point before; nan from where a
        loss was no longer finite, and that net stands still
    accuracy : pair of float in [0, 1], on the test images
    """

    images: int
    loss: tuple[float, float]
    accuracy: tuple[float, float]


def race(
    data: Data,
    *,
    lr: float,
    batch_size: int,
    momentum: float,
    eps: float,
    depth: int,
    passes: int = 4,
    seed: int = 0,
) -> Iterator[Point]:
    """Train two nets from the same start on the same batches.

    Parameters
    ----------
    data : X, y, X_test, y_test; images (N, ...) of 784 numbers
    lr : float, above 0
    batch_size : int, 2 to the number of training images
    momentum : float in [0, 1], the weight of the new batch
    eps : float, above 0
    depth : int, at least 1, hidden layers of 100 sigmoid units
    passes : int, over the training images
    seed : int

    Returns
    -------
    iterator of Point, 40 at most; the values are checked at once

    Raises
    ------
    ValueError : out of these ranges

    Notes
    -----
    It takes its random numbers from generators of its own, so that it can
    run beside other work without changing it. The last batch of a pass is
    left out where it is smaller.
    """
    rules = {
        'lr': (lr, 0 < lr < math.inf, 'above 0'),
        'batch_size': (
            batch_size, 2 <= batch_size <= len(data[0]),
            f'in [2, {len(data[0])}]',
        ),
        'momentum': (momentum, 0 <= momentum <= 1, 'in [0, 1]'),
        'eps': (eps, 0 < eps < math.inf, 'above 0'),
        'depth': (depth, depth >= 1, 'at least 1'),
    }  # fmt: skip
    for name, (value, fits, rule) in rules.items():
        if not fits:
            raise ValueError(f'{name} must be {rule}, got {value}')
    with torch.random.fork_rng(devices=[]):  # the caller's stay as they are
        norm = partial(torch_norm, momentum=momentum, eps=eps)
        nets = [
            _started(mlp(784, *[WIDTH] * depth, 10, norm=kind), seed)
            for kind in (norm, None)
        ]
    return _run(data, nets, lr, batch_size, passes, seed)


def told(point: Point, i: int, zh: bool) -> str:
    """Say how far one of the nets has come, as HTML.

    Parameters
    ----------
    point : Point
    i : int, 0 for the net with batch norm, 1 for the one without
    zh : bool, in Chinese or in English
    """
    loss, accuracy = point.loss[i], point.accuracy[i]
    if math.isnan(loss):
        if zh:
            return '发散了，损失不再是有限的数'
        return 'it diverged: its loss is no longer finite'
    if zh:
        return f'损失<b>{loss:.3f}</b>，测试精度<b>{accuracy:.3f}</b>'
    return f'loss <b>{loss:.3f}</b>, test accuracy <b>{accuracy:.3f}</b>'


def _started(net: nn.Sequential, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def _run(
    data: Data,
    nets: list[nn.Sequential],
    lr: float,
    batch_size: int,
    passes: int,
    seed: int,
) -> Iterator[Point]:
    X, y, X_test, y_test = data
    order = torch.Generator().manual_seed(seed)
    per_pass = len(X) // batch_size
    steps = passes * per_pass
    tell = {math.ceil(steps * (k + 1) / TOLD) for k in range(TOLD)}
    fit = [True, True]
    losses: list[list[float]] = [[], []]
    for step in range(steps):
        if step % per_pass == 0:
            shuffled = torch.randperm(len(X), generator=order)
        first = step % per_pass * batch_size
        index = shuffled[first : first + batch_size]
        for i, net in enumerate(nets):
            if fit[i]:
                loss = _step(net, X[index], y[index], lr)
                fit[i] = math.isfinite(loss)
                losses[i].append(loss)
        if step + 1 in tell:
            yield Point(
                (step + 1) * batch_size,
                _pair(map(_mean, losses, fit)),
                _pair(_accuracy(net, X_test, y_test) for net in nets),
            )
            losses = [[], []]


def _mean(losses: list[float], fit: bool) -> float:
    return sum(losses) / len(losses) if fit else math.nan


def _pair(values: Iterable[float]) -> tuple[float, float]:
    first, second = values
    return first, second


def _step(net: nn.Module, X: Tensor, y: Tensor, lr: float) -> float:
    """Take a step of SGD and return the loss before it.

    Where that is not finite the step is not taken.
    """
    net.train()
    loss = cross_entropy(net(X), y)
    value = loss.item()
    if math.isfinite(value):
        parameters = list(net.parameters())
        slopes = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes, strict=True):
                parameter.sub_(lr * slope)
    return value


def _accuracy(net: nn.Module, X: Tensor, y: Tensor) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(X).argmax(dim=1) == y).float().mean())


PAUSE = 0.1  # seconds between two frames, at least
LEGEND = ('with batch norm', 'without')
_latest: 'Race | None' = None


class Race:
    """Two nets, with and without batch norm, trained in the background.

    Parameters
    ----------
    data : X, y, X_test, y_test
    **options : as `race` takes them besides the sliders' values

    Attributes
    ----------
    sliders : dict, by name: lr, batch_size, momentum, eps, depth
    points : list of Point, of the latest run
    caption, trouble : ipywidgets.HTML, what is seen, what went wrong

    Notes
    -----
    A cell that trains would keep the kernel busy, and a busy kernel does not
    hear the stop button. Only one race runs at a time: another start, also
    of another race, ends it, and so does making a new one, as a rerun of
    its cell does.
    """

    def __init__(self, data: Data, **options: Any) -> None:
        import ipywidgets

        global _latest
        if _latest is not None:
            _latest.stop()
        _latest = self
        self._data, self._options = data, options
        self.points: list[Point] = []
        self._stop, self._thread = Event(), Thread()
        self._build_canvas(len(data[0]) * options.get('passes', 4))
        self.sliders: dict[str, Any] = {
            'lr': log_slider(0.5, -3, 2, 0.1),
            'batch_size': ipywidgets.IntSlider(64, 2, 512),
            'momentum': log_slider(0.1, -3, 0, 0.05),
            'eps': log_slider(1e-5, -10, 1, 0.25),
            'depth': ipywidgets.IntSlider(3, 1, 8),
        }
        self._first = self.values
        for name, slider in self.sliders.items():
            slider.description = name
        self.caption, self.trouble = ipywidgets.HTML(), ipywidgets.HTML()
        rows = [with_field(s, self._tell) for s in self.sliders.values()]
        buttons = [
            self._button('▶ 开始 · start', lambda _: self.start()),
            self._button('■ 停止 · stop', lambda _: self.stop()),
            self._button('↺ 复位 · reset', lambda _: self.reset()),
        ]
        self.box = ipywidgets.VBox(
            [*rows, ipywidgets.HBox(buttons), self.trouble,
             self.canvas.widget, self.caption]
        )  # fmt: skip

    @property
    def values(self) -> dict[str, Any]:
        """What the sliders say, by name."""
        return {name: slider.value for name, slider in self.sliders.items()}

    @property
    def running(self) -> bool:
        """Whether a race is being run."""
        return self._thread.is_alive()

    def reset(self) -> None:
        """Put the sliders back to where they started."""
        for name, value in self._first.items():
            self.sliders[name].value = value

    def start(self) -> None:
        """Start a race at the sliders' values, in the background."""
        global _latest
        if _latest is not None:
            _latest.stop()
        _latest = self
        self.trouble.value = ''
        try:
            points = race(self._data, **self.values, **self._options)
        except Exception as e:
            self._fail(e)
            return
        self._begin()
        self._stop = Event()
        self._thread = Thread(
            target=self._follow, args=(points, self._stop), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the race that runs, if one does, and wait until it has."""
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Wait until the race has come to its end."""
        if self._thread.is_alive():
            self._thread.join()

    def run(self) -> list[Point]:
        """Run a race to its end here and now, and return its points."""
        self.start()
        self.wait()
        return self.points

    def show(self) -> None:
        """Show it; outside a notebook, print what it shows.

        Notes
        -----
        In quick mode, where tests run the lessons, it first takes a few
        steps with each slider at its ends; what they raise is raised here.
        """
        if quick():
            self.rehearse()
        if in_notebook():
            picture = still(self.canvas.settle(), ALT, *self._words())
            self.canvas.redraw()
            publish({**self.box._repr_mimebundle_(), **picture})
            publish(NAMES)
        else:
            print(ALT, tr(*self._words()), sep='\n')

    def rehearse(self) -> None:
        """Start a race with each slider at its ends; raise what it raises.

        Raises
        ------
        Exception : what a race raised
        """
        for name, slider in self.sliders.items():
            for value in ends(slider):
                values = {**self._first, name: value}
                if name == 'batch_size':
                    value = min(value, len(self._data[0]))
                next(race(self._data, **values, **self._options))

    def _build_canvas(self, images: int) -> None:
        fig, (left, right) = new_figure(1, 2, width=7.4, height=2.8)
        looks = ('-', '--')
        self._axes = left, right
        self._lines = [
            [moving_line(ax, looks[i], COLORS[i], LEGEND[i]) for i in (0, 1)]
            for ax in (left, right)
        ]
        for ax, what in ((left, 'training loss'), (right, 'test accuracy')):
            ax.set_xlim(0, images)
            ax.set_xlabel('images seen by each net', fontsize=9)
            ax.set_title(what, fontsize=9, loc='left')
        left.set_ylim(0, 3)
        right.set_ylim(0, 1)
        left.legend(fontsize=8, frameon=False, loc='upper right')
        self.canvas = Canvas(fig, [*self._lines[0], *self._lines[1]])

    def _begin(self) -> None:
        """Leave the run before as faint lines and start anew."""
        if self.points:
            for ax, lines in zip(self._axes, self._lines, strict=True):
                for line in lines:
                    ax.plot(
                        *line.get_data(),
                        line.get_linestyle(),
                        color=line.get_color(),
                        alpha=0.25,
                        lw=1,
                    )
            self.canvas.refresh()
        self.points = []

    def _follow(self, points: Iterable[Point], stop: Event) -> None:
        try:
            drawn = -math.inf
            for point in points:
                self.points.append(point)
                if stop.is_set():
                    break
                if perf_counter() - drawn > PAUSE:
                    self._draw()
                    drawn = perf_counter()
            self._draw()
        except Exception as e:
            self._fail(e)

    def _draw(self) -> None:
        seen = [point.images for point in self.points]
        for i in (0, 1):
            losses = [point.loss[i] for point in self.points]
            accuracies = [point.accuracy[i] for point in self.points]
            self._lines[0][i].set_data(seen, losses)
            self._lines[1][i].set_data(seen, accuracies)
        self.canvas.redraw()
        self.caption.value = words(*self._words())

    def _words(self) -> tuple[str, str]:
        if not self.points:
            return '按“开始”。', 'Press start.'
        last = self.points[-1]
        zh = f'各看了{last.images}张图。有批量归一化：{told(last, 0, True)}；'
        zh += f'没有：{told(last, 1, True)}。'
        en = f'{last.images} images seen by each. With batch norm: '
        en += f'{told(last, 0, False)}; without: {told(last, 1, False)}.'
        return zh, en

    def _tell(self, said: str) -> None:
        self.trouble.value = said

    def _fail(self, e: Exception) -> None:
        told = escape(f'{type(e).__name__}: {e}')
        self.trouble.value = f'<pre role="alert">{told}</pre>'

    @staticmethod
    def _button(name: str, obey: Any) -> Any:
        import ipywidgets

        button = ipywidgets.Button(description=name)
        button.on_click(obey)
        return button


ALT = (
    'Training loss and test accuracy of two nets against the images seen: '
    'a solid line with batch norm, a dashed one without'
)
