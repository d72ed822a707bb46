"""The numbers of a training: summed up, reported, drawn."""

import io
import warnings

import pytest
from matplotlib import pyplot as plt
from PIL import Image

from d2lmini import History, compare_histories
from d2lmini.history import draw_histories
from d2lmini.show import figure

BATCHES = 4


def trained(epochs: int, asked: int = 10, extra: int = 0) -> History:
    """Make a history of whole epochs and some batches more."""
    history = History(asked, BATCHES, 'Fashion-MNIST')
    for i in range(epochs * BATCHES + extra):
        history.batch_loss.append(2.3 / (1 + 0.1 * i))
    for epoch in range(epochs):
        acc = 0.9 - 0.4 / (epoch + 1)
        history.add_epoch(1000, 0.5, 2 / (epoch + 1), acc, acc - 0.03)
    return history


def diverged(epochs: int = 0) -> History:
    history = trained(epochs, extra=1)
    history.batch_loss += [1e3, 1e30]
    history.stop(diverged=True)
    return history


def stopped(epochs: int, extra: int) -> History:
    history = trained(epochs, extra=extra)
    history.stop()
    return history


CASES = {
    'nothing': lambda: stopped(0, 0),
    'part of an epoch': lambda: stopped(0, 2),
    'one epoch': lambda: trained(1, asked=1),
    'ten epochs': lambda: trained(10),
    'diverged at once': diverged,
    'diverged late': lambda: diverged(3),
}


@pytest.mark.parametrize(
    ('epochs', 'extra', 'place'),
    [
        (0, 0, (1, 1)),
        (0, 3, (1, 4)),
        (0, 4, (1, 4)),  # the test set is being measured
        (1, 0, (2, 1)),
        (9, 4, (10, 4)),
        (10, 0, (10, 4)),  # over
    ],
)
def test_stop_names_the_batch_at_work(
    epochs: int, extra: int, place: tuple[int, int]
) -> None:
    assert stopped(epochs, extra).stopped_at == place


def test_a_loss_that_diverges_in_a_first_batch_is_placed_there() -> None:
    history = trained(1)
    history.stop(diverged=True)
    assert history.stopped_at == (2, 1)
    assert history.diverged and not history.interrupted


def test_repr_sums_up() -> None:
    assert repr(trained(10)) == (
        'History(10 of 10 epochs, loss 0.200, train acc 0.860, '
        'test acc 0.830, 5.0 s)'
    )
    assert repr(stopped(0, 2)) == (
        'History(0 of 10 epochs, interrupted at epoch 1, batch 3)'
    )
    assert repr(diverged(3)).endswith('1.5 s, diverged at epoch 4, batch 4)')


def test_speed_and_epochs_done() -> None:
    assert trained(2, extra=1).epochs_done == 2.25
    assert trained(2).examples_per_sec == 2000 / 1.0
    assert stopped(0, 2).examples_per_sec == 0


def test_report_is_the_books_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = 'loss 0.200, train acc 0.860, test acc 0.830'
    assert trained(10).report() == f'{numbers}\n2000.0 examples/sec on cpu'
    monkeypatch.setattr('d2lmini.show.lang._chosen', 'zh')
    assert stopped(0, 2).report() == (
        '训练在第1轮、第3个小批量处被你停下。'
        '网络可以照常使用，返回的是到此为止的记录。'
    )
    monkeypatch.setattr('d2lmini.show.lang._chosen', 'en')
    lines = stopped(10, 0).report().splitlines()
    assert 'epoch 10, batch 4' in lines[0] and lines[1] == numbers
    assert 'epoch 4, batch 4' in diverged(3).report()


@pytest.mark.parametrize('case', CASES)
def test_any_training_can_be_drawn(case: str) -> None:
    history = CASES[case]()
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # a missing glyph, say
        fig = draw_histories({'': history})
        picture = Image.open(io.BytesIO(figure.png(fig)))
    left, right = fig.axes
    assert (
        picture.size == (int(7.2 * 144), int(2.9 * 144))
        and plt.get_fignums() == []
    )
    each, mean = left.lines[:2]
    assert list(each.get_ydata()) == history.batch_loss
    assert list(mean.get_ydata()) == history.loss
    assert list(right.lines[0].get_ydata()) == history.test_acc
    assert list(right.lines[1].get_ydata()) == history.train_acc
    assert history.summary() in fig.get_suptitle()
    low, high = left.get_ylim()
    assert low == 0 and 1 <= high < 3
    assert all(low < loss < high for loss in history.loss)
    low, high = right.get_ylim()
    assert all(low <= a <= high for a in history.test_acc + history.train_acc)
    ticks = [tick for ax in fig.axes for tick in ax.get_xticks()]
    assert all(tick == int(tick) for tick in ticks)  # whole epochs


@pytest.mark.parametrize('epochs', [0, 3])
def test_a_divergence_ends_in_a_cross_inside_the_picture(epochs: int) -> None:
    history = diverged(epochs)
    left, _ = draw_histories({'': history}).axes
    cross = left.lines[-1]
    assert cross.get_marker() == 'x'
    assert cross.get_xdata() == [history.epochs_done]
    assert cross.get_ydata() == [left.get_ylim()[1]]
    left, _ = draw_histories({'': trained(3)}).axes
    assert all(line.get_marker() != 'x' for line in left.lines)


def test_trainings_are_told_apart() -> None:
    labels = [f'lr {i}' for i in range(6)]
    fig = draw_histories({label: trained(3) for label in labels})
    lines = fig.axes[1].lines
    for look in ('color', 'linestyle', 'marker'):
        values = {str(line.properties()[look]) for line in lines}
        # Dashes of one's own all have the name '--'.
        assert len(values) == (4 if look == 'linestyle' else 6)
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == labels
    assert (
        len(draw_histories({str(i): trained(1) for i in range(9)}).axes) == 2
    )


def test_a_diverged_training_does_not_flatten_the_others() -> None:
    pair = {'calm': trained(10), 'wild': diverged(3)}
    fig = draw_histories(pair)
    assert fig.axes[0].get_ylim()[1] < 3
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == ['calm', 'wild (diverged)']
    assert fig.get_suptitle() == 'Fashion-MNIST'


def test_the_alt_text_tells_the_last_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare_histories({'with BN': trained(10), 'without': stopped(0, 2)})
    assert capsys.readouterr().out == (
        'Loss and accuracy by epoch. with BN: 10 of 10 epochs, loss 0.200, '
        'train acc 0.860, test acc 0.830, 5.0 s; without: 0 of 10 epochs, '
        'interrupted at epoch 1, batch 3\n'
    )
    trained(10).plot()
    assert '. 10 of 10 epochs, loss 0.200' in capsys.readouterr().out


def test_nothing_to_compare_is_told() -> None:
    with pytest.raises(ValueError, match='at least one History'):
        compare_histories({})
