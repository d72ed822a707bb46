"""What a training leaves behind: numbers, easy to plot and to compare."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d2lmini.show.figure import COLORS, STYLES, show_figure, training_figure
from d2lmini.show.lang import tr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(repr=False)
class History:
    """The course of one training.

    Attributes
    ----------
    num_epochs : int, epochs asked for
    num_batches : int, batches in an epoch
    dataset_name : str
    device : str
    loss, train_acc, test_acc : list of float
        One value a finished epoch; accuracies in [0, 1]. `loss` and
        `train_acc` are means over the epoch, taken in training mode while
        the net still learns; `test_acc` is taken in evaluation mode at the
        epoch's end.
    seconds : list of float
        Training time of each finished epoch, tests and drawing left out.
    batch_loss : list of float, the loss of every batch, in order, all finite
    examples : int, training examples seen in the finished epochs
    interrupted : bool, stopped by hand
    diverged : bool, stopped because the loss was no longer finite
    stopped_at : (epoch, batch) at work then, counted from 1, or None
    """

    num_epochs: int
    num_batches: int
    dataset_name: str = ''
    device: str = 'cpu'
    loss: list[float] = field(default_factory=list)
    train_acc: list[float] = field(default_factory=list)
    test_acc: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    batch_loss: list[float] = field(default_factory=list)
    examples: int = 0
    interrupted: bool = False
    diverged: bool = False
    stopped_at: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f'History({self.summary()})'

    def summary(self) -> str:
        """Say in a line how far it came, the last numbers and how it ended."""
        parts = [f'{len(self.loss)} of {self.num_epochs} epochs']
        if self.loss:
            parts += [self.last_numbers(), f'{sum(self.seconds):.1f} s']
        if self.stopped_at:
            end = 'diverged' if self.diverged else 'interrupted'
            epoch, batch = self.stopped_at
            parts.append(f'{end} at epoch {epoch}, batch {batch}')
        return ', '.join(parts)

    def report(self) -> str:
        """Return the book's closing lines, and why there is less to tell."""
        lines = []
        if self.stopped_at:
            lines.append(self._why_it_ended(*self.stopped_at))
        if self.loss:
            speed = f'{self.examples_per_sec:.1f} examples/sec'
            lines += [self.last_numbers(), f'{speed} on {self.device}']
        return '\n'.join(lines)

    def add_epoch(
        self,
        examples: int,
        seconds: float,
        loss: float,
        train_acc: float,
        test_acc: float,
    ) -> None:
        """Add a finished epoch's numbers."""
        self.examples += examples
        self.seconds.append(seconds)
        self.loss.append(loss)
        self.train_acc.append(train_acc)
        self.test_acc.append(test_acc)

    def stop(self, *, diverged: bool = False) -> None:
        """Note that the training ends here, before its time, and why."""
        self.diverged, self.interrupted = diverged, not diverged
        done = len(self.batch_loss)
        # Past the last batch of an epoch it is still that epoch's: its test.
        at_test = done == self.num_batches * (len(self.loss) + 1)
        all_done = len(self.loss) == self.num_epochs
        epoch, batch = divmod(done - (at_test or all_done), self.num_batches)
        self.stopped_at = epoch + 1, batch + 1

    @property
    def epochs_done(self) -> float:
        """Epochs so far, fractions included."""
        return len(self.batch_loss) / self.num_batches

    @property
    def examples_per_sec(self) -> float:
        """Training examples a second, tests left out; 0 before the first."""
        seconds = sum(self.seconds)
        return self.examples / seconds if seconds else 0.0

    def plot(self) -> None:
        """Show loss and accuracy against the epochs."""
        compare_histories({'': self})

    def last_numbers(self) -> str:
        """Return the last epoch's loss and accuracies, as the book does."""
        return (
            f'loss {self.loss[-1]:.3f}, '
            f'train acc {self.train_acc[-1]:.3f}, '
            f'test acc {self.test_acc[-1]:.3f}'
        )

    def _why_it_ended(self, epoch: int, batch: int) -> str:
        if not self.diverged:
            return tr(
                f'训练在第{epoch}轮、第{batch}个小批量处被你停下。'
                '网络可以照常使用，返回的是到此为止的记录。',
                f'You stopped the training at epoch {epoch}, batch {batch}. '
                'The net can be used; the history so far is returned.',
            )
        return tr(
            f'损失在第{epoch}轮、第{batch}个小批量处变成了nan或无穷大，'
            '训练到此为止。通常有用的办法：调小学习率，检查输入里有没有nan，'
            '或者加上批量归一化。再试之前先重新建一个网络：'
            '这一个里面可能已经混进了nan。',
            f'The loss became nan or infinite at epoch {epoch}, batch '
            f'{batch}, so the training ended. What usually helps: a smaller '
            'learning rate, inputs without nan, or batch normalization. '
            'Build the net anew before the next try: this one may already '
            'hold nan.',
        )


