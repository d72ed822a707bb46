"""The race of lesson 05: nets with and without batch norm, and its panel."""

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d2lmini.explore.film import film
from d2lmini.explore.replay import check, share_right
from d2lmini.explore.slide import Caption, Slide
from d2lmini.explore.slider import Slider
from d2lmini.models import mlp, torch_norm
from d2lmini.show.plots import Moving, lines
from d2lmini.train import sgd_step

WIDTH = 100
TOLD = 40  # points in a race
LOOK = 1000  # training images on which losses are compared
Data = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass
class Point:
    """How far the two are; the net with batch norm comes first.

    A loss is nan from where it was not finite: that net stands still.
    """

    images: int  # training images seen by each
    trained: tuple[float, ...]  # loss in training mode since the point before
    loss: tuple[float, ...]  # in evaluation mode, on LOOK training images
    accuracy: tuple[float, ...]  # in [0, 1], on the test images


def race(
    data: Data,
    *,
    lr: float,
    batch_size: int,
    momentum: float,
    eps: float,
    depth: int,
    passes: int = 4,
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
    n = len(data[0])
    check('lr', lr, 0 < lr < math.inf, 'above 0')
    check('batch_size', batch_size, 2 <= batch_size <= n, f'in [2, {n}]')
    check('momentum', momentum, 0 <= momentum <= 1, 'in [0, 1]')
    check('eps', eps, 0 < eps < math.inf, 'above 0')
    check('depth', depth, depth >= 1, 'at least 1')
    with torch.random.fork_rng(devices=[]):  # the caller's stay as they are
        norm = partial(torch_norm, momentum=momentum, eps=eps)
        nets = [
            _started(mlp(784, *[WIDTH] * depth, 10, norm=kind))
            for kind in (norm, None)
        ]
    return _run(data, nets, lr, batch_size, passes)


def told(loss: float, accuracy: float) -> Caption:
    """Say how far a net has come, in both languages, as HTML."""
    if math.isnan(loss):
        zh = '发散了，损失不再是有限的数'
        return zh, 'it diverged: its loss is no longer finite'
    zh = f'损失<b>{loss:.3f}</b>，测试精度<b>{accuracy:.3f}</b>'
    return zh, f'loss <b>{loss:.3f}</b>, test accuracy <b>{accuracy:.3f}</b>'


def _started(net: nn.Sequential) -> nn.Sequential:
    torch.manual_seed(0)
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
) -> Iterator[Point]:
    X, y, X_test, y_test = data
    order = torch.Generator().manual_seed(0)
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
            loss = _step(net, X[index], y[index], lr) if fit[i] else math.nan
            fit[i] = not math.isnan(loss)
            losses[i].append(loss)
        if step + 1 in tell:
            yield Point(
                (step + 1) * batch_size,
                tuple(sum(row) / len(row) for row in losses),
                tuple(
                    _loss(net, X[:LOOK], y[:LOOK]) if fits else math.nan
                    for net, fits in zip(nets, fit, strict=True)
                ),
                tuple(share_right(net, X_test, y_test) for net in nets),
            )
            losses = [[], []]


@torch.no_grad()
def _loss(net: nn.Module, X: Tensor, y: Tensor) -> float:
    """Return the loss in evaluation mode: no batch's noise is in it."""
    return cross_entropy(net.eval()(X), y).item()


def _step(net: nn.Module, X: Tensor, y: Tensor, lr: float) -> float:
    """Take a step of SGD and return the loss before it.

    Where that is not finite it is nan, and the step is not taken.
    """
    loss = cross_entropy(net.train()(X), y)
    if not loss.isfinite():
        return math.nan
    net.zero_grad()
    torch.autograd.backward(loss)
    sgd_step(net, lr)
    return loss.item()


PAUSE = 0.1  # seconds between two frames, at least
NETS = ('with batch norm', 'without')
ALT = (
    'Loss on training images and test accuracy of two nets, both in '
    'evaluation mode, against the images seen: '
    'a solid line with batch norm, a dashed one without'
)
_latest: 'Race | None' = None


