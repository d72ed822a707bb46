"""Each rule passes on a good lesson and fails on one broken that way."""

import csv
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import notebook_chinese as chinese
import notebook_code as program
import notebook_lint as lint
import notebook_words as words
import pytest
from nbformat import NotebookNode, v4
from notebook_lint import ROOT, Faults, Lesson

import d2lmini as d2l

RULES = (*lint.RULES, *program.RULES, *words.RULES, *chinese.RULES)
SAW = {
    'zh': """\
**精度**是0.878，`gamma`从$1$开始，一共1000张图（见[03](03_sample.ipynb)）。

- 《动手学深度学习》也用`nn.BatchNorm1d`；
- “小批量”的形状是(N, C)。

| 轮 | 损失 |
|---|---|
| 1 | 0.733 |

<details><summary>答案</summary>

移动平均$\\text{旧}$。

</details>""",
    'en': """\
The **accuracy** is 0.878; `gamma` starts at $1$, with 1,000 images
(see [03](03_sample.ipynb)).

- *Dive into Deep Learning* uses `nn.BatchNorm1d` too;
- a minibatch has the shape (N, C).

| epoch | loss |
|---|---|
| 1 | 0.733 |

<details><summary>Answer</summary>

The moving average, $\\text{old}$.

</details>""",
}
PICTURE = {'image/png': 'iVBORw0KGgo=', 'text/plain': 'two lines'}
ALT = {'image/png': {'alt': 'two lines'}}


def heading(marks: str, zh: str, en: str) -> str:
    return f'{marks} <span lang="zh">{zh}</span> <span lang="en">{en}</span>'


def markdown(name: str, source: str, **metadata: Any) -> NotebookNode:
    return v4.new_markdown_cell(source, id=name, metadata=metadata)


def twins(name: str, zh: str, en: str) -> list[NotebookNode]:
    return [
        markdown(
            f'{name}-{language}',
            f'<div lang="{language}">\n\n{text}\n\n</div>',
            tags=[f'lang-{language}'],
        )
        for language, text in (('zh', zh), ('en', en))
    ]


def code(name: str, count: int, source: str, *outputs: Any) -> NotebookNode:
    return v4.new_code_cell(
        source, id=name, execution_count=count, outputs=list(outputs)
    )


def good() -> NotebookNode:
    """Make a small lesson that keeps every rule."""
    cells = [
        markdown('title', heading('# 03', '样品', 'Sample')),
        *twins('promise', '这一课很短。', 'This lesson is short.'),
        code('switch', 1, 'from d2lmini.show import switch\n\nswitch()'),
        code('imports', 2, 'import torch\n\nimport d2lmini as d2l'),
        markdown('mean-heading', heading('## 1', '均值', 'Mean')),
        markdown('mean-formula', '$$\n\\hat\\mu=\\frac1n\\sum x_i\n$$'),
        code(
            'train',
            3,
            'print(acc, 1000)',
            v4.new_output('stream', text='0.878 1000\n'),
            v4.new_output('display_data', PICTURE, metadata=ALT),
        ),
        *twins('saw', SAW['zh'], SAW['en']),
        markdown(
            'next',
            '下一课 · Next: [04](04_next.ipynb)\n'
            '术语 · Glossary: [术语](glossary.md)',
        ),
    ]
    return v4.new_notebook(cells=cells)


@pytest.fixture
def lesson(tmp_path: Path) -> Callable[[NotebookNode], Lesson]:
    """Return how to save a notebook among its neighbours."""
    for name in ('04_next.ipynb', 'glossary.md'):
        (tmp_path / name).touch()

    def save(nb: NotebookNode) -> Lesson:
        path = tmp_path / '03_sample.ipynb'
        path.write_text(json.dumps(nb), encoding='utf8')
        return Lesson(path)

    return save


Save = Callable[[NotebookNode], Lesson]
Change = Callable[[NotebookNode], None]
Rule = Callable[[Lesson], Faults]


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in nb.cells if cell.id == name)


