"""The few kinds of pictures that lessons draw, a call each.

    plot(
        lines(losses, x='step', y='training loss', hlines={'chance': 2.3}),
        points(norms, x='layer', y='gradient norm', log='y'),
        alt='...', zh='...', en='...',
    )

A panel, one pair of axes, is made by `lines`, `points`, `scatter`, `groups`,
`histograms`, `cells` or `diagram`. Data are given by label; a label has one
look in all panels, and one legend names them. Where its data are None it
moves: see `Moving`. Every panel takes

- x, y : str, the names of its axes, with their units
- title : str
- log : 'x', 'y' or 'xy', the axes with a logarithmic scale
- xlim, ylim : pair, None in it leaves an end to the data
- hlines, vlines : dict, where a thin rule stands, by what it says

and raises ValueError where data are missing or have another shape, or where
an axis that needs a name has none.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, STYLES, new_figure, show_figure

Data = Mapping[str, Any]
Looks = Callable[[str], dict[str, Any]]
Movers = dict[str, tuple[Any, Callable[..., Any]]]  # artist, what sets it
Panel = Callable[[Any, Looks], Movers]

MARKS = 'os^DvP'
ABOVE = 3  # the zorder of what may move: over the frame of the axes
FEW = 8  # at most so many places have a tick each


def plot(
    *panels: Panel,
    alt: str,
    zh: str = '',
    en: str = '',
    height: float | None = None,
) -> None:
    """Show panels side by side as one still picture.

    Parameters
    ----------
    *panels : more than 3 stand in rows of 4
    alt : str, what the picture shows, for those who can't see it
    zh, en : str, the caption in both languages, as HTML
    height : float, inches, or None for what suits the panels

    Raises
    ------
    ValueError : no panel, no alt text
    """
    show_figure(_draw(panels, height)[0], alt, zh, en)


class Moving(Canvas):
    """A canvas of panels side by side, whose data a slider's frame sets.

    Parameters
    ----------
    *panels, height : as in `plot`

    Raises
    ------
    ValueError : no panel
    """

    def __init__(self, *panels: Panel, height: float | None = None) -> None:
        fig, self._movers = _draw(panels, height)
        super().__init__(fig, [a for m in self._movers for a, _ in m.values()])

    def set(self, label: str, *data: Any, panel: int = 0) -> None:
        """Set what a label shows in the next frame.

        Parameters
        ----------
        label : str, one whose data were given as None
        *data : as the panel takes them; for lines and points (x, y) too
        panel : int, counted from 0

        Raises
        ------
        ValueError : it does not move
        """
        movers = self._movers[panel]
        if label not in movers:
            raise ValueError(
                f'panel {panel} has no {label!r} that moves, only '
                f'{[*movers]}: give None as the data of what moves'
            )
        movers[label][1](*data)


def lines(
    data: Data,
    *,
    at: Any = None,
    smooth: int = 1,
    marks: bool = False,
    dots: Mapping[str, float] | None = None,
    **around: Any,
) -> Panel:
    """Draw lines over steps: seeds thin, their mean bold.

    Parameters
    ----------
    data : dict, by label (x,) or (runs, x); what is not finite is left out
    at : (x,), where the values stand, or None for 1, 2, ...
    smooth : int, of how many values a mean is drawn
    marks : bool, mark every value, as `points` does
    dots : dict, by label the size of marks, for those without a line
    **around : as above; x and y are needed
    """

    def coordinates(*data: Any) -> tuple[np.ndarray, np.ndarray]:
        *where, values = _arrays(*data)
        return where[0] if where else np.arange(1, len(values) + 1), values

    def draw(ax: Any, looks: Looks) -> Movers:
        movers: Movers = {}
        for label, values in data.items():
            look = looks(label) | ({} if marks else {'marker': ''})
            where, runs = _runs(label, values, at, smooth)
            if len(runs) > 1:
                seed = look | {'label': '_', 'ls': '' if marks else '-'}
                ax.plot(where, runs.T, ms=3, lw=0.6, alpha=0.5, **seed)
            bold = {**look, 'lw': 1.8, 'ms': 4.5}
            if dots and label in dots:
                small = dots[label] < 4  # there all marks look like dots
                bold |= {'marker': 'o' if small else looks(label)['marker']}
                bold |= {'ls': '', 'ms': dots[label]}
            mean = None if values is None else (where, runs.mean(axis=0))
            movers |= _add(ax, label, mean, coordinates, bold)
        if marks and 0 < len(where) <= FEW:
            ax.set_xticks(where, [f'{place:g}' for place in where])
            ax.set_xticks([], minor=True)
        return movers

    return _panel(draw, data, around, 'xy')


def points(data: Data, *, at: Any = None, **around: Any) -> Panel:
    """Draw values by layer, size or rate: seeds as marks, their mean a line.

    Parameters
    ----------
    data, at, **around : as in `lines`
    """
    return lines(data, at=at, marks=True, **around)


def scatter(data: Data, *, diagonal: bool = False, **around: Any) -> Panel:
    """Draw one quantity against another, a mark a pair.

    Parameters
    ----------
    data : dict, by label a pair of (n,)
    diagonal : bool, draw the line on which both are equal
    **around : as above; x and y are needed
    """

    def draw(ax: Any, looks: Looks) -> Movers:
        movers: Movers = {}
        for label, pair in data.items():
            look = {**looks(label), 'ls': '', 'ms': 4}
            movers |= _add(ax, label, pair, _arrays, look)
        if diagonal:
            ax.axline((0, 0), slope=1, color='0.6', lw=0.8, zorder=0)
        return movers

    return _panel(draw, data, around, 'xy')


def groups(
    data: Data,
    *,
    rows: bool = False,
    interval: bool = True,
    hues: Sequence[int] | None = None,
    **around: Any,
) -> Panel:
    """Draw the values of each group; beside them mean and interval.

    Parameters
    ----------
    data : dict, by group (n,)
    rows : bool, a row a group in place of a column: for long names
    interval : bool
        Draw the mean and one standard deviation to both sides, the values
        small; else every value is a tick across its row.
    hues : list of int, the colour of each group; None for all alike
    **around : as above; the values' axis needs a name: y, with `rows` x
    """

    def coordinates(place: float, values: Any) -> tuple[Any, Any]:
        found = _array(values).ravel()
        pair = found, np.full_like(found, place)
        return pair if rows else pair[::-1]

    def draw(ax: Any, _: Looks) -> Movers:
        movers: Movers = {}
        for i, (label, values) in enumerate(data.items()):
            hue = (hues[i] if hues else 0) % len(COLORS)
            look = {'color': COLORS[hue], 'ls': '', 'zorder': ABOVE}
            if values is None:
                look = {'color': COLORS[i % 6], 'marker': MARKS[i % 6]}
                look |= {'ls': '', 'ms': 8}
                row = partial(coordinates, i)
                movers |= _add(ax, label, None, row, look)
            elif not interval:
                look |= {'marker': '|' if rows else '_', 'ms': 13}
                ax.plot(*coordinates(i, values), **look)
            else:
                ax.plot(*coordinates(i + 0.22, values), '.', ms=5, c='0.5')
                found = _array(values)[np.isfinite(_array(values))]
                if len(found) > 1:
                    error = {'xerr' if rows else 'yerr': found.std(ddof=1)}
                    look |= {'marker': MARKS[hue], 'ms': 5, 'capsize': 3}
                    mean = coordinates(i, found.mean())
                    ax.errorbar(*mean, **error, **look)
        axis, ends = ('y', (1, 0)) if rows else ('x', (0, 1))
        place = [(-0.6, len(data) - 0.4)[end] for end in ends]
        ax.set(**{f'{axis}ticks': range(len(data)), f'{axis}lim': place})
        ax.set(**{f'{axis}ticklabels': [*data]})
        return movers

    return _panel(draw, data, around, 'x' if rows else 'y')


def histograms(
    data: Data, *, bins: int = 60, span: Any = None, **around: Any
) -> Panel:
    """Draw the distributions of several samples over each other.

    Parameters
    ----------
    data : dict, by label a sample of any shape
    bins : int
    span : (least, most) to count in, or None for that of the samples
    **around : as above; x is needed
    """

    def draw(ax: Any, looks: Looks) -> Movers:
        movers: Movers = {}
        known = [_array(v).ravel() for v in data.values() if v is not None]
        edges = np.histogram_bin_edges(np.concatenate(known), bins, span)

        def coordinates(sample: Any) -> tuple[np.ndarray, np.ndarray]:
            heights, _ = np.histogram(_array(sample), edges, density=True)
            return np.repeat(edges, 2), np.pad(np.repeat(heights, 2), 1)

        for label, sample in data.items():
            look = {**looks(label), 'marker': ''}
            given = None if sample is None else (sample,)
            movers |= _add(ax, label, given, coordinates, look)
            if given:
                filled = {'color': look['color'], 'alpha': 0.2, 'lw': 0}
                ax.fill_between(*coordinates(sample), **filled)
        ax.set(xlim=edges[[0, -1]], ylim=(0, None))
        return movers

    return _panel(draw, data, {'y': 'density', **around}, 'x')


def cells(
    numbers: Any, shared: Any = None, *, columns: Any = None, **around: Any
) -> Panel:
    """Draw numbers in cells, those that share something in one colour.

    Parameters
    ----------
    numbers : (N, C) or (N, C, H, W); the latter in blocks of H by W
    shared : the same shape, whole numbers: 0 is grey, others have a colour
        each, nan has none. With None it moves, under the label 'cells'.
    columns : list of str, what stands below each column, or None for numbers
    **around : as above
    """
    array = _array(numbers)
    n, c, h, w = (*array.shape, 1, 1)[:4]
    gap = int(h * w > 1)  # between blocks

    def page(values: Any) -> np.ndarray:
        edge = ((0, 0), (0, 0), (0, gap), (0, gap))
        blocks = _array(values).reshape(n, c, h, w)
        blocks = np.pad(blocks, edge, constant_values=np.nan)
        return blocks.transpose(0, 2, 1, 3).reshape(n * (h + gap), -1)

    def draw(ax: Any, _: Looks) -> Movers:
        from matplotlib.colors import ListedColormap

        shades = ListedColormap(['0.8', *COLORS])
        look = {'edgecolors': 'white', 'lw': 1.5, 'alpha': 0.4}
        mesh = ax.pcolormesh(
            page(0 * array if shared is None else shared),
            cmap=shades, vmin=-0.5, vmax=shades.N - 0.5, zorder=ABOVE, **look,
        )  # fmt: skip
        for (row, col), value in np.ndenumerate(page(array)):
            if np.isfinite(value):
                where = {'x': col + 0.5, 'y': row + 0.5, 'zorder': 2}
                ax.text(s=f'{value:.3g}', ha='center', va='center', **where)
        across = (np.arange(c) * (w + gap) + w / 2).tolist()
        ax.set_xticks(across, columns or range(c))
        ax.set_yticks(np.arange(n) * (h + gap) + h / 2, range(n))
        if gap:  # beside the first block
            over = {'zorder': 2 if shared is None else ABOVE + 1}
            ax.text(w + 0.1, h / 2, 'H', va='center', **over)
            ax.text(w / 2, h + 0.1, 'W', ha='center', va='top', **over)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(aspect='equal', ylim=(n * (h + gap) - gap, 0))
        put = lambda values: mesh.set_array(page(values))  # noqa: E731
        return {'cells': (mesh, put)} if shared is None else {}

    around = {'x': 'channel', 'y': 'example', **around}
    return _panel(draw, {'cells': shared}, around, 'xy')


def diagram(
    words: Data,
    arrows: Sequence[tuple[Any, ...]] = (),
    *,
    boxed: bool = True,
    hues: Mapping[int, str] | None = None,
    **around: Any,
) -> Panel:
    """Draw words at places and arrows between them; no axes.

    Parameters
    ----------
    words : dict, by word its place (x, y); words that read alike differ in
        spaces at their ends
    arrows : list of (start, end, hue, label), start and end among the words;
        a hue is a number, with a colour and a line style, or None for grey
    boxed : bool, box the words, and end arrows at the boxes; else, as for
        vectors, arrows join the very points, and scales are equal
    hues : dict, what the legend says of a hue
    **around : as above
    """
    for word in [word for arrow in arrows for word in arrow[:2]]:
        if word not in words:
            raise ValueError(
                f'an arrow joins two of the words, got {word!r}: add it to '
                f'{[*words]}, or mend the arrow'
            )

    def style(hue: int | None) -> dict[str, Any]:
        i = None if hue is None else hue % len(COLORS)
        return {'color': '0.4' if i is None else COLORS[i],
                'ls': '-' if i is None else STYLES[i], 'lw': 1.8}  # fmt: skip

    def draw(ax: Any, _: Looks) -> Movers:
        places = _array([*words.values()])
        ax.plot(*places.T, ls='')  # for the limits
        box = {'boxstyle': 'round', 'fc': 'white', 'ec': '0.4'}
        put: dict[str, Any] = {'ha': 'center', 'va': 'center', 'bbox': box}
        centre = (places.min(axis=0) + places.max(axis=0)) / 2
        named = {}
        for word, place in zip(words, places, strict=True):
            away = np.sign(place - centre).astype(int)
            if not boxed:  # outside of what the vectors span
                put = {'ha': ('center', 'left', 'right')[away[0]],
                       'va': ('center', 'bottom', 'top')[away[1]]}  # fmt: skip
            where = {'textcoords': 'offset points', 'zorder': ABOVE}
            named[word] = ax.annotate(
                word.strip(), place, (0, 0) if boxed else 4 * away,
                size=11, **where, **put,
            )  # fmt: skip
        for start, end, hue, label in arrows:
            ends = [named[word].get_bbox_patch() for word in (start, end)]
            how = {'arrowstyle': '-|>', 'shrinkA': 0, 'shrinkB': 0}
            how |= {'patchA': ends[0], 'patchB': ends[1], **style(hue)}
            ax.annotate('', words[end], words[start], arrowprops=how)
            middle = _array([words[start], words[end]]).mean(axis=0)
            look = {'color': how['color'], 'size': 10, 'ha': 'center'}
            pad = {'fc': 'white', 'lw': 0, 'pad': 1}
            ax.text(*middle, label, va='center', bbox=pad, **look)
        for hue, said in (hues or {}).items():
            ax.plot([], [], label=said, **style(hue))
        ax.set_axis_off()
        ax.margins(0.15)
        if not boxed:
            ax.set_aspect('equal')
        return {}

    return _panel(draw, words, around, '')


def _array(values: Any) -> np.ndarray:
    """Return numbers as an array, nan where they are not finite."""
    if hasattr(values, 'detach'):
        values = values.detach().cpu().double()
    elif isinstance(values, list | tuple):
        values = [v if isinstance(v, float) else _array(v) for v in values]
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


def _arrays(*values: Any) -> list[np.ndarray]:
    return [_array(value) for value in values]


def _runs(
    label: str, values: Any, at: Any, smooth: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (x,), where the values stand, and (runs, x), smoothed."""
    if values is None:
        return np.empty(0), np.empty((1, 0))
    runs = np.atleast_2d(_array(values))
    where = np.arange(1, runs.shape[-1] + 1) if at is None else _array(at)
    if runs.ndim > 2 or runs.shape[1] != len(where):
        raise ValueError(
            f'{label!r} must be (x,) or (runs, x), x = {len(where)}, got the '
            f'shape {runs.shape}'
        )
    windows = np.lib.stride_tricks.sliding_window_view(runs, smooth, axis=1)
    return where[smooth - 1 :], windows.mean(axis=2)


