"""Write glossary.md, the page that lessons link to, from glossary.tsv."""

import csv
from pathlib import Path

SOURCE = Path(__file__).parents[1] / 'notebooks' / 'glossary.tsv'
PAGE = SOURCE.with_suffix('.md')
HEAD = """# 词汇表 · Glossary

回到 · Back to: [00 从这里开始 · Start here](00_start_here.ipynb)

| 中文 | English | 代码 · in code | 不写作 · not | 说明 · note |
|---|---|---|---|---|
"""


def page(source: str) -> str:
    """Return the page for the text of a glossary.

    Parameters
    ----------
    source : str
        Tab-separated, with the columns zh, en, code, avoid and note under
        their names; - where there is nothing. A | would end a cell.

    Raises
    ------
    ValueError : a row has another number of cells, or a | in one
    """
    names, *rows = csv.reader(source.splitlines(), delimiter='\t')
    lines = []
    for cells in rows:
        if len(cells) != len(names) or any('|' in cell for cell in cells):
            raise ValueError(
                f'a row must have {len(names)} cells with tabs between and '
                f'no |, got {cells}'
            )
        row = {
            name: '' if cell == '-' else cell
            for name, cell in zip(names, cells, strict=True)
        }
        code = ', '.join(f'`{c}`' for c in row['code'].split(', ') if c)
        shown = row['zh'], row['en'], code, row['avoid'], row['note']
        lines.append(f'| {" | ".join(shown)} |\n')
    return HEAD + ''.join(lines)


if __name__ == '__main__':
    text = page(SOURCE.read_text(encoding='utf8'))
    PAGE.write_text(text, encoding='utf8', newline='\n')