def put(name: str, old: str, new: str) -> Change:
    """Return a change of a cell's source."""

    def change(nb: NotebookNode) -> None:
        assert old in cell(nb, name).source
        cell(nb, name).source = cell(nb, name).source.replace(old, new, 1)

    return change


def both(old: str, new: str) -> Change:
    """Return the same change in both twins, so that they still agree."""

    def change(nb: NotebookNode) -> None:
        for language in ('zh', 'en'):
            put(f'saw-{language}', old, new)(nb)

    return change


def source(name: str, new: str) -> Change:
    return lambda nb: cell(nb, name).update(source=new)


def update(name: str, **new: Any) -> Change:
    return lambda nb: cell(nb, name).update(new)


def tags(name: str, *new: str) -> Change:
    return lambda nb: cell(nb, name).metadata.update(tags=list(new))


def drop(name: str) -> Change:
    return lambda nb: nb.cells.remove(cell(nb, name))


def output(name: str, **data: Any) -> Change:
    return update(name, outputs=[v4.new_output('display_data', data)])


def error(name: str) -> Change:
    return update(name, outputs=[v4.new_output('error', ename='ValueError')])


def stderr(name: str, text: str) -> Change:
    out = v4.new_output('stream', name='stderr', text=text)
    return update(name, outputs=[out])


WIDGETS = [program.WIDGET_STATE, program.WIDGET_VIEW]
LAYER = (ROOT / 'd2lmini' / 'device.py').read_text(encoding='utf8')
TRY_GPU = LAYER[LAYER.index('def try_gpu') :].split('\n\n\n')[0]
# As shipped but for a private method, which a lesson may leave out.
CLASS = re.sub(
    r'(?s)\n    def _load_from.*', '', inspect.getsource(d2l.BatchNorm)
)
SHOWN = TRY_GPU.replace('"""', "'''")  # the quotes are no part of the syntax
LONG = 'x = 1\n' * 26

