"""The static course, without a browser: pages, formulas, what stops it."""

import base64
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
import tidy
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)
from site_outputs import FILM
from site_pages import Site
from site_prose import SiteError, formula, prose

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf8')
PNG = base64.b64encode((ROOT / 'notebooks/pictures/lenet.png').read_bytes())
VIEW = 'application/vnd.jupyter.widget-view+json'
ABOUT = {'image/png': {'alt': 'A line & a dot', 'width': 400}}
CAPTION = '<div class="d2l-words" lang="zh">线</div>'
EMPTY = '{"frames": [1, 2, 3]}'  # a film, for all that Python looks at
# The elements that have no end.
VOID = {'br', 'hr', 'img', 'input', 'link', 'meta'}


def shown(about: Any = None, **kinds: str) -> Any:
    data = {kind.replace('_', '/', 1): text for kind, text in kinds.items()}
    return new_output('display_data', data=data, metadata=about or {})


def picture(**more: str) -> Any:
    return shown(ABOUT, image_png=PNG.decode(), text_plain='a', **more)


def code(source: str, at: str, *outputs: Any, hidden: bool = False) -> Any:
    how = {'jupyter': {'outputs_hidden': True}} if hidden else {}
    return new_code_cell(source, id=at, outputs=[*outputs], metadata=how)


def prose_cell(source: str, at: str) -> Any:
    return new_markdown_cell(source, id=at)


def course(folder: Path, *cells: Any) -> Path:
    """Write a course of two lessons; the second holds the cells."""
    (folder / 'pictures').mkdir(parents=True)
    for name in ('glossary.tsv', 'pictures/lenet.png'):
        shutil.copy(ROOT / 'notebooks' / name, folder / name)
    titles = (('00_start_here', '从这里开始', 'Start here'),
              ('01_small', '小', 'Small'))  # fmt: skip
    for name, zh, en in titles:
        own = [*cells] if name == '01_small' else []
        title = f'# {name[:2]} <span lang="zh">{zh}</span> '
        title += f'<span lang="en">{en}</span>'
        book = new_notebook(cells=[prose_cell(title, 'title'), *own])
        nbformat.write(book, folder / f'{name}.ipynb')
    return folder


def page(tmp_path: Path, *cells: Any) -> str:
    site = Site(course(tmp_path / 'notebooks', *cells), README)
    return site.files['01_small.html'].decode()


def test_github_says_where_the_code_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = course(tmp_path / 'notebooks')
    monkeypatch.delenv('GITHUB_REPOSITORY', raising=False)
    html = Site(folder, README).files['index.html'].decode()
    assert 'the repository</a>' not in html
    monkeypatch.setenv('GITHUB_SERVER_URL', 'https://example.org')
    monkeypatch.setenv('GITHUB_REPOSITORY', 'ann/course')
    html = Site(folder, README).files['index.html'].decode()
    assert html.count('<a href="https://example.org/ann/course">') == 2


