"""The static course in a browser, from files alone, with no network."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab import WAIT, quiet_page, running_browser
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Request,
    expect,
)
from site_outputs import FILM
from site_pages import Site

from d2lmini.explore import Slide, Slider
from d2lmini.explore.film import GAP
from d2lmini.show import figure, lines
from d2lmini.show.plots import Moving

ROOT = Path(__file__).parents[2]
LANGUAGES = {'zh': '中文', 'en': 'English', 'both': '中英对照'}
PHONE, DESK = {'width': 390, 'height': 844}, {'width': 1280, 'height': 900}
SMALL = '99_small'
# How many pieces in a language can be seen.
SEEN = """language => [...document.querySelectorAll(
  `:is(div, span)[lang=${language}]:not([role=img])`
)].filter(e => e.getClientRects().length && e.textContent.trim()).length"""
BROKEN = """[...document.images].filter(image => {
  image.loading = 'eager';
  return image.complete && !image.naturalWidth;
}).length"""
WIDTH = 'document.documentElement.scrollWidth'
UNFOLD = """for (const part of document.querySelectorAll('details'))
  part.open = true"""


def small() -> Slide:
    """Make a slide with a line that breaks and a caption with numbers."""
    canvas = Moving(
        lines({'line': None}, x='x', y='y', xlim=(0, 9), ylim=(-9, 9))
    )

    def frame(a: int, b: float) -> tuple[str, str]:
        gap = float('nan') if a == 2 else b
        canvas.set('line', [0, a, 5, 9], [b, gap, -b, a])
        return f'第<b>{a}</b>步，{b:.1e}', f'step <b>{a}</b>, {b:.1e}'

    return Slide(canvas, frame, 'A line & so on', a=Slider(1, 0, 3),
                 b=Slider(0.01, 1e-4, 1, 1, log=True))  # fmt: skip


def small_lesson() -> Any:
    slide = small()
    fig, alt = slide.canvas.figure, slide.canvas.alt
    still, about = figure.still(fig, alt)
    del still['text/html']  # as `tools/tidy.py` does
    still[FILM] = slide.film()
    said = figure.caption(*slide.draw())
    outputs = [
        new_output('display_data', still, metadata=about),
        new_output('display_data', said),
    ]
    guess = new_code_cell(
        'c',
        id='guess',
        outputs=[new_output('stream', text='the answer')],
        metadata={'jupyter': {'outputs_hidden': True}},
    )
    title = '# 99 <span lang="zh">小</span> <span lang="en">Small</span>'
    return new_notebook(
        cells=[
            new_markdown_cell(title, id='title'),
            new_code_cell('a = 1\nb = 2', id='film', outputs=outputs),
            guess,
        ]
    )


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the course and a small lesson, and give the folder."""
    folder = tmp_path_factory.mktemp('course')
    notebooks = folder / 'notebooks'
    (notebooks / 'pictures').mkdir(parents=True)
    for kind in ('*.ipynb', '*.tsv', 'pictures/*.png'):
        for path in (ROOT / 'notebooks').glob(kind):
            name = path.relative_to(ROOT / 'notebooks')
            (notebooks / name).write_bytes(path.read_bytes())
    nbformat.write(small_lesson(), notebooks / f'{SMALL}.ipynb')
    readme = (ROOT / 'README.md').read_text(encoding='utf8')
    for file, data in Site(notebooks, readme).files.items():
        path = folder / 'site' / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / 'site'


@pytest.fixture(scope='module')
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT)
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope='module')
def offline(browser: Browser) -> Iterator[BrowserContext]:
    """Give a context without network; asking for it fails the tests."""
    context = browser.new_context(viewport=DESK, offline=True)
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(('file:', 'data:')):
            asked.append(request.url)

    context.on('request', note)
    context.set_default_timeout(WAIT)
    yield context
    context.close()
    assert asked == []


@pytest.fixture
def page(offline: BrowserContext) -> Iterator[Page]:
    with quiet_page(offline) as page:
        yield page


LESSONS = sorted(path.stem for path in ROOT.glob('notebooks/*.ipynb'))
NAMES = ['index', 'glossary', *LESSONS, SMALL]