# (rule, what breaks it, what the message says)
BROKEN: list[tuple[Rule, Change, str]] = [
    (lint.the_format_is_valid, lambda nb: nb.update(nbformat_minor=4), '4.5'),
    (lint.the_format_is_valid, update('train', extra=1), 'not a valid'),
    (lint.ids_are_words, update('train', id='1f3c5a7e'), '1f3c5a7e'),
    (lint.ids_are_words, update('train', id='Train_1'), 'Train_1'),
    (lint.ids_are_words, update('train', id='imports'), 'another cell'),
    (
        lint.a_cell_without_language_is_for_both,
        source('mean-heading', '## Mean'),
        'mean-heading',
    ),
    (
        lint.a_cell_without_language_is_for_both,
        put('mean-heading', '</span> ', '</span>\n\nWords. '),
        'mean-heading',
    ),
    (
        lint.a_cell_without_language_is_for_both,
        source('mean-heading', '## 1 均值 · Mean'),
        'mean-heading',
    ),
    (
        lint.a_cell_without_language_is_for_both,
        put('mean-formula', '\n$$', '\n$$\nwords'),
        'mean-formula',
    ),
    (
        lint.a_cell_without_language_is_for_both,
        tags('promise-zh', 'lang-zh', 'lang-en'),
        'promise-zh',
    ),
    (lint.headings_descend, put('mean-heading', '##', '###'), 'left out'),
    (lint.headings_descend, put('mean-heading', '##', '#'), 'only the'),
    (lint.headings_descend, drop('title'), 'the title'),
    (lint.the_switch_comes_first, drop('switch'), 'imports'),
    (program.code_parses, source('train', 'print('), 'train'),
    (program.imports_come_first, put('train', 'p', 'import io\np'), 'train'),
    (program.code_cells_are_short, source('train', LONG), '26 lines'),
    (program.code_cells_are_short, source('train', '数' * 40), '80 columns'),
    (
        program.code_cells_are_short,
        source('train', 'class A:\n' + '    x = 1\n' * 40),
        '41 lines',
    ),
    (program.code_is_python_alone, source('train', '!ls'), 'shell'),
    (program.code_is_python_alone, source('train', '%%bash\nls'), 'shell'),
    (program.code_is_python_alone, source('train', '%pip list'), 'shell'),
    (
        program.code_shown_is_code_shipped,
        source('train', SHOWN.replace('int = 0', 'int = 1')),
        'try_gpu',
    ),
    (
        program.code_shown_is_code_shipped,
        source('train', SHOWN.replace('i: int', 'i')),
        'try_gpu',
    ),
    *(
        (
            program.code_shown_is_code_shipped,
            source('train', CLASS.replace(*change)),
            'BatchNorm',
        )
        for change in [('0.1', '0.9'), ('__init__', '_init')]
    ),
    (program.every_cell_has_run, update('train', execution_count=4), 'train'),
    (
        program.every_cell_has_run,
        update('imports', execution_count=None),
        'impo',
    ),
    (program.outputs_hold_no_error, error('train'), 'train'),
    (
        program.outputs_hold_no_error,
        stderr('train', 'Traceback (most recent call last)\n  ...'),
        'train',
    ),
    (
        program.no_widget_is_saved,
        lambda nb: nb.metadata.update(widgets={}),
        'metadata',
    ),
    *(
        (program.no_widget_is_saved, output('train', **{kind: {}}), 'train')
        for kind in WIDGETS
    ),
    (program.pictures_have_alt_text, both('[03]', '![]'), 'saw-zh'),
    (
        program.pictures_have_alt_text,
        put('saw-en', '- ', '- <img src="a.png" alt="">'),
        'saw-en',
    ),
    (
        program.pictures_have_alt_text,
        output('train', **{'image/png': 'iVBORw0KGgo='}),
        'train',
    ),
    (
        program.pictures_have_alt_text,
        output('train', **{'text/html': '<img src="x">'}),
        'train',
    ),
    (
        program.pictures_have_alt_text,
        output('train', **{'text/html': '<img src="data:," alt="a">'}),
        'inside HTML',
    ),
    (
        program.answers_are_folded,
        put('mean-formula', '$$\n', '**Guess**: how many?\n\n$$\n'),
        'train',
    ),
    (
        program.answers_are_folded,
        update('train', metadata={'jupyter': {'outputs_hidden': True}}),
        'train',
    ),
    (
        program.the_file_is_small,
        output('train', **{'text/plain': 'x' * 301_000}),
        'at most 300',
    ),
    (lint.links_lead_somewhere, put('next', 'y.md', 'y.html'), 'next'),
    (lint.the_neighbours_are_linked, source('next', ''), '04_next.ipynb'),
    (lint.the_glossary_is_linked, source('next', ''), 'glossary.md'),
    (words.every_cell_has_its_twin, drop('saw-en'), 'saw-zh'),
    (words.every_cell_has_its_twin, drop('saw-zh'), 'saw-en'),
    (
        words.every_cell_has_its_twin,
        lambda nb: nb.cells.insert(2, cell(nb, 'imports')),
        'promise-zh',
    ),
    (
        words.a_cell_is_one_div_in_its_language,
        put('promise-en', 'lang="en"', 'lang="zh"'),
        'promise-en',
    ),
    (
        words.a_cell_is_one_div_in_its_language,
        put('promise-en', '</div>', '</div>\n\nMore.'),
        'promise-en',
    ),
    (
        words.a_cell_is_one_div_in_its_language,
        put('promise-zh', '\n\n', '\n'),
        'promise-zh',
    ),
    (
        words.chinese_cells_hold_chinese,
        put('promise-zh', '这一课很短。', 'TODO'),
        'promise-zh',
    ),
    (
        words.chinese_cells_hold_chinese,
        put('promise-en', 'This lesson is short.', '这一课很短。'),
        'promise-en',
    ),
    (words.twins_agree, put('saw-en', '$1$', '$2$'), 'formulas'),
    (words.twins_agree, put('saw-en', '$1$', 'one'), 'formulas'),
    (words.twins_agree, put('saw-en', '`gamma`', 'gamma'), 'code'),
    (words.twins_agree, put('saw-en', '1,000', '10,000'), 'numbers'),
    (words.twins_agree, put('saw-en', '0.878', '0.887'), 'saw-en'),
    (words.twins_agree, put('saw-en', '](03_sample', '](04_next'), 'links'),
    (words.twins_agree, put('saw-en', '**accuracy**', 'accuracy'), 'bold'),
    (words.twins_agree, put('saw-zh', '《动手学深度学习》', '书'), 'italic'),
    (words.twins_agree, put('saw-zh', '；\n- ', '；'), 'list items'),
    (words.twins_agree, put('saw-zh', '| 1 |', '| 1 |\n| 1'), 'table rows'),
    (words.twins_agree, put('saw-en', '<details>', ''), 'answers'),
    (
        chinese.terms_are_those_of_the_glossary,
        put('saw-zh', '小批量', '小批次'),
        '"小批次" is not the term',
    ),
    (
        chinese.terms_are_those_of_the_glossary,
        put('saw-zh', '移动平均', '平均值'),
        'saw-zh',
    ),
    (  # said twice
        chinese.terms_are_those_of_the_glossary,
        put('saw-zh', '移动平均', '也叫“池化层”，也叫“池化层”'),
        'saw-zh',
    ),
    (
        words.nobody_is_flattered_or_shouted_at,
        put('saw-zh', '一共', '您的'),
        '您',
    ),
    (
        words.nobody_is_flattered_or_shouted_at,
        put('saw-zh', '见', '请见'),
        '请',
    ),
    (
        words.nobody_is_flattered_or_shouted_at,
        put('promise-zh', '短。', '短！'),
        'exclamation',
    ),
    (
        words.nobody_is_flattered_or_shouted_at,
        put('promise-en', 'short.', 'short!'),
        'promise-en',
    ),
    (words.no_emoji, put('train', 'acc', "'\U0001f389'"), 'train'),
    *[
        (chinese.punctuation_is_chinese, put('saw-zh', *pair), 'saw-zh')
        for pair in (
            ('是0.878，', '是,0.878，'),
            ('`gamma`从', '`gamma`, '),
            ('开始，', '开始.'),
            ('（见', '(见'),
            ('。\n\n</details>', ';\n\n</details>'),
            ('一共', 'PyTorch: 一共'),
        )
    ],
    *[
        (chinese.quotes_stand_in_pairs, put('saw-zh', *pair), 'saw-zh')
        for pair in (
            ('“小批量”', '”小批量“'),
            ('“小批量”', '“小批量'),
            ('“小批量”', '“小批量“'),
            ('“小批量”', '"小批量"'),
        )
    ],
    *[
        (
            chinese.nothing_parts_chinese_from_its_neighbours,
            put('saw-zh', *pair),
            'saw-zh',
        )
        for pair in (
            ('是0.878', '是 0.878'),
            ('`gamma`从', '`gamma` 从'),
            ('从$1$', '从 $1$'),
            ('一共', '一 共'),
            ('0.878，`', '0.878， `'),
            ('**精度**是0', '用 **LeNet**是0'),
        )
    ],
    *[
        (words.emphasis_renders, put('saw-zh', '**精度**', new), 'saw-zh')
        for new in ('他说**“精度”**', '**精度，**然', '** 精度**', '2*精度')
    ],
    (chinese.numbers_are_written_out, put('saw-zh', '1000', '1万'), '1万'),
    (words.prose_is_short, put('saw-zh', '一共', '好' * 200), '汉字'),
    (words.prose_is_short, put('saw-en', 'starts', 'on ' * 120), 'words'),
    (
        words.numbers_are_those_of_the_outputs,
        both('0.878', '0.887'),
        '0.887',
    ),
    (  # the picture's bytes show nothing
        words.numbers_are_those_of_the_outputs,
        both('0.878', '99.9'),
        '99.9',
    ),
]

