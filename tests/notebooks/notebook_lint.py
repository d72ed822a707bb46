"""A lesson, and the rules for its frame and links.

A rule is a function from a lesson to messages; each says which cell and how
to mend it. More rules: `notebook_code`, `notebook_words`, `notebook_chinese`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[2]
LANGUAGES = {'lang-zh': 'zh', 'lang-en': 'en'}
NAME = re.compile(r'\d\d_[a-z0-9_]+\.ipynb')
HAN = r'\u4e00-\u9fff'
LINK = re.compile(r'!?\[([^\]]*)\]\(([^)\s]+)[^)]*\)')
HEADING = re.compile(
    rf'(#{{1,3}}) ([\d.]+ )?<span lang="zh">[^<\n]*[{HAN}][^<\n]*</span> '
    rf'<span lang="en">[^<\n{HAN}]*[A-Za-z][^<\n{HAN}]*</span>'
)
FORMULAS = re.compile(r'(\s*\$\$[^$]+\$\$)+\s*')


@dataclass
class Cell:
    """A cell with its place, for messages."""

    index: int
    raw: Any

    @property
    def source(self) -> str:
        return str(self.raw.source)

    @property
    def is_code(self) -> bool:
        return bool(self.raw.cell_type == 'code')

    @property
    def language(self) -> str | None:
        """'zh', 'en' or None, as the tag has it."""
        tags = self.raw.metadata.get('tags', [])
        found = [LANGUAGES[tag] for tag in tags if tag in LANGUAGES]
        return found[0] if len(found) == 1 else None

    @property
    def outputs(self) -> list[Any]:
        return list(self.raw.get('outputs', []))

    def __str__(self) -> str:
        return f'cell {self.index} ({self.raw.get("id", "no id")})'


@dataclass
class Lesson:
    """A notebook and where it lies."""

    path: Path

    @cached_property
    def nb(self) -> Any:
        # Not by nbformat.read: that mends what a rule should see.
        return nbformat.v4.reads(self.path.read_text(encoding='utf8'))

    @property
    def cells(self) -> list[Cell]:
        return [Cell(i, cell) for i, cell in enumerate(self.nb.cells)]

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.is_code]

    @property
    def markdown(self) -> list[Cell]:
        return [cell for cell in self.cells if not cell.is_code]

    @property
    def links(self) -> Iterator[tuple[Cell, str]]:
        """The targets of all links, as (cell, target)."""
        for cell in self.markdown:
            for _, target in LINK.findall(cell.source):
                yield cell, target


Faults = Iterator[str]


# The frame


def the_format_is_valid(lesson: Lesson) -> Faults:
    nb = lesson.nb
    if (nb.nbformat, nb.nbformat_minor) < (4, 5):
        yield 'the notebook is older than nbformat 4.5: save it anew'
        return
    try:
        nbformat.validate(nb)
    except nbformat.ValidationError as e:
        yield f'not a valid notebook: {e}'.splitlines()[0]


def ids_are_words(lesson: Lesson) -> Faults:
    seen: set[str] = set()
    for cell in lesson.cells:
        name = cell.raw.get('id', '')
        random = re.fullmatch(r'[0-9a-f]{8}(-[0-9a-f]{4}.*)?', name)
        if random or not re.fullmatch(r'[a-z][a-z0-9]*(-[a-z0-9]+)*', name):
            yield f'{cell}: give it an id of words, as in "moving-average-zh"'
        if name in seen:
            yield f'{cell}: another cell has this id: give it its own'
        seen.add(name)


def a_cell_without_language_is_for_both(lesson: Lesson) -> Faults:
    for cell in lesson.markdown:
        lines = cell.source.splitlines()
        if cell.language is None and not (
            HEADING.fullmatch(cell.source)
            or FORMULAS.fullmatch(cell.source)
            or all(' · ' in line and LINK.search(line) for line in lines)
        ):
            yield (
                f'{cell}: without the tag lang-zh or lang-en it may hold one '
                'heading \'## 1 <span lang="zh">中文</span> <span lang="en">'
                "English</span>', $$formulas$$, or links to other lessons, "
                '"中文 · English: [...](...)"; tag it or split it'
            )


def headings_descend(lesson: Lesson) -> Faults:
    if not lesson.cells or not lesson.cells[0].source.startswith('# '):
        yield 'cell 0: the first cell is the title, a heading with one "#"'
    before = 1
    for cell in lesson.markdown[1:]:
        match = HEADING.fullmatch(cell.source)
        if match:
            level = len(match[1])
            if level == 1:
                yield f'{cell}: only the first cell has "# ": use "## "'
            if level > before + 1:
                yield f'{cell}: a level is left out: use {"#" * (before + 1)}'
            before = level


def the_switch_comes_first(lesson: Lesson) -> Faults:
    if lesson.code and 'switch()' not in lesson.code[0].source:
        yield (
            f'{lesson.code[0]}: the first code cell is the language switch: '
            '"from d2lmini.show import switch", then "switch()"'
        )


# Links


def links_lead_somewhere(lesson: Lesson) -> Faults:
    for cell, target in lesson.links:
        name = target.split('#')[0]
        if re.match(r'[a-z]+:', name) or not name:
            continue
        if not (lesson.path.parent / name).exists():
            yield (
                f'{cell}: {target} does not exist: mend the link, or name '
                'the lesson without one while it is not written'
            )


def the_neighbours_are_linked(lesson: Lesson) -> Faults:
    number = int(lesson.path.name[:2])
    linked = {target.split('#')[0] for _, target in lesson.links}
    for near in (number - 1, number + 1):
        for path in lesson.path.parent.glob(f'{near:02}_*.ipynb'):
            if path.name not in linked:
                yield f'the last cell: add a link to {path.name}'


def the_glossary_is_linked(lesson: Lesson) -> Faults:
    linked = {target.split('#')[0] for _, target in lesson.links}
    there = (lesson.path.parent / 'glossary.md').exists()
    if there and 'glossary.md' not in linked:
        yield 'the last cell: add a link to glossary.md'


RULES = (
    the_format_is_valid,
    ids_are_words,
    a_cell_without_language_is_for_both,
    headings_descend,
    the_switch_comes_first,
    links_lead_somewhere,
    the_neighbours_are_linked,
    the_glossary_is_linked,
)
