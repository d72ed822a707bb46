"""The oracle passes right layers and tells each wrong one where it is wrong.

The right ones are torch's and the package's; the wrong ones are mutants.py.
"""

from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
import torch
from mutants import MUTANTS, TAUGHT, Mutant, Taught
from torch import Tensor, nn

from d2lmini import BatchNorm, oracle, torch_norm
from d2lmini.oracle.verdicts import _judge
from d2lmini.show import lang

COLUMNS = {column.key: column for column in oracle.COLUMNS}
# What the course promises of the layer; the oracle may not lose one of it.
PROMISED = [
    'train_output', 'eval_output', 'grad_input', 'grad_gamma', 'grad_beta',
    'parameters', 'moving_mean', 'moving_var', 'num_batches', 'momentum',
    'momentum_none', 'eps', 'constant', 'offset', 'one_value',
    'train_no_grad', 'eval_grad', 'save_load', 'to_device', 'double', 'half',
    'bfloat16', 'deepcopy', 'no_graph', 'non_contiguous', 'channels_last',
    'gradcheck',
]  # fmt: skip


def torchs(num_features: int, num_dims: int, **options: Any) -> nn.Module:
    """Build torch's own layer, with options."""
    layer = torch_norm(num_features, num_dims)
    vars(layer).update(options)
    return layer


def judge(key: str, make: Any) -> oracle.Verdict:
    """Return the verdict of one column, as `compare` gives it."""
    return _judge(COLUMNS[key], make)


def failed(make: Any) -> set[str]:
    """Return the columns in which the layer is not as torch's."""
    return {v.column.key for v in oracle.compare(make) if not v.ok}


def test_columns_are_the_promised_ones() -> None:
    assert [column.key for column in oracle.COLUMNS] == PROMISED


@pytest.mark.parametrize('make', [BatchNorm, torchs])
def test_right_layers_pass_every_column(make: Any) -> None:
    verdicts = oracle.compare(make)
    wrong = [(v.column.key, v.difference, v.en) for v in verdicts if not v.ok]
    assert wrong == []
    assert [v.column for v in verdicts] == list(oracle.COLUMNS)


@pytest.mark.parametrize('key', PROMISED)
def test_column_has_a_mutant(key: str) -> None:
    assert any(mutant.column == key for mutant in MUTANTS)


@pytest.mark.parametrize(
    'mutant', MUTANTS, ids=lambda m: f'{m.column}-{m.fault}'
)
def test_mutant_fails_its_column(mutant: Mutant) -> None:
    verdict = judge(mutant.column, mutant.build())
    assert not verdict.ok
    # A slip in the mutant's own words would fail too, and prove nothing.
    assert not verdict.en.startswith(('NameError', 'AttributeError'))


def test_mutant_without_a_change_passes() -> None:
    """What tells the mutants is their change, not the way they are built."""
    assert failed(Mutant('', 'none', ()).build()) == set()


@pytest.mark.filterwarnings('ignore:.*degrees of freedom')
@pytest.mark.parametrize('taught', TAUGHT.values(), ids=TAUGHT)
def test_taught_layers_fail_where_others_measured_it(taught: Taught) -> None:
    wrong = failed(taught.make)
    assert taught.wrong - wrong == set()
    assert taught.right & wrong == set()


def slightly_off(factor: float) -> type[nn.Module]:
    """Return the layer with its output off by a factor."""
    right = 'scale * centered + beta'
    return Mutant('', '', ((right, f'{factor} * ({right})'),)).build()


@pytest.mark.parametrize(
    ('key', 'factor'),
    [
        ('train_output', 1.00001), ('eval_output', 1.00001),
        ('grad_input', 1.0001), ('grad_gamma', 1.0001),
        ('grad_beta', 1.0001), ('eps', 1.00001), ('constant', 1.0001),
        ('offset', 1.01), ('one_value', 1.00001), ('train_no_grad', 1.00001),
        ('eval_grad', 1.00001), ('double', 1.00001), ('half', 1.01),
        ('bfloat16', 1.02), ('non_contiguous', 1.00001),
        ('channels_last', 1.00001),
    ],
)  # fmt: skip
def test_column_tells_a_slightly_wrong_output(key: str, factor: float) -> None:
    assert not judge(key, slightly_off(factor)).ok


