"""The rules for a lesson's words: twins, manners, sizes, numbers."""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import mistune
from notebook_lint import HAN, LINK, Cell, Faults, Lesson

WRAPPED = re.compile(r'<div lang="(zh|en)">\n\n(.+)\n\n</div>', re.S)
PIECE = re.compile(
    r'^```.*?^```|(?P<tick>`+)[^`].*?(?P=tick)|\$\$.+?\$\$|\$[^$\n]+\$',
    re.M | re.S,
)
TAG = re.compile(r'<[a-z/!][^>]*>')
ITEM = re.compile(r'^\s*(?:[-*+]|\d+[.)]) ', re.M)
ROW = re.compile(r'^\s*\|.*$', re.M)
DETAILS = re.compile(r'<details>.*?</details>', re.S)
NUMBER = re.compile(r'(?<![A-Za-z_\d.])\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?')
EMOJI = re.compile('[\U0001f000-\U0001faff\u2600-\u26ff\u2705\u274c\ufe0f]')


class Prose:
    """Markdown taken apart; `text` has `x` for code and $ for formulas."""

    def __init__(self, markdown: str) -> None:
        self.code: list[str] = []
        self.formulas: list[str] = []
        self.links: list[str] = []
        self.marked = PIECE.sub(self._keep, markdown)  # with its links
        self.text = TAG.sub('', LINK.sub(self._follow, self.marked))

    def _keep(self, match: re.Match[str]) -> str:
        if match[0].startswith('$'):
            # The words in a formula are in the reader's language.
            self.formulas.append(
                re.sub(r'\\text\{[^}]*\}', r'\\text{}', match[0])
            )
            return '$'
        self.code.append(match[0])
        return '' if match[0].startswith('```') else '`x`'

    def _follow(self, match: re.Match[str]) -> str:
        self.links.append(match[2].split('#')[0])
        return match[1]

    @property
    def numbers(self) -> list[Decimal]:
        return numbers(ITEM.sub('', self.text))

    @property
    def html(self) -> str:
        html = str(mistune.html(self.marked))
        return re.sub('<code>.*?</code>', '', html, flags=re.S)


def numbers(text: str) -> list[Decimal]:
    """Return the numbers in a text; 1,000 is 1000."""
    found = [number.replace(',', '') for number in NUMBER.findall(text)]
    return [Decimal(number).normalize() for number in found]


def body(cell: Cell) -> str:
    """Return what stands between <div lang="..."> and </div>."""
    match = WRAPPED.fullmatch(cell.source)
    return match[2] if match else cell.source


def prose(lesson: Lesson, language: str) -> Iterator[tuple[Cell, Prose]]:
    for cell in lesson.markdown:
        if cell.language == language:
            yield cell, Prose(body(cell))


def pairs(lesson: Lesson) -> Iterator[tuple[Cell, Cell]]:
    """Yield the Chinese cells with the English ones right after them."""
    for cell, after in pairwise(lesson.cells):
        if (cell.language, after.language) == ('zh', 'en'):
            yield cell, after


# Twins


def every_cell_has_its_twin(lesson: Lesson) -> Faults:
    language = [cell.language for cell in lesson.cells]
    for cell, before, after in zip(
        lesson.cells, [None, *language], [*language[1:], None], strict=False
    ):
        if cell.language == 'zh' and after != 'en':
            yield f'{cell}: put its English twin, tagged lang-en, right after'
        if cell.language == 'en' and before != 'zh':
            yield f'{cell}: put its Chinese twin, tagged lang-zh, before it'


def a_cell_is_one_div_in_its_language(lesson: Lesson) -> Faults:
    for cell in lesson.markdown:
        match = WRAPPED.fullmatch(cell.source)
        if cell.language and not (match and match[1] == cell.language):
            yield (
                f'{cell}: all of it must stand in <div lang="'
                f'{cell.language}"> ... </div>, with a blank line after the '
                'first line and before the last'
            )


def chinese_cells_hold_chinese(lesson: Lesson) -> Faults:
    for cell, words in prose(lesson, 'zh'):
        if not re.search(f'[{HAN}]', words.text):
            yield f'{cell}: tagged lang-zh, but no Chinese in it: write it'
    for cell, words in prose(lesson, 'en'):
        if not re.search('[a-z]{2}', words.text):
            yield f'{cell}: tagged lang-en, but no English in it: write it'


