"""The pages of the static course: lessons, index, glossary."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from string import Template
from typing import Any

import glossary
import nbformat
import tidy
from site_outputs import Pictures, outputs
from site_prose import SiteError, both, coloured, prose, words

ROOT = Path(__file__).parents[1]
TEMPLATE, SHOW = ROOT / 'site', ROOT / 'd2lmini' / 'show'
FIRST = '00_start_here'  # its map is the index's, too
SWITCH = 'from d2lmini.show import switch'
# What stands in the index, by README's headings.
SECTIONS = {
    'start': ('开始', 'Start'),
    'elsewhere': ('在别处运行', 'Run it elsewhere'),
    'cpu': ('Linux，没有NVIDIA显卡', 'Linux without an NVIDIA GPU'),
}
WORDS = {
    'title': ('批量归一化', 'Batch normalization'),
    'contents': ('目录', 'Contents'),
    'guess': ('先猜，再看', 'Guess, then look'),
    'get': (
        '这是网页版：有滑块的地方能拖；代码要在Python里运行，<a '
        'href="index.html#start">怎样开始</a>。<a download '
        'href="notebooks/{0}">下载这一课的笔记本</a>。',
        'These are the web pages: where there are sliders they move, but '
        'running code needs Python: '
        '<a href="index.html#start">how to start</a>. <a download '
        'href="notebooks/{0}">Download this lesson as a notebook</a>.',
    ),
    'before': ('上一课', 'Previous'),
    'after': ('下一课', 'Next'),
    'map': ('课程', 'The lessons'),
    'code': (
        '代码和问题在<a href="{0}">课程的仓库</a>。',
        'Code and issues: <a href="{0}">the repository</a>.',
    ),
    'glossary': ('词汇表', 'Glossary'),
    'turn': (
        '写代码和检查要在Python里：<a href="index.html#start">怎样开始</a>。',
        'Writing the code and checking it need Python: '
        '<a href="index.html#start">how to start</a>.',
    ),
}
SAID = {name: both(*words) for name, words in WORDS.items()}
LABELS = ' | '.join(
    f'<label for="{language}">{name}</label>'
    for language, name in (
        ('zh', '中文'),
        ('en', 'English'),
        ('both', '中英对照'),
    )
)


@dataclass
class Page:
    """A page on its way.

    Parameters
    ----------
    name : str, of its file
    title : str, HTML
    body : str, what stands in `main`
    headings : list of (level, id, HTML)
    """

    name: str
    title: str = ''
    body: str = ''
    headings: list[tuple[int, str, str]] = field(default_factory=list)


class Site:
    """The static course: its files, by name.

    Parameters
    ----------
    folder : Path, of the notebooks, the glossary and their pictures
    readme : str, Markdown, which holds the index's words

    Attributes
    ----------
    files : dict of bytes, by a path relative to the site's folder

    Raises
    ------
    SiteError : something can't be shown; it says what, and in which cell
    """

    def __init__(self, folder: Path, readme: str) -> None:
        self.folder = folder
        self.names = [path.stem for path in sorted(folder.glob('*.ipynb'))]
        css = TEMPLATE / 'style.css', SHOW / 'draw.css'
        self.files = {'style.css': b'\n'.join(p.read_bytes() for p in css)}
        self.map: dict[str, str] = {}
        lessons = [self._lesson(name) for name in self.names]
        for before, page, after in zip(
            [None, *lessons], lessons, [*lessons[1:], None], strict=False
        ):
            page.body += _neighbours(before, after)
        for page in (self._index(readme), *lessons, self._glossary()):
            self.files[page.name] = _whole(page).encode()
        for name in self.files:
            if name.endswith('.html'):
                self._follow_links(name)

    def turn(self, url: str) -> str:
        """Return where a lesson's link leads on the site.

        Raises
        ------
        SiteError : nowhere
        """
        path, mark, anchor = url.partition('#')
        if re.match('https?:|mailto:', url) or not path:
            return url
        if path.removesuffix('.ipynb') in self.names:
            return f'{path.removesuffix(".ipynb")}.html{mark}{anchor}'
        if path == 'glossary.md':
            return 'glossary.html'
        if path == '../README.md':
            return 'index.html#start'
        if path.startswith('pictures/') and (self.folder / path).exists():
            self.files[path] = (self.folder / path).read_bytes()
            return path
        raise SiteError(f'the link {url} leads nowhere')

    def _turn_from_above(self, url: str) -> str:
        """Turn a link of README; one to the rest of the project is none."""
        try:
            return self.turn(url.removeprefix('notebooks/'))
        except SiteError:
            return ''

    def _lesson(self, name: str) -> Page:
        path = self.folder / f'{name}.ipynb'
        self.files[f'notebooks/{path.name}'] = path.read_bytes()
        notebook = nbformat.read(path, as_version=4)
        tidy.tidy(notebook)
        page, pictures = Page(f'{name}.html'), Pictures(name)
        for cell in notebook.cells:
            try:
                if cell.cell_type == 'code':
                    page.body += _code(cell, pictures)
                elif cell.id != 'next':  # each page says that by itself
                    page.body += self._prose(cell, page)
            except SiteError as e:
                raise SiteError(f'{path.name}, cell {cell.id}: {e}') from e
        self.files |= pictures.files
        return page

    def _prose(self, cell: Any, page: Page) -> str:
        said, headings = prose(cell.source, cell.id, self.turn)
        for level, html in headings[:1]:
            if level > 1:
                page.headings.append((level, cell.id, html))
                continue
            page.title = html
            lesson = page.name.replace('.html', '.ipynb')
            said += f'<p class="get">{SAID["get"].format(lesson)}</p>\n'
        if (page.name, cell.id[:4]) == (f'{FIRST}.html', 'map-'):
            self.map[cell.id] = said
        return said

    def _index(self, readme: str) -> Page:
        parts = [dict(_sections(readme, name)) for name in ('中文', 'English')]
        said = {}
        for name, heads in {'about': ('', ''), **SECTIONS}.items():
            for head, part in zip(heads, parts, strict=True):
                if head not in part:
                    raise SiteError(f'README.md has no section "{head}"')
            said[name] = '\n'.join(
                f'<div lang="{language}">\n'
                f'{prose(part[head], "", self._turn_from_above)[0]}</div>'
                for language, head, part in zip(
                    ('zh', 'en'), heads, parts, strict=True
                )
            )
        said['picture'] = self._picture(readme)
        lessons = ''.join(self.map.get(f'map-{x}', '') for x in ('zh', 'en'))
        body = _filled(
            'index.html',
            **said,
            **{f'{name}_head': both(*pair) for name, pair in SECTIONS.items()},
            map=lessons,
            map_head=SAID['map'],
            title=SAID['title'],
            first=f'{FIRST}.html',
            code=_repository(),
        )
        return Page('index.html', SAID['title'], body)

    def _picture(self, readme: str) -> str:
        """Return README's picture with its caption, Chinese · English."""
        found = re.search(r'^(!\[.*\))\n\n\*(.*) · (.*)\*$', readme, re.M)
        if not found:
            raise SiteError('README.md begins with no picture and caption')
        picture, _ = prose(found[1], '', self._turn_from_above)
        picture = picture.replace('<p>', '').replace('</p>', '')
        words = both(found[2], found[3])
        return f'<figure>{picture}<figcaption>{words}</figcaption></figure>'

    def _glossary(self) -> Page:
        source = (self.folder / 'glossary.tsv').read_text(encoding='utf8')
        table = glossary.page(source).partition('\n|')[2]
        title = SAID['glossary']
        rows, _ = prose('\n'.join(map(_in_each, f'|{table}'.splitlines())))
        body = f'<h1>{title}</h1>\n<div class="glossary">{rows}</div>\n'
        return Page('glossary.html', title, body)

    def _follow_links(self, name: str) -> None:
        """Look where the links of a page lead."""
        html = self.files[name].decode()
        for link in re.finditer(r' (?:href|src)="([^"]*)"', html):
            url = unescape(link[1])
            if re.match('https?:|mailto:|data:', url):
                continue
            path, _, anchor = url.partition('#')
            there = self.files.get(path or name, b'').decode('utf8', 'replace')
            if (path or name) not in self.files or (
                anchor and f' id="{anchor}"' not in there
            ):
                at = re.findall(r' id="([^"]+)"', html[: link.start()])
                raise SiteError(
                    f'{name}, after {at[-1]}: the link {url} leads nowhere'
                )