class Odd(BatchNorm):
    """A layer whose forward does something else."""

    def forward(self, X: Tensor) -> Any:
        return self.odd(X)

    def odd(self, X: Tensor) -> Any:
        raise NotImplementedError


def odd(what: Any) -> type[nn.Module]:
    return type('Odd', (Odd,), {'odd': lambda self, X: what(X)})


def fail(X: Tensor) -> None:
    raise RuntimeError('the machine stands still\nand more')


def run_on(X: Tensor) -> Tensor:
    return run_on(X)


ODD = {
    'raises': (odd(fail), 'RuntimeError: the machine stands still and more'),
    'raises at length': (odd(lambda X: {}['x' * 500]), 'KeyError:'),
    'never returns': (odd(run_on), 'RecursionError'),
    'gives None': (odd(lambda X: None), 'returns NoneType, not a tensor'),
    'gives a tuple': (odd(lambda X: (X, X)), 'returns tuple, not a tensor'),
    'gives a number': (odd(lambda X: 1.0), 'returns float, not a tensor'),
    'gives another shape': (odd(lambda X: X[:1]), 'other shape'),
    'gives another dtype': (odd(lambda X: X.double()), 'other dtype'),
    'gives integers': (odd(lambda X: X.int()), 'other dtype'),
    'gives nan': (odd(lambda X: X * float('nan')), 'nan'),
    'changes its input': (odd(lambda X: X.data.zero_()), 'changes its input'),
    'has no tensors': (lambda *a, **k: nn.Identity(), 'no tensor gamma'),
    'is not there': (lambda *a, **k: None, 'no tensor gamma'),
    'takes no argument': (lambda: None, 'TypeError'),
    'has too few channels': (lambda n, d, **k: BatchNorm(1, d), 'shape'),
    'cannot be called': (1, "TypeError: 'int' object is not callable"),
}


@pytest.mark.parametrize(('make', 'says'), ODD.values(), ids=ODD)
def test_odd_layers_get_a_verdict_not_an_error(make: Any, says: str) -> None:
    verdicts = oracle.compare(make)
    assert len(verdicts) == len(PROMISED)
    first = verdicts[0]
    assert (first.ok, first.difference) == (False, float('inf'))
    assert says in first.en
    assert len(first.en) <= 90
    assert first.zh


def test_infinite_output_is_no_agreement() -> None:
    verdict = judge('train_output', odd(lambda X: X / 0))
    assert (verdict.ok, verdict.difference) == (False, float('inf'))


def without_options(num_features: int, num_dims: int) -> nn.Module:
    return torch_norm(num_features, num_dims)


@pytest.mark.parametrize('key', ['momentum', 'momentum_none', 'eps'])
def test_layer_without_options_is_told_which_is_missing(key: str) -> None:
    name = key.removesuffix('_none')
    verdict = judge(key, without_options)
    assert verdict.zh == f'没有参数{name}'
    assert verdict.en == f'no argument {name}'


def test_type_error_within_a_layer_is_not_taken_for_a_missing_option() -> None:
    def make(num_features: int, num_dims: int, eps: float = 0) -> None:
        raise TypeError('something else')

    assert judge('eps', make).en == 'TypeError: something else'