def _add(
    ax: Any,
    label: str,
    data: Any,
    coordinates: Callable[..., Any],
    look: dict[str, Any],
) -> Movers:
    """Add a line; without data it moves, and is returned by its label."""
    start = ([], []) if data is None else coordinates(*data)
    line = ax.plot(*start, zorder=ABOVE, **look)[0]
    put = lambda *data: line.set_data(*coordinates(*data))  # noqa: E731
    return {label: (line, put)} if data is None else {}


def _panel(
    draw: Panel, data: Data, around: dict[str, Any], need: str
) -> Panel:
    """Return a panel with its frame; what it lacks is told at once."""
    if not data:
        raise ValueError("a panel needs data by label, as in {'BN': losses}")
    for name in need:
        if not around.get(name):
            raise ValueError(
                f"the {name} axis needs a name, with its unit: {name}='step'"
            )

    def panel(ax: Any, looks: Looks) -> Movers:
        _scale(ax, around.get('log', ''))
        movers = draw(ax, looks)
        _frame(ax, **around)
        return movers

    return panel


def _scale(ax: Any, log: str) -> None:
    for name in log:
        ax.set(**{f'{name}scale': 'log'})
        axis = getattr(ax, f'{name}axis')
        # Powers of ten would have exponents too small to read.
        axis.set_major_formatter(partial(_power, axis))
        axis.set_minor_formatter(partial(_between, axis))