class Race(Slide):
    """Two nets, with and without batch norm, trained in the background.

    Parameters
    ----------
    data : X, y, X_test, y_test
    **options : as `race` takes them besides the sliders' values

    Attributes
    ----------
    points : list of Point, of the latest run

    Notes
    -----
    The sliders, lr, batch_size, momentum, eps and depth, wait for a start.
    A cell that trains would keep the kernel busy, and a busy kernel does not
    hear the stop button. Only one race runs at a time: another start, also
    of another race, ends it, and so does making a new one, as a rerun of
    its cell does.
    """

    def __init__(self, data: Data, **options: Any) -> None:
        self._take_over()
        self._data, self._options = data, options
        self.points: list[Point] = []
        self._stop, self._thread = Event(), Thread()
        images = len(data[0]) * options.get('passes', 4)
        panels = [
            lines(
                dict.fromkeys(NETS),
                x='images seen by each net',
                y=y,
                xlim=(0, images),
                ylim=(0, top),
            )
            for y, top in (
                ('loss, training images, eval mode', 3),
                ('test accuracy', 1),
            )
        ]
        self._picture = Moving(*panels)
        super().__init__(
            self._picture,
            self._seen,
            ALT,
            lr=Slider(0.5, 1e-3, 100, 0.1, log=True),
            batch_size=Slider(64, 2, min(512, len(data[0]))),
            momentum=Slider(0.1, 1e-3, 1, 0.05, log=True),
            eps=Slider(1e-5, 1e-10, 10, 0.25, log=True),
            depth=Slider(3, 1, 8),
        )
        self.widget.buttons = [
            {'name': 'start', 'zh': '▶ 开始', 'en': '▶ start'},
            {'name': 'stop', 'zh': '■ 停止', 'en': '■ stop'},
        ]
        self.widget.on_msg(self._pressed)

    @property
    def running(self) -> bool:
        """Whether a race is being run."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start a race at the sliders' values, in the background."""
        self._take_over()
        self.widget.trouble = ''
        try:
            values: Any = self.values
            points = race(self._data, **values, **self._options)
        except Exception as e:
            self._fail(e)
            return
        before = self.canvas.moving if self.points else ()
        for line in before:  # it stays, but faint
            own = {'ls': line.get_linestyle(), 'color': line.get_color()}
            line.axes.plot(*line.get_data(), alpha=0.25, lw=1, **own)
        self.canvas.refresh()
        self.points = []
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
        if self.running:
            self._thread.join()

    def run(self) -> list[Point]:
        """Run a race to its end here and now, and return its points."""
        self.start()
        self.wait()
        return self.points

    def rehearse(self) -> None:
        """Start a race with each slider at its ends; raise what it raises."""
        for name, slider in self.sliders.items():
            for value in (slider.least, slider.most):
                values: Any = {**self.starts, name: value}
                next(race(self._data, **values, **self._options))

    def film(self) -> str:
        """Return races from start to end at a few settings, as a film."""
        own = self.points

        @functools.cache
        def whole(**values: Any) -> list[Point]:
            values = self.starts | values
            return [*race(self._data, **values, **self._options)]

        def frame(progress: int, **values: Any) -> Caption:
            points = whole(**values)
            self.points = points[: math.ceil(len(points) * progress / 100)]
            return self._seen()

        said = film(
            self.canvas,
            frame,
            {
                'lr': Slider(0.5, 0.05, 5, 1, log=True),
                'batch_size': Slider(64, 16, 256, 2, log=True),
                'progress': Slider(100, 5, 100, 5),
            },
        )
        self.points = own
        self.draw()
        return said

    def _take_over(self) -> None:
        """End the race that runs, of whichever panel: this one is next."""
        global _latest
        if _latest is not None:
            _latest.stop()
        _latest = self

    def _follow(self, points: Iterable[Point], stop: Event) -> None:
        try:
            drawn = -math.inf
            for point in points:
                self.points.append(point)
                if stop.is_set():
                    break
                if perf_counter() - drawn > PAUSE:
                    self.draw()
                    drawn = perf_counter()
            self.draw()
        except Exception as e:
            self._fail(e)

    def _pressed(self, _: Any, said: dict[str, str], __: Any) -> None:
        """Obey a button of the panel."""
        {'start': self.start, 'stop': self.stop}[said['press']]()

    def _seen(self, **_: Any) -> Caption:
        """Draw the points so far, and say how far they are."""
        images = [point.images for point in self.points]
        for i, net in enumerate(NETS):
            losses = [point.loss[i] for point in self.points]
            accuracies = [point.accuracy[i] for point in self.points]
            self._picture.set(net, images, losses)
            self._picture.set(net, images, accuracies, panel=1)
        if not self.points:
            return '按“开始”。', 'Press start.'
        last = self.points[-1]
        have, lack = map(told, last.loss, last.accuracy)
        zh = f'横轴：各看了多少张图，现在{last.images}张；'
        zh += '损失和精度都在评估模式下测。'
        zh += f'有批量归一化：{have[0]}；没有：{lack[0]}。'
        en = f'Across: images seen by each, {last.images} so far; loss and '
        en += 'accuracy are measured in evaluation mode. '
        en += f'With batch norm: {have[1]}; without: {lack[1]}.'
        return zh, en

    def _obey(self, _: Any = None) -> None:
        """Leave the picture as it is when a slider moves."""
