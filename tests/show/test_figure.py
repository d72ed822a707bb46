"""Still pictures: their bundle, their size, and no figure left open."""

import base64
import io
import warnings
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
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


def test_the_bundle_holds_png_html_and_words() -> None:
    alt = 'gamma < 1 & "beta" > \'0\''
    bundle = figure.still(
        drawn(), alt, '图：<b>缩放</b>', 'Figure: <b>scale</b>'
    )
    assert set(bundle) == {'image/png', 'text/html', 'text/plain'}
    assert bundle['text/plain'] == alt
    page = Parsed(bundle['text/html'])
    (_, img), *others = page.tags
    assert img['alt'] == alt and img['width'] == str(3 * 96)
    assert img['src'] == f'data:image/png;base64,{bundle["image/png"]}'
    languages = [attrs['lang'] for tag, attrs in others if tag == 'div']
    assert languages == ['zh', 'en']
    assert page.words == ['图：', '缩放', 'Figure: ', 'scale']


def test_without_a_caption_there_are_no_empty_words() -> None:
    html = figure.still(drawn(), 'lines')['text/html']
    assert [tag for tag, _ in Parsed(html).tags] == ['img']


def test_a_picture_needs_alt_text() -> None:
    with pytest.raises(ValueError, match='alt text'):
        figure.still(drawn(), '')
    with pytest.raises(ValueError, match='alt text'):
        figure.show(drawn(), '')


def test_the_png_is_small_and_keeps_its_colours() -> None:
    fig = drawn()
    data = base64.b64decode(figure.still(fig, 'lines')['image/png'])
    picture = Image.open(io.BytesIO(data))
    assert picture.size == (3 * 144, 2 * 144)
    seen = picture.convert('RGB').getcolors(64)
    assert seen is not None  # 64 colours at most
    near = np.array([rgb for _, rgb in seen])
    for color in figure.COLORS:
        rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(near - rgb).max(axis=1).min() <= 8
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
    shown: list[dict[str, str]] = []
    monkeypatch.setattr(figure, 'publish', shown.append)
    figure.show(drawn(), 'six lines', '六条线', 'six lines')
    assert capsys.readouterr().out == 'six lines\n' and not shown
    monkeypatch.setattr(figure, 'in_notebook', lambda: True)
    figure.show(drawn(), 'six lines', '六条线', 'six lines')
    assert capsys.readouterr().out == ''
    assert '六条线' in shown[0]['text/html']