class Reader(HTMLParser):
    """What a page holds; it fails where its elements don't close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.pictures: list[dict[str, str | None]] = []
        self.text = ''
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        told = dict(attrs)
        if 'id' in told:
            self.ids.append(told['id'])
        if re.fullmatch(r'h\d', tag):
            self.headings.append(int(tag[1]))
        if tag == 'img':
            self.pictures.append(told)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Take one that closes itself, as in MathML."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (
            f'{tag} at {self.getpos()}'
        )

    def handle_data(self, data: str) -> None:
        if not {'pre', 'code', 'script'} & {*self.open}:
            self.text += data


# Formulas and prose


@pytest.mark.parametrize(
    ('latex', 'part'),
    [
        (r'\frac1n', '<mfrac><mn>1</mn><mi>n</mi></mfrac>'),
        (r'1/\alpha', '<mo lspace="0em" rspace="0em">/</mo>'),
        ('a=-b', '<mo form="prefix">&#x02212;</mo>'),
        ('(a)-b', '</mo><mo>&#x02212;</mo>'),
        (r'\begin{aligned}a&=b\\c&=d\end{aligned}', '<mtr><mtd'),
        ('a<b', '&#x0003C;'),
        (r'\lVert w\rVert^2', 'stretchy="false">&#x02016;</mo><mn>2'),
        ('|S|', 'rspace="0em">&#x0007C;</mo><mi>S'),
        (r'\operatorname{sign}(a)', '<mi mathvariant="normal">sign</mi>'),
        ("b'", '<mrow><mi>b</mi><mo>&#x02032;</mo></mrow>'),
        ("w'_{oc}", '<mo>&#x02032;</mo></mrow><mrow><mi>o</mi>'),
        (r'\underbrace{g+b}_c', '<munder><mrow class="braced"><mi>g</mi>'),
    ],
)
def test_a_formula_becomes_mathml(latex: str, part: str) -> None:
    assert part in formula(latex, 'inline')


@pytest.mark.parametrize(
    'latex',
    [r'\frac{1}', r'\foo x', 'x^', 'a}', '{a', r'\begin{x}a', r'\left(a',
     r'\frac{a', r'\begin{matrix}a'],
)  # fmt: skip
def test_a_formula_that_is_none_is_told(latex: str) -> None:
    with pytest.raises(SiteError, match='the formula'):
        formula(latex, 'inline')


def test_prose_keeps_its_languages_and_a_comma_its_formula() -> None:
    html, headings = prose('## 1 <span lang="zh">一</span>', 'one')
    assert html.startswith('<h2 id="one">') and headings[0][0] == 2
    html, _ = prose('<div lang="zh">\n\n设$x$，又`a$b`。\n\n</div>')
    assert Reader(html).text.split() == ['设x，又。']
    assert re.search(r'<span class="whole"><math.*</math>，</span>', html)


def test_a_wide_table_can_stand_as_cards() -> None:
    html, _ = prose('| | a | b |\n|---|---|---|\n| 1 | 2 | |')
    assert 'stacks' not in html and html.count('class="short"') == 6
    long = 'a sentence of some length'
    html, _ = prose(
        f'| x | `a` | | $b$ |\n|---|---|---|---|\n{f"|{long}" * 4}|'
    )
    assert '<table class="stacks">' in html
    assert re.findall(r'data-head="(.*?)"', html) == ['x', 'a', '', 'b']
    assert html.count(long) == 4 and 'short' not in html.split('</thead>')[1]


# The pages of the course


@pytest.fixture(scope='module')
def site() -> Site:
    return Site(ROOT / 'notebooks', README)


LESSONS = sorted(path.stem for path in (ROOT / 'notebooks').glob('*.ipynb'))


@pytest.mark.parametrize('name', [*LESSONS, 'index', 'glossary'])
def test_a_page_is_whole(name: str, site: Site) -> None:
    html = site.files[f'{name}.html'].decode()
    read = Reader(html)
    assert len({*read.ids}) == len(read.ids)
    steps = pairwise(read.headings)
    assert read.headings[0] == 1 and read.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in steps)
    assert all(picture['alt'] for picture in read.pictures)
    assert '$' not in read.text and '\\' not in read.text
    assert len(html) < 1_000_000


def test_nothing_is_fetched_from_elsewhere(site: Site) -> None:
    pages = [n for n in site.files if n.endswith(('.html', '.css'))]
    for name in pages:
        text = site.files[name].decode()
        assert not re.search(
            r'(?:src|url\()\s*=?\s*["\']?(?:https?:)?//', text
        )
        links = re.findall(r'<link [^>]*href="([^"]*)"', text)
        assert {*links} <= {'data:,', 'style.css'}


def test_all_lessons_are_in_the_map_and_linked_one_to_the_next(
    site: Site,
) -> None:
    index = site.files['index.html'].decode()
    for name in LESSONS:
        assert f'href="{name}.html"' in index
        assert f'notebooks/{name}.ipynb' in site.files
    for before, after in pairwise(LESSONS):
        html = site.files[f'{before}.html'].decode()
        assert f'<a href="{after}.html" rel="next">' in html


def test_the_glossary_reads_in_each_language(site: Site) -> None:
    html = site.files['glossary.html'].decode()
    assert '<span lang="zh">要学</span> <span lang="en">learned' in html
    assert '<span lang="zh">拉伸、比例系数</span></td>' in html
    assert ' · ' not in html.partition('<tbody>')[2].partition('</table>')[0]


def test_two_builds_are_the_same(tmp_path: Path) -> None:
    film = picture(**{FILM.replace('/', '_', 1): EMPTY})
    folder = course(tmp_path / 'a', code('1', 'film', film))
    assert Site(folder, README).files == Site(folder, README).files


# Cells


def test_outputs_are_shown_by_their_kind(tmp_path: Path) -> None:
    caption = shown(text_html=CAPTION)
    html = page(
        tmp_path,
        code(
            'a < b',
            'many',
            new_output('stream', text='1 < 2 \x1b[31mred\x1b[0m'),
            picture(),
            caption,
            shown(text_html='<b>bold</b>'),
        ),
        code('guess', 'guess', picture(), hidden=True),
        code('check_it(...)', 'turn-1', shown(text_html='not tried yet')),
        code(
            'from d2lmini.show import switch', 'switch', shown(text_html='x')
        ),
    )
    many, guess, turn, switch = (
        html.split(f'id="{at}"')[1].split('class="cell"')[0]
        for at in ('many', 'guess', 'turn-1', 'switch')
    )
    assert '1 &lt; 2 red</pre>' in many and '<b>bold</b>' in many
    assert 'alt="A line &amp; a dot"' in many and 'width="400"' in many
    assert f'<figcaption>{CAPTION}</figcaption>' in many
    assert '<details class="guess">' in guess and '<details' not in many
    assert 'not tried yet' not in turn and 'index.html#start' in turn
    assert '<label for="zh">' in switch
    assert 'type="module"' not in html


def test_a_film_stands_with_its_still_picture(tmp_path: Path) -> None:
    film = picture(**{FILM.replace('/', '_', 1): EMPTY})
    html = page(tmp_path, code('1', 'film', film, shown(text_html=CAPTION)))
    assert html.count('<script type="module">') == 1
    assert 'alt="A line &amp; a dot"' in html and '录好的3帧' in html


@pytest.mark.parametrize(
    ('cell', 'message'),
    [
        (code('1', 'bad', shown(video_mp4='')), 'unknown kind video/mp4'),
        (code('1', 'bad', new_output('error', ename='KeyError')), 'KeyError'),
        (
            code('1', 'bad', shown(image_png=PNG.decode())),
            'without alt text',
        ),
        (
            code('1', 'bad', picture(**{FILM.replace('/', '_', 1): '{'})),
            'film is damaged',
        ),
        (prose_cell('$\\foo$', 'bad'), 'holds \\\\foo'),
        (prose_cell('[a](02_none.ipynb)', 'bad'), '02_none.ipynb'),
        (prose_cell('![a](pictures/none.png)', 'bad'), 'pictures/none.png'),
        (prose_cell('## a\n\n[b](#none)', 'bad'), '#none'),
        (prose_cell('## a\n\n<a href="none.html">b</a>', 'bad'), 'none.html'),
    ],
)
def test_a_bad_cell_stops_the_build_and_is_named(
    cell: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SiteError, match=message) as caught:
        page(tmp_path, cell)
    assert '01_small' in str(caught.value) and 'bad' in str(caught.value)


def test_an_index_without_its_words_stops_the_build(tmp_path: Path) -> None:
    folder = course(tmp_path / 'notebooks')
    with pytest.raises(SiteError, match='Run it elsewhere'):
        Site(folder, README.replace('### Run it elsewhere', '### Run'))
    with pytest.raises(SiteError, match='picture'):
        Site(folder, README.replace('![', '['))


# What is kept of a saved output


def test_tidying_keeps_what_needs_no_kernel() -> None:
    twin = f'<div class="d2l-rest-4f">{CAPTION}</div>'
    still = picture(**{FILM.replace('/', '_', 1): EMPTY, 'text_html': twin})
    outputs = [
        new_output('display_data', data={VIEW: {}, 'text/plain': ''}),
        still,
        shown(text_html=f'{twin}<style>a</style>', text_plain=''),
        shown(text_html='<p>mine</p>'),
        shown(application_javascript='1', text_plain=''),
        shown(text_plain='words'),
        new_output('stream', text='printed'),
    ]
    book = new_notebook(cells=[code('1', 'one', *outputs)])
    tidy.tidy(book)
    kept = book.cells[0].outputs
    assert [{*output.get('data', {})} for output in kept] == [
        {'image/png', 'text/plain', FILM},
        {'text/html', 'text/plain'},
        {'text/html'},
        {'text/plain'},
        set(),
    ]
    assert kept[1].data['text/html'] == CAPTION
    assert kept[2].data['text/html'] == '<p>mine</p>'


# The command


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / 'tools' / 'site.py', *map(str, words)],
        capture_output=True,
        text=True,
        encoding='utf8',
    )


def test_the_command_writes_the_site_anew(tmp_path: Path) -> None:
    folder, built = course(tmp_path / 'notebooks'), tmp_path / 'built'
    built.mkdir()
    (built / 'index.html').touch()
    (built / 'old.html').touch()
    done = run(folder, built)
    assert done.returncode == 0, done.stderr
    assert (built / 'notebooks/01_small.ipynb').exists()
    assert not (built / 'old.html').exists()
    assert re.search(r'0\.\d\d MB  01_small\.html\n', done.stdout)


def test_the_command_leaves_another_folder_alone(tmp_path: Path) -> None:
    folder = course(tmp_path / 'notebooks')
    done = run(folder, folder)
    assert done.returncode == 1 and 'is no site' in done.stderr
    assert 'Traceback' not in done.stderr
    assert (folder / '01_small.ipynb').exists()
