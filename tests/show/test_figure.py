"""Still pictures: their bundle, their size, and no figure left open."""

import base64
import io
import warnings
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib import rc_context, rcParams
from nbconvert.filters import get_metadata
from PIL import Image

from d2lmini.show import figure


class Parsed(HTMLParser):
    """The tags with their attributes, and the text in each language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def drawn() -> Any:
    fig, (ax,) = figure.new_figure(width=3, height=2)
    for i, (color, style) in enumerate(
        zip(figure.COLORS, figure.STYLES, strict=True)
    ):
        ax.plot([0, 1], [i, i], color=color, linestyle=style)
    return fig


ALT = 'gamma < 1 & "beta" > \'0\''


def test_a_picture_is_a_png_with_its_alt_text_in_metadata() -> None:
    fig = drawn()
    bundle, about = figure.still(fig, ALT)
    assert set(bundle) == {'image/png', 'text/plain', 'text/html'}
    assert bundle['text/plain'] == ALT
    output = {'data': bundle, 'metadata': about}
    assert get_metadata(output, 'alt', 'image/png') == ALT
    assert get_metadata(output, 'width', 'image/png') == 3 * 96


def test_a_running_notebook_gets_the_alt_text_in_html_too() -> None:
    bundle, _ = figure.still(drawn(), ALT)
    ((_, img),) = Parsed(bundle['text/html']).tags
    assert img['alt'] == ALT and img['width'] == str(3 * 96)
    assert img['src'] == f'data:image/png;base64,{bundle["image/png"]}'


def test_a_caption_holds_both_languages() -> None:
    bundle = figure.caption('图：<b>缩放</b>', 'Figure: a &lt; b')
    page = Parsed(bundle['text/html'])
    languages = [attrs['lang'] for tag, attrs in page.tags if tag == 'div']
    assert languages == ['zh', 'en']
    assert page.words == ['图：', '缩放', 'Figure: a < b']
    assert bundle['text/plain'] == '图： 缩放 \nFigure: a < b'


def everything() -> Any:
    """Draw in many ways on axes that are long made."""
    fig, (left, right) = figure.new_figure(1, 2)
    left.plot([1, 2, 3], label='x')
    left.set_xticks([0, 1, 2], ['a', 'b', 'c'])
    left.text(1, 2, 'text')
    left.legend(title='legend')
    right.errorbar([1, 2], [1e-3, 10], [1e-4, 5])
    right.set(yscale='log', title='title', xlabel='step', ylabel='loss')
    right.grid()
    fig.suptitle('above')
    return fig


@pytest.fixture(scope='module')
def usual() -> bytes:
    return figure.png(everything())


READERS: dict[str, dict[str, Any]] = {
    'dark': plt.style.library['dark_background'],
    'no such font': {'font.sans-serif': ['SimHei'], 'font.family': 'serif'},
    'no LaTeX': {'text.usetex': True},
    'large': {'font.size': 20, 'lines.linewidth': 9, 'savefig.dpi': 10},
}


@pytest.mark.parametrize('name', READERS)
def test_the_readers_settings_change_no_picture(
    name: str, usual: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with rc_context(READERS[name]):
        before = dict(rcParams)
        assert figure.png(everything()) == usual
        assert dict(rcParams) == before  # and his own stay as they are
    assert not caplog.records  # of findfont


def test_a_picture_needs_alt_text() -> None:
    with pytest.raises(ValueError, match='alt text'):
        figure.still(drawn(), '')
    with pytest.raises(ValueError, match='alt text'):
        figure.show_figure(drawn(), '')


def shows(picture: Image.Image, color: str) -> bool:
    """Say whether a picture of few colours has this one, or nearly."""
    seen = picture.convert('RGB').getcolors(32)
    assert seen is not None  # 32 colours at most
    near = np.array([rgb for _, rgb in seen])
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return bool(np.abs(near - rgb).max(axis=1).min() <= 8)


@pytest.mark.parametrize('rare', range(6))
def test_a_single_mark_keeps_its_colour(rare: int) -> None:
    fig, (ax,) = figure.new_figure(1, 1)
    places = np.random.default_rng(0).random((6, 2, 20))
    for i, color in enumerate(figure.COLORS[:6]):
        x, y = places[i][:, : 1 if i == rare else None]
        ax.plot(x, y, 'os^Dv*'[i], color=color)
    picture = Image.open(io.BytesIO(figure.png(fig)))
    assert shows(picture, figure.COLORS[rare])


def test_the_png_is_small_and_keeps_its_colours() -> None:
    fig = drawn()
    data = base64.b64decode(figure.still(fig, 'lines')[0]['image/png'])
    picture = Image.open(io.BytesIO(data))
    assert picture.size == (3 * 144, 2 * 144)
    assert all(shows(picture, color) for color in figure.COLORS)
    raw = io.BytesIO()
    fig.savefig(raw, format='png')
    assert len(data) < len(raw.getvalue())


@pytest.mark.parametrize(('rows', 'cols'), [(1, 1), (1, 2), (3, 1), (2, 3)])
def test_new_figure_gives_flat_axes_and_opens_nothing(
    rows: int, cols: int
) -> None:
    fig, axes = figure.new_figure(rows, cols)
    assert axes.shape == (rows * cols,) and list(axes) == fig.axes
    assert tuple(fig.get_size_inches()) == (7.0, 2.6 * rows)
    assert plt.get_fignums() == []


def test_colours_and_styles_go_in_pairs() -> None:
    assert len(set(figure.COLORS)) == len(figure.COLORS)
    assert len(set(map(str, figure.STYLES))) == len(figure.COLORS)


def test_the_symbols_of_the_course_have_glyphs() -> None:
    fig, (ax,) = figure.new_figure()
    ax.set_title('γ β μ σ² ε x̂ → ± × ≈ · ∂')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert figure.png(fig).startswith(b'\x89PNG')


def test_show_publishes_in_a_notebook_and_prints_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[tuple[dict[str, str], Any]] = []
    monkeypatch.setattr(
        figure,
        'publish',
        lambda bundle, metadata=None: shown.append((bundle, metadata)),
    )
    figure.show_figure(drawn(), 'six lines', '六条线', 'six lines')
    assert capsys.readouterr().out == 'six lines\n' and not shown
    monkeypatch.setattr(figure, 'in_notebook', lambda: True)
    figure.show_figure(drawn(), 'six lines', '六条线', 'six lines')
    assert capsys.readouterr().out == ''
    (picture, metadata), (words, _) = shown
    assert 'image/png' in picture and '六条线' in words['text/html']
    assert metadata['image/png']['alt'] == 'six lines'
    figure.show_figure(drawn(), 'six lines')
    assert len(shown) == 3  # no empty words without a caption
