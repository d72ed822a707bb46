"""Prose of a lesson as HTML: formulas as MathML, code in colours, links.

The Markdown is nbconvert's, as JupyterLab's readers know it.
"""

import re
from collections.abc import Callable
from html import escape, unescape
from itertools import cycle
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import (
    IPythonRenderer,
    MarkdownWithMath,
)
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

# How many children an element needs: latex2mathml lets `\frac{1}` pass.
CHILDREN = {
    'mfrac': 2,
    'mroot': 2,
    'msub': 2,
    'msup': 2,
    'munder': 2,
    'mover': 2,
    'msubsup': 3,
    'munderover': 3,
}
CLOSING = r'[，。；：、？！）”》,.;:?!)\]]+'
NOTE = re.compile(rf'([（“《(\[]?)(<math\b.*?</math>)((?:{CLOSING})?)', re.S)


class SiteError(ValueError):
    """What can't be put on a page, in a sentence."""


def both(zh: str, en: str) -> str:
    """Return HTML that holds the same words in both languages."""
    return f'<span lang="zh">{zh}</span> <span lang="en">{en}</span>'


# As TeX sets them: a slash is no operator, a minus after another sign belongs
# to what follows, ln stands apart from its number, a bar and a function's name
# close to what they hold. A prime is as large as its letter, and a line stands
# for a brace: without a font for formulas, as on many phones, a browser draws
# a prime as a speck and a brace too short.
LOOKS = (
    ('<mo>&#x0002F;</mo>', '<mo lspace="0em" rspace="0em">/</mo>'),
    (
        '(<mo[^>]*>(?!&#x00029;|&#x0007[CD];|])[^<]*</mo>)<mo>&#x02212;</mo>',
        r'\1<mo form="prefix">&#x02212;</mo>',
    ),
    ('(<mi>(?:ln|log)</mi>)(?=<m[nif])', r'\1<mspace width="0.17em"/>'),
    (
        '<mo stretchy="false">&#x0007C;',
        '<mo stretchy="false" lspace="0em" rspace="0em">&#x0007C;',
    ),
    (
        '<mo>([A-Za-z]+)</mo>(?=<mo[^>]*>&#x00028;)',
        r'<mi mathvariant="normal">\1</mi>',
    ),
    (
        '<msup>(<mi>[^<]*</mi>)<mi>&#x02032;</mi></msup>',
        r'<mrow>\1<mo>&#x02032;</mo></mrow>',
    ),
    (
        '<msubsup>(<mi>[^<]*</mi>)(<mrow>(?:<m[in]>[^<]*</m[in]>)*</mrow>|'
        '<m[in]>[^<]*</m[in]>)<mi>&#x02032;</mi></msubsup>',
        r'<msub><mrow>\1<mo>&#x02032;</mo></mrow>\2</msub>',
    ),
    (
        '<munder><mrow>((?:(?!<munder>).)*)</mrow><mo>&#x23DF;</mo></munder>',
        r'<mrow class="braced">\1</mrow>',
    ),
)
# Cells of up to so many letters stay in one line; a phone holds so many.
SHORT, PHONE = 12, 36
ROW = re.compile(r'<tr>(.*?)</tr>', re.S)
CELL = re.compile(r'<t[dh][^>]*>(.*?)</t[dh]>', re.S)


def formula(latex: str, display: str) -> str:
    """Return a formula as MathML.

    Parameters
    ----------
    latex : str, without the dollars
    display : 'inline' or 'block'

    Raises
    ------
    SiteError : it does not parse, or holds a command that is not known
    """
    # latex2mathml knows the one, which stands alone, and not the other.
    known = latex.replace('{aligned}', '{align*}')
    known = re.sub(r'\\[lr]Vert\b', r'\\|', known)  # else they stretch
    try:
        said = convert(known, display=display)
        tree = ElementTree.fromstring(said)
    except Exception as e:
        raise SiteError(f'the formula ${latex}$ does not parse: {e!r}') from e
    for text in tree.itertext():
        if re.match(r'\\[A-Za-z]|\$', text):
            raise SiteError(f'the formula ${latex}$ holds {text}, not known')
    if len(re.findall(r'(?<!\\){', latex)) != len(
        re.findall(r'(?<!\\)}', latex)
    ):
        raise SiteError(f'the formula ${latex}$ has a brace without its other')
    for part in tree.iter():
        name = part.tag.split('}')[-1]
        if len(part) != CHILDREN.get(name, len(part)):
            raise SiteError(f'the formula ${latex}$ has an unfinished {name}')
    for old, new in LOOKS:
        said = re.sub(old, new, said)
    return said


