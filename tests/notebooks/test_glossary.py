"""The glossary: its rows, and the page that is made of them."""

import csv
import re
from pathlib import Path

import glossary
import pytest
from notebook_lint import HAN

FOLDER = Path(__file__).parents[2] / 'notebooks'
NAMES = ['zh', 'en', 'code', 'avoid', 'note']
SOURCE = (FOLDER / 'glossary.tsv').read_text(encoding='utf8')
ROWS = list(csv.DictReader(SOURCE.splitlines(), delimiter='\t'))


def test_the_page_is_up_to_date() -> None:
    page = (FOLDER / 'glossary.md').read_text(encoding='utf8')
    same = page == glossary.page(SOURCE)
    assert same, 'run tools/glossary.py, or "make outputs"'


def test_the_page_has_a_line_for_each_row() -> None:
    head, *lines = [x for x in glossary.page(SOURCE).splitlines() if '|' in x]
    assert (
        head
        == '| 中文 | English | 代码 · in code | 不写作 · not | 说明 · note |'
    )
    assert len(lines) == 1 + len(ROWS)
    assert {line.count('|') for line in lines} == {6}


def test_a_dash_is_nothing_and_code_is_code() -> None:
    row = '动量\tmomentum\tmomentum, m\t-\t减号 a-b'
    page = glossary.page('\t'.join(NAMES) + f'\n{row}\n')
    assert page.endswith(
        '| 动量 | momentum | `momentum`, `m` |  | 减号 a-b |\n'
    )
    assert '`' not in glossary.page('\t'.join(NAMES) + '\n轮\tepoch\t-\t-\t-')


@pytest.mark.parametrize('row', ['轮\tepoch', '轮\tepoch\t-\t-\ta|b'])
def test_a_row_that_would_break_the_table_is_refused(row: str) -> None:
    with pytest.raises(ValueError, match='must have 5 cells'):
        glossary.page('\t'.join(NAMES) + '\n' + row)


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row['en'])
def test_a_row_is_filled(row: dict[str, str]) -> None:
    assert list(row) == NAMES and all(cell.strip() for cell in row.values())
    assert re.search(f'[{HAN}]', row['zh'])
    assert not re.search(f'[{HAN}]', row['en'])
    # A note is for both readers: Chinese · English.
    note = row['note'].split(' · ')
    assert note == ['-'] or (
        len(note) == 2
        and re.search(f'[{HAN}]', note[0])
        and not re.search(f'[{HAN}]', note[1])
    )


def test_no_term_stands_twice() -> None:
    terms = [term for row in ROWS for term in row['zh'].split('、')]
    assert len(terms) == len(set(terms))


def test_no_term_is_to_be_avoided_in_its_own_row() -> None:
    assert not [
        row['zh']
        for row in ROWS
        if {*row['zh'].split('、')} & {*row['avoid'].split('、')}
    ]
