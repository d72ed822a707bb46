"""The kinds of plots: what they draw, name and move."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation, Text

from d2lmini.show import figure, plots

RUNS = torch.rand(3, 12, generator=torch.Generator().manual_seed(0))
NAMES: dict[str, Any] = {'x': 'step', 'y': 'loss'}
MADE: dict[str, Callable[..., plots.Panel]] = {
    'lines': lambda data: plots.lines(data, smooth=5, **NAMES),
    'points': lambda data: plots.points(data, log='y', **NAMES),
    'scatter': lambda data: plots.scatter(
        {k: None if v is None else v[:2] for k, v in data.items()},
        diagonal=True,
        **NAMES,
    ),
    'columns': lambda data: plots.groups(data, hlines={'chance': 0.1}, y='y'),
    'rows': lambda data: plots.groups(
        data, rows=True, interval=False, hues=[0, 1], x='x', vlines={'a': 1}
    ),
    'histograms': lambda data: plots.histograms(data, span=(0, 1), x='loss'),
    'cells': lambda data: plots.cells(
        RUNS.reshape(3, 3, 2, 2), data.get('cells', torch.ones(3, 3, 2, 2))
    ),
    'diagram': lambda data: plots.diagram(
        {word: (i, 0) for i, word in enumerate(data)},
        [(*data, 1, r'$\hat x_i$')],
        hues={1: 'path'},
    ),
}


def drawn(*panels: plots.Panel) -> Any:
    return plots._draw(panels, None)[0]


def pixels(fig: Any) -> np.ndarray:
    agg = FigureCanvasAgg(fig)
    agg.draw()
    return np.asarray(agg.buffer_rgba())[..., :3]


@pytest.mark.parametrize('kind', MADE)
def test_every_kind_can_be_read_and_has_one_look(kind: str) -> None:
    data = {'BN': RUNS, 'no BN': RUNS + 0.1}
    fig = drawn(MADE[kind](data))
    usual = pixels(fig)
    written = [text for text in fig.findobj(Text) if text.get_text()]
    assert min(text.get_fontsize() for text in written) >= 9
    words = {text.get_text() for text in written}
    assert kind == 'cells' or {'BN', 'no BN'} <= words
    (ax,) = fig.axes
    assert ax.get_xlabel() or ax.get_ylabel() or not ax.axison
    with plt.style.context('dark_background'):
        assert np.array_equal(pixels(drawn(MADE[kind](data))), usual)
    assert plt.get_fignums() == []


def test_seeds_are_thin_and_their_mean_is_bold() -> None:
    (ax,) = drawn(plots.lines({'BN': RUNS}, **NAMES)).axes
    *seeds, mean = ax.lines
    assert len(seeds) == 3
    assert max(seed.get_linewidth() for seed in seeds) < mean.get_linewidth()
    assert np.allclose(mean.get_xydata()[:, 1], RUNS.mean(0))
    assert [*mean.get_xdata()] == [*range(1, 13)]


def test_smoothed_values_stand_at_the_end_of_their_window() -> None:
    panel = plots.lines({'BN': [0.0, 3, 6, 9]}, smooth=3, **NAMES)
    (line,) = drawn(panel).axes[0].lines
    assert line.get_xydata().tolist() == [[3, 3], [4, 6]]


def test_what_is_not_finite_is_left_out() -> None:
    panel = plots.groups({'BN': [1.0, 3.0, torch.inf, torch.nan]}, y='steps')
    (ax,) = drawn(panel).axes
    (_, mean) = ax.lines[:2]
    assert mean.get_ydata().tolist() == [2]


def test_a_few_places_have_a_tick_each_without_exponents() -> None:
    sizes = [2, 16, 128]
    panel = plots.points({'BN': RUNS[:, :3]}, at=sizes, log='xy', **NAMES)
    (ax,) = drawn(panel).axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        '2', '16', '128'
    ]  # fmt: skip
    assert ax.yaxis.get_major_formatter()(1e-5, 0) == '1e-05'


def test_a_label_has_one_look_in_all_panels_and_is_named_once() -> None:
    fig = drawn(
        plots.lines({'a': RUNS[0], 'b': RUNS[1]}, **NAMES),
        plots.lines({'b': RUNS[0], 'c': RUNS[1]}, **NAMES),
    )
    left, right = fig.axes
    assert left.lines[1].get_color() == right.lines[0].get_color()
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.texts] == ['a', 'b', 'c']
    assert left.get_ylabel() == 'loss' and right.get_ylabel() == ''


def test_an_arrow_joins_words_and_a_hue_is_a_colour_and_a_style() -> None:
    places = {'x': (0, 0), 'x ': (3, 4)}
    panel = plots.diagram(
        places, [('x', 'x ', 1, 'a'), ('x ', 'x', None, '')], boxed=False
    )
    (ax,) = drawn(panel).axes
    one, two = (
        text.arrow_patch for text in ax.findobj(Annotation) if text.arrow_patch
    )
    one.figure.draw_without_rendering()
    ends = ax.transData.transform([*places.values()])
    for arrow, (start, end) in ((one, ends), (two, ends[::-1])):
        path = arrow.get_path().vertices
        at = arrow.get_transform().transform(path)
        assert np.abs(at - start).sum(axis=1).min() < 1
        assert np.abs(at - end).sum(axis=1).min() < 5  # and half its line
    assert one.get_linestyle() != two.get_linestyle()
    assert one.get_edgecolor() != two.get_edgecolor()
    assert ax.get_aspect() == 1


def test_many_panels_stand_in_rows_of_four() -> None:
    panels = [plots.histograms({'BN': RUNS}, x='input')] * 6
    fig = drawn(*panels)
    assert [ax.axison for ax in fig.axes] == [True] * 6 + [False] * 2
    assert [ax.get_xlabel() for ax in fig.axes[:6]] == [
        '', '', 'input', 'input', 'input', 'input'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('make', 'told'),
    [
        (lambda: plots.lines({}, **NAMES), 'needs data by label'),
        (lambda: plots.points({'BN': RUNS}, x='step'), 'the y axis needs'),
        (lambda: plots.groups({'BN': RUNS}, rows=True), 'the x axis needs'),
        (
            lambda: plots.diagram({'x': (0, 0)}, [('x', 'y', 0, '')]),
            r"joins two of the words, got 'y': add it to \['x'\]",
        ),
        (lambda: plots.plot(alt='nothing'), 'needs a panel'),
        (
            lambda: drawn(plots.lines({'BN': RUNS}, at=[1, 2], **NAMES)),
            "'BN' must be .* x = 2, got the shape .3, 12.",
        ),
    ],
)
def test_what_is_missing_is_told(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_plot_shows_the_picture_with_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(plots, 'show_figure', lambda *args: shown.append(args))
    plots.plot(MADE['lines']({'BN': RUNS}), alt='lines', zh='线', en='lines')
    ((fig, *words),) = shown
    assert words == ['lines', '线', 'lines']
    assert figure.png(fig).startswith(b'\x89PNG')


SETS: dict[str, tuple[Any, ...]] = {
    'lines': (RUNS[0],),
    'points': ([2, 4], [0.1, 0.3]),
    'scatter': (RUNS[0], RUNS[1]),
    'columns': (RUNS,),
    'rows': (RUNS[0],),
    'histograms': (RUNS,),
    'cells': (torch.arange(36).reshape(3, 3, 2, 2) % 3,),
}


@pytest.mark.parametrize('kind', SETS)
def test_what_moves_is_set_by_its_label(kind: str) -> None:
    label = 'cells' if kind == 'cells' else 'now'
    data = {'start': RUNS, label: None}
    canvas = plots.Moving(MADE['lines']({'still': RUNS}), MADE[kind](data))
    before = canvas.strokes()
    canvas.set(label, *SETS[kind], panel=1)
    assert canvas.strokes() != before
    with pytest.raises(ValueError, match='give None as the data'):
        canvas.set('start', RUNS, panel=1)