def words(html: str) -> str:
    """Return the words that HTML shows, without its tags."""
    seen = re.sub('<span class="unseen">.*?</span>', '', html)
    return unescape(re.sub('<[^>]*>', '', seen)).strip()


def width(cell: str) -> int:
    """Return how many letters a cell shows; one of Chinese counts for two."""
    return sum(2 if letter > '\u2e7f' else 1 for letter in words(cell))


def coloured(code: str, language: str = 'python') -> str:
    """Return code as HTML, its words in classes, in a box that scrolls."""
    lexer = get_lexer_by_name(language)
    shown = highlight(code, lexer, HtmlFormatter(nowrap=True)).rstrip('\n')
    return (
        '<div class="block"><pre class="code scroll">'
        f'<code>{shown}</code></pre></div>\n'
    )


class Renderer(IPythonRenderer):
    """nbconvert's renderer, for a page that needs no script and no network.

    Parameters
    ----------
    at : str, the id of the cell, which its heading gets
    turn : function of a link's target, to what it is on the site
    """

    def __init__(self, at: str, turn: Callable[[str], str]) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.at, self.turn = at, turn
        self.headings: list[tuple[int, str]] = []

    def heading(self, text: str, level: int, **_: Any) -> str:
        """Give the first heading the id of its cell."""
        own = f' id="{self.at}"' if not self.headings else ''
        self.headings.append((level, text))
        return f'<h{level}{own}>{text}</h{level}>\n'

    def block_code(self, code: str, info: str | None = None) -> str:
        """Colour code by its language."""
        return coloured(code, info or 'text')

    def inline_math(self, body: str) -> str:
        """Set a formula in a line."""
        return formula(body, 'inline')

    def block_math(self, body: str) -> str:
        """Set a formula on a line of its own."""
        return f'<div class="scroll">{formula(body.strip(), "block")}</div>'

    def latex_environment(self, name: str, body: str) -> str:
        """Set an environment that stands without dollars."""
        return self.block_math(f'\\begin{{{name}}}{body}\\end{{{name}}}')

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Link to the place on the site."""
        to = self.turn(url)
        return f'<a href="{escape(to)}">{text}</a>' if to else text

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Show a picture on a white card."""
        return (
            f'<span class="card scroll"><img alt="{escape(text)}" '
            f'src="{escape(self.turn(url))}"></span>'
        )

    def table(self, text: str) -> str:
        """Put a table into a box that scrolls; on phones a wide one stacks."""
        rows = [CELL.findall(row) for row in ROW.findall(text)]
        columns = zip(*rows, strict=True)
        if sum(min(16, max(map(width, each))) for each in columns) <= PHONE:
            return f'<div class="scroll"><table>{text}</table></div>\n'
        heads = cycle(escape(words(cell)) for cell in rows[0])
        top, end, body = text.partition('</thead>')
        body = re.sub('<td', lambda _: f'<td data-head="{next(heads)}"', body)
        return (
            f'<div class="scroll"><table class="stacks">{top}{end}{body}'
            '</table></div>\n'
        )

    def table_cell(
        self, text: str, align: str | None = None, head: bool = False
    ) -> str:
        """Name a heading cell; one without words heads nothing."""
        short = ' class="short"' if width(text) <= SHORT else ''
        if not (head and text):
            return f'<td{short}>{text}</td>'
        if '<math' in text:  # some screen readers find no words in it
            text = f'<span class="unseen">{escape(words(text))}</span>' + (
                f'<span aria-hidden="true">{text}</span>'
            )
        return f'<th scope="col"{short}>{text}</th>'


def _together(match: re.Match[str]) -> str:
    before, math, after = match.groups()
    if 'display="block"' in math or not (before or after):
        return match[0]
    return f'<span class="whole">{match[0]}</span>'


def prose(
    source: str, at: str = '', turn: Callable[[str], str] = str
) -> tuple[str, list[tuple[int, str]]]:
    """Return Markdown as HTML, and its headings as (level, HTML).

    Parameters
    ----------
    source : str
    at : str, the id of the cell
    turn : function of a link's target, to what it is on the site; it raises
        SiteError for one that leads nowhere

    Raises
    ------
    SiteError : a formula or a link that is none
    """
    renderer = Renderer(at, turn)
    said = MarkdownWithMath(renderer=renderer).render(source)
    # Else a comma after a formula may begin a line.
    return NOTE.sub(_together, said), renderer.headings
