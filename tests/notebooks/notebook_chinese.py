"""The rules for the Chinese: terms by the glossary, typesetting."""

import csv
import re
from collections.abc import Iterator
from functools import cache

from notebook_lint import HAN, ROOT, Faults, Lesson
from notebook_words import ITEM, prose

SHAPE = re.compile(r'\([\d, NCHW]+\)')  # shapes keep their round brackets
CHINESE = rf'[{HAN}，。；：？！、（）“”《》]'
INTRODUCED = re.compile(
    r'(?:也叫|叫作|写作|写成|译作|译成|有人叫)[^。；]{0,12}$'
)


# Terms


@cache
def glossary() -> tuple[set[str], set[str]]:
    """Return the terms and the variants that are to be avoided."""
    path = ROOT / 'notebooks' / 'glossary.tsv'
    with path.open(encoding='utf8', newline='') as file:
        rows = list(csv.DictReader(file, delimiter='\t'))
    terms = {term for row in rows for term in row['zh'].split('、')}
    avoid = {word for row in rows for word in row['avoid'].split('、')}
    # What is a term in another row is right there, and can't be told apart.
    return terms, avoid - terms - {'-'}


def variants(text: str) -> Iterator[re.Match[str]]:
    """Yield the avoided words, but not those that are part of a term."""
    terms, avoid = glossary()
    spans = [m.span() for t in terms for m in re.finditer(t, text)]
    for word in sorted(avoid):
        for match in re.finditer(word, text):
            start, end = match.span()
            if not any(
                a < end and b > start and (a < start or b > end)
                for a, b in spans
            ):
                yield match


def terms_are_those_of_the_glossary(lesson: Lesson) -> Faults:
    met: set[str] = set()
    for cell, words in prose(lesson, 'zh'):
        for match in variants(words.text):
            before = words.text[: match.start()]
            if INTRODUCED.search(before) and match[0] not in met:
                met.add(match[0])  # "也叫……" is said once
            else:
                yield (
                    f'{cell}: "{match[0]}" is not the term of '
                    'notebooks/glossary.tsv: use that, or once '
                    f'"也叫“{match[0]}”"'
                )


# Chinese typesetting


def punctuation_is_chinese(lesson: Lesson) -> Faults:
    wrong = rf'[{HAN}][,.;:?()"\']|[,.;:?()"\'] ?[{HAN}]|[`$][,.;:?]'
    for cell, words in prose(lesson, 'zh'):
        text = SHAPE.sub('$', ITEM.sub('', words.text))
        for match in re.finditer(f'.{{0,6}}(?:{wrong}).{{0,6}}', text):
            yield (
                f'{cell}: "{match[0]}": in Chinese, punctuation is '
                'Chinese: ，。；：？（）“”'
            )


def quotes_stand_in_pairs(lesson: Lesson) -> Faults:
    for cell, words in prose(lesson, 'zh'):
        for line in words.text.splitlines():
            marks = ''.join(re.findall('[“”]', line))
            if marks != '“”' * (len(marks) // 2) or '"' in line:
                yield f'{cell}: “ opens and ” closes, in turn: "{line[:30]}"'


def nothing_parts_chinese_from_its_neighbours(lesson: Lesson) -> Faults:
    gap, latin = r'\*{0,3} +\*{0,3}', r'[A-Za-z0-9`$]'
    wrong = '|'.join(
        left + gap + right
        for left, right in (
            (CHINESE, latin),
            (latin, CHINESE),
            (CHINESE, CHINESE),
        )
    )
    for cell, words in prose(lesson, 'zh'):
        for match in re.finditer(f'.{{0,6}}(?:{wrong}).{{0,6}}', words.text):
            yield f'{cell}: no space beside Chinese: "{match[0]}"'


def numbers_are_written_out(lesson: Lesson) -> Faults:
    for cell, words in prose(lesson, 'zh'):
        for match in re.findall(r'\d[\d.]*[万亿千]', words.text):
            yield f'{cell}: write {match} in digits alone, as its twin does'


RULES = (
    terms_are_those_of_the_glossary,
    punctuation_is_chinese,
    quotes_stand_in_pairs,
    nothing_parts_chinese_from_its_neighbours,
    numbers_are_written_out,
)