def visit(page: Page, site: Path, name: str, language: str = 'both') -> None:
    page.goto(f'{(site / name).as_uri()}.html')
    choose(page, language)


def choose(page: Page, language: str) -> None:
    page.get_by_role('radio', name=LANGUAGES[language], exact=True).check()


@pytest.mark.parametrize('name', NAMES)
def test_a_page_reads_in_each_language_on_a_phone_too(
    name: str, site: Path, page: Page
) -> None:
    visit(page, site, name)
    assert page.evaluate(WIDTH) <= DESK['width']
    page.set_viewport_size(PHONE)
    for language in LANGUAGES:
        choose(page, language)
        seen = {each for each in ('zh', 'en') if page.evaluate(SEEN, each)}
        assert seen == ({'zh', 'en'} if language == 'both' else {language})
        assert page.evaluate(WIDTH) <= PHONE['width']
    assert page.evaluate(BROKEN) == 0


def test_every_link_leads_to_a_page_or_a_place_on_one(
    site: Path, page: Page
) -> None:
    places: dict[str, set[str]] = {}
    links: set[tuple[str, str]] = set()
    waiting = ['index.html']
    while waiting:
        name = waiting.pop()
        page.goto((site / name).as_uri())
        expect(page.get_by_role('heading', level=1)).to_be_visible()
        places[name] = {*page.evaluate(
            '[...document.querySelectorAll("[id]")].map(e => e.id)'
        )}  # fmt: skip
        for url in page.evaluate('[...document.links].map(a => a.href)'):
            if url.startswith('https:'):
                continue
            path, _, place = url.partition('#')
            to = path.removeprefix(f'{site.as_uri()}/')
            assert (site / to).is_file(), url
            links.add((to, place))
            if to.endswith('.html') and to not in {*places, *waiting}:
                waiting.append(to)
    assert {*places} == {f'{name}.html' for name in NAMES}
    assert not [(to, at) for to, at in links if at and at not in places[to]]


def test_the_language_goes_along_to_the_next_page(
    site: Path, page: Page
) -> None:
    visit(page, site, '00_start_here', 'zh')
    page.get_by_role('link', name='下一课').click()
    page.wait_for_url(f'**/{LESSONS[1]}.html')
    expect(page.get_by_role('radio', name='中文')).to_be_checked()
    assert page.evaluate('document.documentElement.lang') == 'zh'
    choose(page, 'en')
    page.reload()
    expect(page.get_by_role('radio', name='English')).to_be_checked()
    assert page.evaluate('document.documentElement.lang') == 'en'


# Films


def points(stroke: list[Any]) -> list[float]:
    """Return the places of a stroke's points, as a path has them."""
    found, x, y = [], 0, 0
    for right, down in zip(stroke[::2], stroke[1::2], strict=True):
        if right is not None:
            x, y = x + right, y + down
            found += [x / 10, y / 10]
    return found


def drawn(film: Locator) -> list[list[float]]:
    """Return the points of the lines that a film shows."""
    paths = film.locator('svg g path:first-child').evaluate_all(
        'all => all.map(path => path.getAttribute("d") ?? "")'
    )
    return [[*map(float, re.findall(r'-?[\d.]+', path))] for path in paths]


def text(html: str) -> str:
    return unescape(re.sub('<[^>]*>', '', html.replace('<br>', ' ')))


def test_a_film_moves_by_keyboard_as_its_function_says(
    site: Path, page: Page
) -> None:
    slide = small()
    visit(page, site, SMALL)
    film = page.locator('figure.film')
    expect(film.locator('.still')).to_be_hidden()
    expect(film.get_by_role('img', name='A line & so on')).to_be_visible()
    first, second = film.get_by_role('slider').all()

    def check(a: int, b: float) -> None:
        zh, en = slide.frame(a, b)
        caption = film.locator('.d2l-caption')
        expect(caption.locator('[lang=zh]')).to_have_text(text(zh))
        expect(caption.locator('[lang=en]')).to_have_text(text(en))
        (stroke,) = slide.canvas.strokes()
        assert drawn(film) == [points(stroke)]
        expect(first).to_have_attribute('aria-valuetext', str(a))

    check(1, 0.01)
    for key, b in (('End', 1.0), ('ArrowLeft', 0.1), ('Home', 1e-4)):
        second.press(key)
        for other, a in (('Home', 0), ('ArrowRight', 1), ('ArrowUp', 2),
                         ('End', 3)):  # fmt: skip
            first.press(other)
            check(a, b)
    film.get_by_role('button', name='reset').press('Enter')
    check(1, 0.01)