def _power(axis: Any, value: float, _: Any) -> str:
    """Write a power of ten, as 1e-4 wherever one needs an exponent."""
    if axis.get_view_interval()[0] >= 1e-4:
        return f'{value:g}'
    told = f'{value:.0e}'.replace('e-0', 'e-').replace('e+0', 'e')
    return told.removesuffix('e0')


def _between(axis: Any, value: float, _: Any) -> str:
    """Name 2, 5, 20, ... too, where the axis is short."""
    low, high = axis.get_view_interval()
    named = high < 30 * low and f'{value:e}'[0] in '25'
    return f'{value:g}' if named else ''


def _frame(
    ax: Any,
    x: str = '',
    y: str = '',
    title: str = '',
    log: str = '',
    xlim: Any = (None, None),
    ylim: Any = (None, None),
    hlines: Mapping[str, float] | None = None,
    vlines: Mapping[str, float] | None = None,
) -> None:
    """Draw what stands around the data."""
    ax.set(xlabel=x, ylabel=y, title=title)
    rule = {'color': '0.6', 'lw': 0.8, 'zorder': 0}
    word = {'color': '0.35', 'textcoords': 'offset points'}
    for name, value in (hlines or {}).items():
        ax.axhline(value, **rule)
        where = {'xycoords': ax.get_yaxis_transform(), 'ha': 'right'}
        ax.annotate(name, (1, value), (-2, 2), **where, **word)
    for name, value in (vlines or {}).items():
        ax.axvline(value, **rule)
        where = {'xycoords': ax.get_xaxis_transform(), 'va': 'top'}
        ax.annotate(name, (value, 1), (2, -2), **where, **word)
    ax.set(xlim=xlim, ylim=ylim)