def _code(cell: Any, pictures: Pictures) -> str:
    said = outputs(cell, pictures)
    if SWITCH in cell.source:
        said = f'<p class="note">{LABELS}</p>\n'
    elif cell.id.startswith('turn-'):  # what is saved judges an empty answer
        said = f'<p class="note">{SAID["turn"]}</p>\n'
    elif said and cell.metadata.get('jupyter', {}).get('outputs_hidden'):
        said = (
            f'<details class="guess"><summary>{SAID["guess"]}</summary>\n'
            f'{said}</details>\n'
        )
    return (
        f'<div class="cell" id="{cell.id}">\n{coloured(cell.source)}'
        f'{said}</div>\n'
    )


def _in_each(row: str) -> str:
    """Return a row of the glossary's Markdown for readers of one language.

    What is not written so is Chinese, and no matter to other readers.
    """
    if '---' in row:
        return row
    cells = [cell.strip() for cell in row.split('|')[1:-1]]
    if cells[3]:
        cells[3] = f'<span lang="zh">{cells[3].split(" · ")[0]}</span>'
    for i in (2, 4):
        zh, apart, en = cells[i].partition(' · ')
        cells[i] = both(zh, en) if apart else zh
    return f'| {" | ".join(cells)} |'


def _neighbours(before: Page | None, after: Page | None) -> str:
    links = ''.join(
        f'<a href="{page.name}" rel="{rel}">{SAID[name]}<br>{page.title}</a>\n'
        for name, rel, page in (
            ('before', 'prev', before),
            ('after', 'next', after),
        )
        if page
    )
    label = escape(_plain(f'{SAID["before"]}, {SAID["after"]}'))
    return f'<nav class="near" aria-label="{label}">\n{links}</nav>\n'