def test_interruption_passes_through() -> None:
    def interrupt(X: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        oracle.compare(odd(interrupt))


def test_random_numbers_stay_as_they_are() -> None:
    noisy = odd(lambda X: torch.randn(X.shape))
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    oracle.compare(noisy)
    assert torch.equal(torch.rand(3), want)


def test_compare_gives_the_same_twice() -> None:
    assert oracle.compare(BatchNorm) == oracle.compare(BatchNorm)


def test_compare_works_without_gradients_and_leaves_the_mode() -> None:
    with torch.no_grad():
        assert failed(BatchNorm) == set()
        assert not torch.is_grad_enabled()


def test_layer_that_turns_gradients_off_spoils_no_other_column() -> None:
    def off(X: Tensor) -> None:
        torch.set_grad_enabled(False)

    judge('train_output', odd(off))
    assert torch.is_grad_enabled()


class Reader(HTMLParser):
    """Reads a table's cells, and whether each tag is closed in turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.rows: list[list[dict[str, str]]] = []
        self.lang = ''
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags[tag] += 1
        self.lang = dict(attrs).get('lang', '')
        if tag == 'tr':
            self.rows.append([])
        elif tag in ('td', 'th'):
            self.rows[-1].append({})

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.lang = ''

    def handle_data(self, data: str) -> None:
        cell = self.rows[-1][-1]
        cell[self.lang] = cell.get(self.lang, '') + data


@pytest.fixture(scope='module')
def results() -> dict[str, list[oracle.Verdict]]:
    return {
        'simple <b>': oracle.compare(TAUGHT['the lecture'].make),
        'mended': oracle.compare(BatchNorm),
    }


def test_html_is_a_table_in_both_languages(results: Any) -> None:
    html = oracle.table(results)._repr_html_()
    page = Reader(html)
    assert page.open == []
    assert page.tags['table'] == page.tags['thead'] == page.tags['tbody'] == 1
    assert {len(row) for row in page.rows} == {4}
    head, *rows = page.rows
    assert head == [
        {}, {'zh': '容差', 'en': 'allowed'},
        {'': 'simple <b>'}, {'': 'mended'},
    ]  # fmt: skip
    columns = oracle.COLUMNS
    assert [row[0] for row in rows] == [
        {'': c.zh} if c.zh == c.en else {'zh': c.zh, 'en': c.en}
        for c in columns
    ]
    assert [float(row[1]['']) for row in rows] == [
        c.tolerance for c in columns
    ]
    assert all(row[3] == {'zh': '✓ 一致', 'en': '✓ ok'} for row in rows)
    told = dict(zip(COLUMNS, (row[2] for row in rows), strict=True))
    assert told['train_output'] == {'zh': '✓ 一致', 'en': '✓ ok'}
    assert told['eps'] == {
        'zh': '✗ 不一致：没有参数eps', 'en': '✗ fails: no argument eps',
    }  # fmt: skip
    assert told['moving_var']['zh'].startswith('✗ 差8.')
    assert told['moving_var']['en'].startswith('✗ off 8.')


def test_html_sets_no_colour_of_text_and_only_a_tint_behind_it(
    results: Any,
) -> None:
    """The theme, light or dark, keeps its own contrast."""
    html = oracle.table(results)._repr_html_()
    styles = html.split('style="')[1:]
    told = {part.split('"')[0] for part in styles}
    colours = {
        rule.partition(':')[2]
        for style in told
        for rule in style.split(';')
        if 'text-align' not in rule
    }
    assert len(colours) == 2
    assert all(len(c) == len('#rrggbbaa') and c[-2:] == '33' for c in colours)


def test_html_escapes_what_a_layer_raises() -> None:
    def angry(X: Tensor) -> None:
        raise ValueError('<script>&')

    html = oracle.table({'x': oracle.compare(odd(angry))})._repr_html_()
    assert '&lt;script&gt;&amp;' in html
    assert '<script' not in html


@pytest.mark.parametrize(
    ('language', 'ok', 'off', 'missing'),
    [
        ('zh', '✓ 一致', '✗ 差', '参数eps: 没有参数eps'),
        ('en', '✓ ok', '✗ off', 'argument eps: no argument eps'),
        (
            'both',
            '✓ 一致 · ✓ ok',
            '✗ 差',
            '参数eps · argument eps: 没有参数eps · no argument eps',
        ),
    ],
)
def test_plain_table_is_in_the_readers_language(
    results: Any,
    language: str,
    ok: str,
    off: str,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lang, '_chosen', language)
    head, *lines = repr(oracle.table(results)).splitlines()
    assert head.split() == ['simple', '<b>', 'mended']
    assert lines[0].endswith(ok)
    assert lines[0].count(ok) == 2
    assert sum(off in line for line in lines) > 3
    assert f'simple <b>, {missing}' in lines


def test_plain_table_stands_in_columns(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lang, '_chosen', 'zh')
    head, *lines = repr(oracle.table(results)).splitlines()
    # A Chinese character is as wide as two letters.
    wide = [
        ''.join(c * (1 + ('\u2e80' <= c <= '\uffef')) for c in line)
        for line in [head, *lines[: len(PROMISED)]]
    ]
    start = wide[0].index('mended')
    assert {line[start - 2 : start] for line in wide} == {'  '}
    assert {line[start] for line in wide[1:]} == {'✓'}


def test_table_needs_a_layer() -> None:
    with pytest.raises(ValueError, match=r'at least one layer, as in table\('):
        oracle.table({})