# (rule, what it must let pass)
ALLOWED: list[tuple[Rule, Change]] = [
    (lint.links_lead_somewhere, put('next', 'y.md', 'y.md#beta')),
    (lint.links_lead_somewhere, put('next', 'glossary.md', 'https://a.b/c')),
    (program.code_shown_is_code_shipped, source('train', SHOWN)),
    (program.code_shown_is_code_shipped, source('train', 'def own():\n    1')),
    (program.code_shown_is_code_shipped, source('train', CLASS)),
    (program.code_cells_are_short, source('train', LONG[6:])),
    (
        program.code_cells_are_short,
        source('train', 'class A:\n' + '    x = 1\n\n' * 39),
    ),
    (program.outputs_hold_no_error, stderr('train', 'a warning')),
    (
        chinese.terms_are_those_of_the_glossary,
        put('saw-zh', '移动平均', '移动平均值，汇聚层也叫“池化层”'),
    ),
    (chinese.terms_are_those_of_the_glossary, put('saw-zh', '答', '偏置')),
    (
        words.nobody_is_flattered_or_shouted_at,
        put('saw-zh', '一共', '申请、请求'),
    ),
    (words.nobody_is_flattered_or_shouted_at, put('saw-en', '$1$', '`!=`')),
    (chinese.punctuation_is_chinese, put('saw-zh', '一共', '`a, b`')),
    (chinese.quotes_stand_in_pairs, put('saw-zh', '一共', '“一”“共”')),
    (
        chinese.nothing_parts_chinese_from_its_neighbours,
        put('saw-zh', '**精度**', '**1.** 精度'),
    ),
    (words.emphasis_renders, put('saw-zh', '**精度**', '“**精度**”')),
    (words.prose_is_short, put('saw-zh', '移动平均', '好' * 200)),
    (words.prose_is_short, put('saw-zh', '| 损失 |', '好' * 200 + '|')),
    (words.numbers_are_those_of_the_outputs, both('0.878', '0.733')),
    (words.numbers_are_those_of_the_outputs, both('0.878', '2015')),
    (words.numbers_are_those_of_the_outputs, both('0.878', '99')),
    (words.numbers_are_those_of_the_outputs, both('0.878', '0.8780')),
]