def films() -> Iterator[tuple[str, str]]:
    """Yield the page and the cell of each film that a lesson has saved."""
    for path in sorted(ROOT.glob('notebooks/*.ipynb')):
        for cell in json.loads(path.read_text(encoding='utf8'))['cells']:
            for output in cell.get('outputs', []):
                if FILM in output.get('data', {}):
                    yield path.stem, cell['id']


@pytest.mark.parametrize(('name', 'cell'), [*films(), (SMALL, 'film')])
def test_each_slider_of_a_film_goes_to_its_ends(
    name: str, cell: str, site: Path, page: Page
) -> None:
    visit(page, site, name, 'en')
    page.evaluate(UNFOLD)
    shown = page.locator(f'[id="{cell}"] figure.film')
    expect(shown.locator('.d2l-live')).to_be_visible()
    packed = shown.locator('script').text_content() or ''
    film = json.loads(zlib.decompress(base64.b64decode(packed)))
    places = [slider['places'] for slider in film['sliders']]
    grid, now = [*product(*places)], [*film['starts'].values()]
    looks = film['picture']['looks']
    for i, slider in enumerate(shown.get_by_role('slider').all()):
        for key, end in (('Home', 0), ('End', -1)):
            slider.press(key)
            now[i] = places[i][end]
            moved, _, en, _, of_en = film['frames'][grid.index((*now,))]
            said = film['texts'][en]
            for number in film['texts'][of_en].split(' '):
                said = said.replace(GAP, number, 1)
            words = shown.locator('.d2l-caption [lang=en]')
            said = said.replace('<br>', '')  # as an element's text has it
            expect(words).to_have_text([text(said)] if said else [])
            lines = [
                points(film['strokes'][k]) * bool(look['width'])
                for k, look in zip(moved, looks, strict=True)
                if look['kind'] == 'line'
            ]
            assert drawn(shown) == lines


# What else a page does


def test_a_guess_unfolds_and_code_is_copied(
    browser: Browser, site: Path
) -> None:
    context = browser.new_context(offline=True)
    with quiet_page(context) as page:
        visit(page, site, SMALL, 'en')
        answer = page.get_by_text('the answer')
        expect(answer).to_be_hidden()
        page.locator('.guess summary').press('Enter')
        expect(answer).to_be_visible()
        page.get_by_role('button', name='Copy').first.press('Enter')
        expect(page.get_by_role('button', name='Copied')).to_have_count(1)
        page.evaluate(
            'document.body.prepend(document.createElement("textarea"))'
        )
        field = page.get_by_role('textbox')
        field.press('ControlOrMeta+v')
        expect(field).to_have_value('a = 1\nb = 2')
    context.close()


def test_without_scripts_the_languages_switch_and_the_still_shows(
    browser: Browser, site: Path
) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(f'{(site / SMALL).as_uri()}.html')
    title = page.get_by_role('heading', level=1)
    expect(title.get_by_text('小')).to_be_visible()
    expect(title.get_by_text('Small')).to_be_visible()
    choose(page, 'en')
    expect(title.get_by_text('小')).to_be_hidden()
    expect(page.get_by_alt_text('A line & so on')).to_be_visible()
    context.close()


def test_paper_and_dark_pages(site: Path, page: Page) -> None:
    visit(page, site, SMALL)
    film = page.locator('figure.film')
    expect(film.locator('.d2l-live')).to_be_visible()
    page.emulate_media(media='print')
    expect(film.locator('.d2l-live')).to_be_hidden()
    expect(film.get_by_alt_text('A line & so on')).to_be_visible()
    expect(page.get_by_text('中英对照')).to_be_hidden()
    colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    grounds = []
    for scheme in ('light', 'dark'):
        page.emulate_media(media='screen', color_scheme=scheme)
        grounds.append(page.evaluate(colour.format('html')))
        assert page.evaluate(colour.format('.card')) == 'rgb(255, 255, 255)'
    assert len({*grounds}) == 2
