"""The picture of a training while it runs; a line an epoch elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from d2lmini.history import History
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, still, training_figure
from d2lmini.show.notebook import in_notebook, publish

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

SHARE = 0.02  # of the training's time may go into drawing
PAUSE = 1.0  # seconds between two frames, at least


class Watcher(Protocol):
    """What a training calls back."""

    def batch(self, history: History) -> None:
        """See the history after a batch."""

    def epoch(self, history: History) -> None:
        """See the history after an epoch and its test."""


class Lines:
    """A plain line an epoch, for terminals and logs."""

    def batch(self, history: History) -> None:
        """Say nothing: a line a batch would be too many."""

    def epoch(self, history: History) -> None:
        """Print the epoch's numbers."""
        print(
            f'epoch {len(history.loss)}/{history.num_epochs}: '
            f'loss {history.loss[-1]:.3f}, '
            f'train acc {history.train_acc[-1]:.3f}, '
            f'test acc {history.test_acc[-1]:.3f}, '
            f'{history.seconds[-1]:.1f} s',
            flush=True,
        )


class Picture:
    """One picture, redrawn in place; a still one in its stead at the end.

    Parameters
    ----------
    history : History, of the training that starts
    moving : bool, False to draw the last frame only
    """

    def __init__(self, history: History, moving: bool = True) -> None:
        self.moving = moving
        self._start, self._next_draw = perf_counter(), 0.0
        self._build(history)
        try:
            self._handle = publish(self._first(), display_id=True)
        except BaseException:  # an interrupt, say: leave no widget behind
            self.canvas.close()
            raise

    def _build(self, history: History) -> None:
        fig, left, right = training_figure(history.num_epochs)
        left.set_ylim(0, 2.6)  # a blind guess among ten has a loss of 2.30
        right.set_ylim(0, 1.03)
        self._loss_axes = left
        self._each = _line(left, '-', '0.75', 'batch')
        self._lines = {
            'loss': _line(left, 'o-', COLORS[0], 'epoch mean'),
            'train_acc': _line(right, 's--', COLORS[1], 'train'),
            'test_acc': _line(right, 'o-', COLORS[2], 'test'),
        }
        for ax in (left, right):  # beside the title: it covers no curve
            ax.legend(
                loc='lower right',
                bbox_to_anchor=(1, 0.98),
                ncols=2,
                fontsize=8,
                frameon=False,
                borderaxespad=0,
            )
        words = f'{history.dataset_name}: starting'
        self._title = fig.suptitle(words, fontsize=9, color='0.3')
        moving = [self._title, self._each, *self._lines.values()]
        self.canvas = Canvas(fig, moving)

    def _first(self) -> dict[str, Any]:
        bundle: dict[str, Any] = {}
        if self.moving:
            self.canvas.redraw()
            bundle = self.canvas.widget._repr_mimebundle_()
        return {**bundle, 'text/plain': 'training'}

    def batch(self, history: History) -> None:
        """Redraw, unless that would take more than its share of time."""
        now = perf_counter()
        if not self.moving or now < self._next_draw:
            return
        self._update(history, self._progress(history, now - self._start))
        self.canvas.redraw()
        done = perf_counter()
        self._next_draw = done + max(PAUSE, (done - now) / SHARE)

    def epoch(self, history: History) -> None:
        """Wait for the next batch: a frame there shows the epoch too."""

    def close(self, history: History) -> None:
        """Leave a still picture with alt text where the moving one was."""
        summary = history.summary()
        alt = f'Loss and accuracy by epoch on {history.dataset_name}: '
        try:
            self._update(history, summary)
            bundle = still(self.canvas.settle(), alt + summary)
            self._handle.update(bundle, raw=True)
        finally:
            self.canvas.close()

    def _update(self, history: History, status: str) -> None:
        n, each = history.num_batches, history.batch_loss
        self._each.set_data([(i + 1) / n for i in range(len(each))], each)
        epochs = range(1, len(history.loss) + 1)
        for name, line in self._lines.items():
            line.set_data(epochs, getattr(history, name))
        self._title.set_text(f'{history.dataset_name}: {status}')
        highest = max(each, default=0.0)
        if highest > self._loss_axes.get_ylim()[1]:
            # By whole steps: new limits mean that everything is drawn anew.
            self._loss_axes.set_ylim(0, 1.2 * highest)
            self.canvas.refresh()

    @staticmethod
    def _progress(history: History, passed: float) -> str:
        done, num_epochs = history.epochs_done, history.num_epochs
        left = passed / done * (num_epochs - done)
        short = f'{left:.0f} s' if left < 100 else f'{left / 60:.0f} min'
        epoch = min(int(done) + 1, num_epochs)
        return f'epoch {epoch} of {num_epochs}, about {short} left'


def _line(ax: 'Axes', look: str, color: str, label: str) -> 'Line2D':
    # Above the axes' frame, so that a frame equals a full redraw.
    return ax.plot([], [], look, color=color, label=label, ms=4, zorder=3)[0]


@contextmanager
def watching(history: History, moving: bool = True) -> Iterator[Watcher]:
    """Watch a training in the way that suits the place.

    Parameters
    ----------
    history : History, of the training that starts
    moving : bool, False to draw the last frame only

    Yields
    ------
    Watcher
        A live picture in a notebook, its last frame alone in quick mode, a
        line an epoch in a terminal.
    """
    if not in_notebook():
        yield Lines()
        return
    picture = Picture(history, moving)
    try:
        yield picture
    finally:
        picture.close(history)