def parts(cell: Cell) -> Iterator[tuple[str, list[Any]]]:
    """Yield what must be the same in both twins."""
    text, words = body(cell), Prose(body(cell))
    italic = words.html.count('<em>') + words.text.count('《')
    yield 'formulas', words.formulas
    yield 'code', words.code
    yield 'links', words.links
    yield 'numbers', [f'{number:f}' for number in words.numbers]
    yield 'bold spans', ['**'] * words.html.count('<strong>')
    yield 'italic spans (or 《》)', ['*'] * italic
    yield 'list items', ITEM.findall(text)
    yield 'table rows', ['|'] * len(ROW.findall(text))
    yield 'answers', ['<details>'] * len(DETAILS.findall(text))


def twins_agree(lesson: Lesson) -> Faults:
    for zh, en in pairs(lesson):
        for (what, left), (_, right) in zip(parts(zh), parts(en), strict=True):
            here, there = Counter(left), Counter(right)
            if here != there:
                yield (
                    f'{zh} and {en} differ in {what}: only in Chinese '
                    f'{[*(here - there).elements()]}, only in English '
                    f'{[*(there - here).elements()]}'
                )


# Manners


def nobody_is_flattered_or_shouted_at(lesson: Lesson) -> Faults:
    for cell in lesson.markdown:
        text = Prose(body(cell)).text
        if '您' in text:
            yield f'{cell}: write 你, not 您'
        if cell.language == 'zh' and re.search('(?<![申邀])请(?!求)', text):
            yield f'{cell}: leave out 请'
        if re.search('[!！]', text):
            yield f'{cell}: no exclamation marks: end it by a full stop'


def no_emoji(lesson: Lesson) -> Faults:
    for cell in lesson.cells:
        if EMOJI.search(cell.source):
            yield f'{cell}: take out the emoji'


def emphasis_renders(lesson: Lesson) -> Faults:
    for cell in lesson.markdown:
        match = re.search(r'.{0,8}\*.{0,8}', Prose(body(cell)).html)
        if match:
            yield (
                f'{cell}: a star stays as it is in "{match[0]}": keep '
                'punctuation and quotes outside **bold**, multiply in code'
            )


# Sizes and figures


def prose_is_short(lesson: Lesson) -> Faults:
    units = {
        'zh': ('汉字', f'[{HAN}]', 200),
        'en': ('words', r"\w[\w'-]*", 120),
    }
    for cell in lesson.markdown:
        if cell.language:
            unit, pattern, most = units[cell.language]
            text = Prose(ROW.sub('', DETAILS.sub('', body(cell)))).text
            count = len(re.findall(pattern, text.replace('`x`', '')))
            if count > most:
                yield f'{cell}: {count} {unit}, at most {most}: split it'


def shown_text(output: Any) -> Iterator[str]:
    """Yield what a reader sees of an output in letters."""
    yield output.get('text', '')
    data = output.get('data', {})
    yield str(data.get('text/plain', ''))
    html = str(data.get('text/html', ''))
    yield from re.findall(r'\balt="([^"]*)"', html)
    yield TAG.sub(' ', html)


def shown_numbers(lesson: Lesson) -> set[Decimal]:
    """Return the numbers in outputs, code, formulas, tables, headings."""
    found = []
    for cell in lesson.code:
        found += [
            cell.source,
            *(t for o in cell.outputs for t in shown_text(o)),
        ]
    for cell in lesson.markdown:
        words = Prose(body(cell))
        found += [*words.formulas, *words.code, *ROW.findall(words.text)]
        found += [cell.source] * (cell.language is None)
    known = lesson.nb.metadata.get('d2lmini', {}).get('numbers', [])
    return {
        number for text in (*found, *known) for number in numbers(str(text))
    }


def free(number: Decimal) -> bool:
    """Tell whether it is a small whole number, or a year."""
    whole = number == number.to_integral_value()
    return whole and (number < 100 or 1900 <= number < 2100)


def numbers_are_those_of_the_outputs(lesson: Lesson) -> Faults:
    shown = shown_numbers(lesson)
    for cell, words in prose(lesson, 'zh'):
        text = ROW.sub('', ITEM.sub('', words.text))
        text = re.sub(r'第?[\d.]+节|arXiv:[\d.]+', '', text)
        for number in numbers(text):
            if number not in shown and not free(number):
                yield (
                    f'{cell}: no output, code, formula or table shows '
                    f'{number:f}: print it, or list it in the metadata '
                    '"d2lmini": {"numbers": [...]}'
                )


RULES = (
    every_cell_has_its_twin,
    a_cell_is_one_div_in_its_language,
    chinese_cells_hold_chinese,
    twins_agree,
    nobody_is_flattered_or_shouted_at,
    no_emoji,
    emphasis_renders,
    prose_is_short,
    numbers_are_those_of_the_outputs,
)