def _contents(page: Page) -> str:
    if not page.headings:
        return ''
    items = '\n'.join(
        f'<li class="level-{level}"><a href="#{at}">{html}</a></li>'
        for level, at, html in page.headings
    )
    return (
        f'<nav class="contents" aria-label="{_plain(SAID["contents"])}">'
        f'<details open><summary>{SAID["contents"]}</summary>\n'
        f'<ul>\n{items}\n</ul></details></nav>'
    )


def _whole(page: Page) -> str:
    film = '<figure class="film">' in page.body
    films = (SHOW / 'draw.js', TEMPLATE / 'film.js') if film else ()
    script = '\n'.join(path.read_text(encoding='utf8') for path in films)
    return _filled(
        'page.html',
        title=escape(_plain(page.title)),
        contents=_contents(page),
        body=page.body,
        language_js=_read('language.js'),
        page_js=_read('page.js'),
        films=script and f'<script type="module">\n{script}</script>',
        map_head=SAID['map'],
        glossary_head=SAID['glossary'],
    )


def _repository() -> str:
    """Link to the repository, where GitHub builds the site and says which."""
    server = os.environ.get('GITHUB_SERVER_URL')
    name = os.environ.get('GITHUB_REPOSITORY')  # its owner, too
    link = SAID['code'].format(escape(f'{server}/{name}'))
    return f'<p>{link}</p>' if server and name else ''


def _filled(name: str, **parts: str) -> str:
    return Template(_read(name)).substitute(parts)


def _read(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding='utf8')


def _plain(html: str) -> str:
    """Return HTML as text: 02 公式 · The equations."""
    return words(html.replace('</span> <span', '</span> · <span'))


def _sections(readme: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the sections of README's part in a language: heading, text."""
    for part in re.split(r'^## ', readme, flags=re.M)[1:]:
        head, _, text = part.partition('\n')
        if head == name:
            about, *rest = re.split(r'^### ', text, flags=re.M)
            yield '', about
            for section in rest:
                title, _, text = section.partition('\n')
                yield title, text