def _draw(
    panels: Sequence[Panel], height: float | None
) -> tuple[Any, list[Movers]]:
    """Return the figure of the panels, and what moves in each."""
    n = len(panels)
    if not n:
        raise ValueError("a picture needs a panel: plot(lines(...), alt='')")
    seen: list[str] = []

    def looks(label: str) -> dict[str, Any]:
        if label not in seen:
            seen.append(label)
        i = seen.index(label) % len(COLORS)
        return {'color': COLORS[i], 'ls': STYLES[i], 'marker': MARKS[i],
                'label': label}  # fmt: skip

    cols = n if n <= 3 else 4
    rows = math.ceil(n / cols)
    width = 5.8 if n == 1 else 7.2
    fig, axes = new_figure(rows, cols, width, height or 1.2 + 1.7 * rows)
    movers = [
        panel(ax, looks) for panel, ax in zip(panels, axes, strict=False)
    ]
    for ax in axes[n:]:
        ax.set_axis_off()
    names = [(ax.get_xlabel(), ax.get_ylabel()) for ax in axes[:n]]
    for i, (x, y) in enumerate(names):  # not again what the neighbour says
        if i % cols and names[i - 1][1] == y:
            axes[i].set_ylabel('')
        if i + cols < n and names[i + cols][0] == x:
            axes[i].set_xlabel('')
    named: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        named |= zip(labels, handles, strict=True)
    for cols in range(min(len(named), 4), 0, -1):
        # Above all panels it covers nothing.
        place: Any = {'loc': 'outside upper center', 'ncols': cols}
        legend = fig.legend(named.values(), named, **place)
        if cols == 1 or legend.get_window_extent().width < fig.bbox.width:
            break
        legend.remove()
    return fig, movers