def name(value: Any) -> str | None:
    return getattr(value, '__name__', None) if callable(value) else None


@pytest.mark.parametrize('rule', RULES, ids=name)
def test_the_good_lesson_passes(rule: Rule, lesson: Save) -> None:
    assert list(rule(lesson(good()))) == []


@pytest.mark.parametrize(('rule', 'change', 'says'), BROKEN, ids=name)
def test_the_rule_sees_what_is_broken(
    rule: Rule, change: Change, says: str, lesson: Save
) -> None:
    nb = good()
    change(nb)
    assert says in '\n'.join(rule(lesson(nb)))


@pytest.mark.parametrize(('rule', 'change'), ALLOWED, ids=name)
def test_the_rule_lets_pass_what_is_right(
    rule: Rule, change: Change, lesson: Save
) -> None:
    nb = good()
    change(nb)
    assert list(rule(lesson(nb))) == []


def test_each_rule_is_seen_to_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def test_the_good_lesson_is_a_valid_notebook() -> None:
    assert nbformat.validate(good()) is None


def test_a_number_can_be_allowed_in_the_metadata(lesson: Save) -> None:
    nb = good()
    both('0.878', '0.887')(nb)
    nb.metadata['d2lmini'] = {'numbers': [0.887]}
    rule = words.numbers_are_those_of_the_outputs
    assert list(rule(lesson(nb))) == []


def test_pictures_may_be_the_lesson(lesson: Save, tmp_path: Path) -> None:
    nb = good()
    output('train', **{'text/plain': 'x' * 500_000})(nb)
    path = lesson(nb).path.rename(tmp_path / '05_lab.ipynb')
    assert list(program.the_file_is_small(Lesson(path))) == []


def test_the_glossary_is_whole() -> None:
    path = ROOT / 'notebooks' / 'glossary.tsv'
    with path.open(encoding='utf8', newline='') as file:
        head, *rows = csv.reader(file, delimiter='\t')
    assert head == ['zh', 'en', 'code', 'avoid', 'note']
    assert all(len(row) == 5 and all(row) for row in rows)
    terms = [term for row in rows for term in row[0].split('、')]
    assert len(terms) == len(set(terms))
