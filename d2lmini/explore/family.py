"""The family of norms side by side: which numbers share statistics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from d2lmini.explore.slide import Caption, Slide
from d2lmini.explore.slider import Slider
from d2lmini.show.canvas import Canvas
from d2lmini.show.figure import COLORS, new_figure
from d2lmini.show.plots import cells

IMAGES = (3, 6, 2, 2)  # (N, C, H, W)
TOKENS = (3, 4, 6)  # (N, T, D)
# The axes along which each norm takes its mean; in Chinese, for captions.
IMAGE_AXES = {
    'batch': (0, 2, 3),
    'layer, RMS': (1, 2, 3),
    'layer over C only': (1,),
    'instance': (2, 3),
}
TOKEN_AXES = {'batch': (0, 1), 'layer, RMS': (2,), 'group, 1 group': (1, 2)}
CHINESE = {
    'batch': '批量',
    'layer, RMS': '层和RMS',
    'layer over C only': '只在C上的层',
    'instance': '实例',
    'group': '组',
    'group, 1 group': '组（1组）',
}


def sharing(
    shape: Sequence[int], place: Sequence[int], axes: Sequence[int]
) -> Tensor:
    """Return which numbers share statistics with the one at a place.

    Parameters
    ----------
    shape : of the whole
    place : an index for each axis
    axes : those along which the mean is taken

    Returns
    -------
    Tensor, bool, of that shape
    """
    found = torch.zeros(*shape, dtype=torch.bool)
    found[
        tuple(
            slice(None) if axis in axes else index
            for axis, index in enumerate(place)
        )
    ] = True
    return found


def group_sharing(groups: int, place: Sequence[int]) -> Tensor | None:
    """Return the same for group norm on images; None for an uneven split."""
    N, C, H, W = IMAGES
    if C % groups:
        return None
    size = C // groups
    n, c, h, w = place
    split, spot = (N, groups, size, H, W), (n, c // size, c % size, h, w)
    return sharing(split, spot, (2, 3, 4)).reshape(IMAGES)


def rows_of(tokens: Tensor) -> Tensor:
    """Return (N, T, D) as rows, one a token, a gap after each sentence."""
    gap = torch.full((len(tokens), 1, tokens.shape[2]), torch.nan)
    return torch.cat([tokens, gap], dim=1).flatten(0, 1)[:-1]


def family(kind: str) -> Slide:
    """Show all norms side by side, for one number at a time.

    Parameters
    ----------
    kind : 'images', (N, C, H, W), or 'tokens', (N, T, D)

    Raises
    ------
    ValueError : another kind
    """
    if kind not in ('images', 'tokens'):
        raise ValueError(f"kind must be 'images' or 'tokens', got {kind!r}")
    return _images() if kind == 'images' else _tokens()


class _Panels:
    """A panel for each norm, and a last one that says what colours mean."""

    def __init__(self, names: Sequence[str], blank: Tensor, rows: int) -> None:
        cols = -(-(len(names) + 1) // rows)
        fig, axes = new_figure(rows, cols, 7.2, 0.5 + 1.6 * rows)
        artists, self._put = [], {}
        for name, ax in zip(names, axes, strict=False):
            panel = cells(blank, title=name)
            artist, self._put[name] = panel(ax, lambda _: {})['cells']
            artist.set_alpha(0.85)
            for word in [*ax.texts]:  # H and W find no room here
                word.remove()
            artists.append(artist)
        key = axes[len(names)]
        for color, said in zip(
            (COLORS[1], COLORS[0], '0.8'),
            ('the number chosen', 'share its statistics', 'the others'),
            strict=True,
        ):
            key.plot([], [], 's', ms=9, c=color, alpha=0.85, label=said)
        key.legend(loc='center', handletextpad=0.2)
        key.set_axis_off()
        self._blank = blank
        self.axes, self.cols = axes[: len(names)], cols
        self.canvas = Canvas(fig, artists)

    def draw(
        self,
        sets: dict[str, Tensor | None],
        place: tuple[int, ...],
        groups: int = 1,
    ) -> Caption:
        """Colour the sets around a place, and return how large they are."""
        zh, en = [], []
        for name, found in sets.items():
            if found is None:
                self._put[name](self._blank)
                zh.append(f'6不能被{groups}整除，没有这样的组归一化')
                en.append(f'no group norm: 6 is not divisible by {groups}')
                continue
            shades = found.float()
            shades[place] = 2
            self._put[name](shades if len(place) == 4 else rows_of(shades))
            zh.append(f'{CHINESE[name]}归一化{int(found.sum())}个')
            en.append(f'{name} {int(found.sum())}')
        return (
            f'共用统计量的数：{"；".join(zh)}。',
            f'Numbers that share statistics: {"; ".join(en)}.',
        )


def _images() -> Slide:
    blank = torch.full(IMAGES, torch.nan)
    panels = _Panels([*IMAGE_AXES, 'group'], blank, rows=2)
    for i, ax in enumerate(panels.axes):
        ax.set_xlabel('channel' if i >= 2 else '')
        ax.set_ylabel('' if i % panels.cols else 'example')

    def frame(
        groups: int, example: int, channel: int, position: int
    ) -> Caption:
        place = (example, channel, position // 2, position % 2)
        sets: dict[str, Tensor | None] = {
            name: sharing(IMAGES, place, axes)
            for name, axes in IMAGE_AXES.items()
        }
        sets['group'] = group_sharing(groups, place)
        return panels.draw(sets, place, groups)

    return Slide(
        panels.canvas,
        frame,
        'Five grids of 3 examples by 6 channels of 2 by 2 positions, one for '
        'each norm; in each, the numbers that share statistics with one',
        groups=Slider(3, 1, 6),
        example=Slider(1, 0, 2),
        channel=Slider(2, 0, 5),
        position=Slider(1, 0, 3),
    )


def _tokens() -> Slide:
    N, T, D = TOKENS
    blank = rows_of(torch.full(TOKENS, torch.nan))
    panels = _Panels([*TOKEN_AXES], blank, rows=1)
    for i, ax in enumerate(panels.axes):
        ax.set_xlabel('feature')
        ax.set_ylabel('' if i else 'sentence')
        ax.set_yticks([n * (T + 1) + T / 2 for n in range(N)], range(N))

    def frame(sentence: int, token: int, feature: int) -> Caption:
        place = (sentence, token, feature)
        sets: dict[str, Tensor | None] = {
            name: sharing(TOKENS, place, axes)
            for name, axes in TOKEN_AXES.items()
        }
        return panels.draw(sets, place)

    return Slide(
        panels.canvas,
        frame,
        'Three grids of 3 sentences of 4 tokens by 6 features, one for each '
        'norm; in each, the numbers that share statistics with one',
        sentence=Slider(1, 0, N - 1),
        token=Slider(2, 0, T - 1),
        feature=Slider(3, 0, D - 1),
    )