def compare_histories(histories: dict[str, History]) -> None:
    """Show several trainings in one picture, their last numbers in its alt.

    把几次训练画在一张图里比较。

    Parameters
    ----------
    histories : dict, a label for each training

    Raises
    ------
    ValueError : no histories
    """
    ends = '; '.join(
        f'{label}: {history.summary()}' if label else history.summary()
        for label, history in histories.items()
    )
    words = f'Loss and accuracy by epoch. {ends}'
    show_figure(draw_histories(histories), words)


def draw_histories(histories: dict[str, History]) -> 'Figure':
    """Draw training loss and test accuracy, a colour a training.

    The loss of every batch is a faint line, its mean over an epoch a point; a
    training that diverged ends in a cross. A single one shows its accuracy in
    training too.
    """
    if not histories:
        raise ValueError(
            'compare_histories needs at least one History, as in '
            "compare_histories({'with BN': history})"
        )
    num_epochs = max(h.num_epochs for h in histories.values())
    fig, left, right = training_figure(num_epochs)
    left.set_ylim(0, _highest_loss(histories))
    right.set_ylim(_lowest_accuracy(histories), 1)
    for i, (label, history) in enumerate(histories.items()):
        look: dict[str, Any] = {
            'color': COLORS[i % len(COLORS)],
            'linestyle': STYLES[i % len(STYLES)],
            'marker': 'os^DvP'[i % 6],
            'markersize': 4,
        }
        _draw_loss(left, history, look)
        name = (label or 'test') + ' (diverged)' * history.diverged
        epochs = range(1, len(history.loss) + 1)
        right.plot(epochs, history.test_acc, label=name, **look)
    told = ', '.join(sorted({h.dataset_name for h in histories.values()}))
    if len(histories) == 1:
        right.plot(
            epochs, history.train_acc, '.--', color='0.5', label='train'
        )
        told += f': {history.summary()}'
    else:
        right.set_title('test accuracy')
    fig.suptitle(told, color='0.3')
    fig.legend(
        *right.get_legend_handles_labels(), loc='outside lower center', ncols=3
    )
    return fig


def _draw_loss(ax: 'Axes', history: History, look: dict[str, Any]) -> None:
    each, n = history.batch_loss, history.num_batches
    when = [(i + 1) / n for i in range(len(each))]
    ax.plot(when, each, color=look['color'], lw=0.7, alpha=0.3)
    ax.plot(range(1, len(history.loss) + 1), history.loss, **look)
    if history.diverged:  # at the rim, where the curve leaves the picture
        rim = min([*each[-1:], ax.get_ylim()[1]])
        where = history.epochs_done
        ax.plot(where, rim, 'x', color=look['color'], mew=2, clip_on=False)


def _highest_loss(histories: dict[str, History]) -> float:
    """Return the loss to draw up to: who diverged must not flatten others."""
    seen = [1.0]
    for history in histories.values():
        seen += history.batch_loss[:1]
        seen += [] if history.diverged else history.loss
    return 1.05 * max(seen)


def _lowest_accuracy(histories: dict[str, History]) -> float:
    """Return the tenth below all accuracies, 0 where there are none."""
    seen = [a for h in histories.values() for a in h.train_acc + h.test_acc]
    return max(0.0, math.floor(10 * min(seen, default=0.0) - 0.1) / 10)
