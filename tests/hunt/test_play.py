"""Guesses are answered by experiment, fixes judged by what they do."""

from collections.abc import Iterator

import nbformat
import pytest
from solved import solve, tasks
from test_broken import BOOK, EACH, NUMBERS, PATH, lesson, line, puzzle

from d2lmini import hunt
from d2lmini.hunt import play
from d2lmini.hunt.broken import PUZZLES
from d2lmini.show import lang


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hunt in English, and forget what was found."""
    monkeypatch.setattr(lang, '_chosen', 'en')
    yield
    for memory in (play._symptoms, play._guessed, play._fixed):
        memory.clear()


def show(number: int) -> None:
    hunt.show(number, lesson()[f'symptom_{number}'])


Capture = pytest.CaptureFixture[str]


# A symptom, and a guess.


def test_the_symptom_is_shown_broken_and_right(capsys: Capture) -> None:
    show(2)
    assert capsys.readouterr().out == f'✗ {line(2, "F")}\n✓ {line(2, "")}\n'


@EACH
def test_a_cell_that_is_not_answered_says_nothing(
    number: int, capsys: Capture
) -> None:
    hunt.guess(number, '?')
    assert hunt.fix(number, '...', '...') is None
    assert capsys.readouterr().out == '' and not play._guessed


@EACH
def test_each_letter_is_answered_by_what_it_shows(
    number: int, capsys: Capture
) -> None:
    show(number)
    for letter in puzzle(number).causes:
        capsys.readouterr()
        hunt.guess(number, letter.lower())
        told, seen = capsys.readouterr().out, line(number, letter)
        if letter == puzzle(number).letter:
            assert told.startswith(f'✓ {letter}.') and '"""' not in told
            fault = hunt.diff(number).splitlines()
            lines = [each[2:] for each in fault if each.startswith('- ')]
            assert all(each in told for each in lines)
        elif seen == line(number, ''):
            assert told.startswith(f'✗ Not {letter}: it has no symptom')
        else:
            assert told.startswith(f'✗ Not {letter}, which')
            assert told.endswith(f'\n{letter} {seen}\n')


def test_a_guess_needs_a_letter_and_a_symptom(capsys: Capture) -> None:
    hunt.guess(16, 'C')
    show(16)
    capsys.readouterr()
    for letter in ('E', '', 'AB', '1'):
        hunt.guess(16, letter)
        assert 'choose A to D' in capsys.readouterr().out
    assert not play._guessed
    with pytest.raises(ValueError, match='must be 1 to 17, got 0'):
        hunt.guess(0, 'A')


def test_a_symptom_that_raises_is_told(capsys: Capture) -> None:
    hunt.show(1, lambda Layer: 1 / 0)
    assert capsys.readouterr().out.count('ZeroDivisionError') == 2


def test_both_languages_say_it(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lang, '_chosen', 'zh')
    show(17)
    capsys.readouterr()
    hunt.guess(17, 'A')
    hunt.guess(17, 'D')
    hunt.guess(17, 'C')
    told = capsys.readouterr().out
    assert '✗ 不是A' in told and '✗ 不是D：它在这里没有症状' in told
    assert '✓ 是C。坏的代码' in told


# A fix.

_BLOCK = """        unbiased = var * n / (n - 1)
        moving_mean = (1 - momentum) * moving_mean + momentum * mean
        moving_var = (1 - momentum) * moving_var + momentum * unbiased
"""
_UNDER = '        with torch.no_grad():\n' + _BLOCK.replace(
    '    ' * 2, '    ' * 3
)
RIGHT: dict[int, list[tuple[str, ...]]] = {
    1: [('(torch.sqrt(var) + eps)', '(var + eps) ** 0.5'),
        ('gamma / (torch.sqrt(var) + eps)', 'gamma * (var + eps).rsqrt()')],
    2: [(' * n / (n - 1) if training else var', ''),
        ('(n - 1) if', 'n if'),
        ('    var = var * n / (n - 1) if training else var\n', '')],
    3: [('if n > 1:', 'if training:'), ('n > 1', 'training and n > 1'),
        ('if n > 1:', 'momentum = momentum * training\n    if n > 1:')],
    4: [('x.detach()', 'x', 'keepdim=True).detach()', 'keepdim=True)'),
        ('.detach()', '')],
    5: [('n = values', 'momentum = 1 - momentum\n    n = values'),
        ('momentum * moving_mean + (1 - momentum) * mean',
         'moving_mean + momentum * (mean - moving_mean)',
         'momentum * moving_var + (1 - momentum) * unbiased',
         'torch.lerp(moving_var, unbiased, momentum)')],
    6: [('[2, 3]', '(0, 2, 3)'),
        ('[0] if X.dim() == 2 else [2, 3]', '[0, *range(2, X.dim())]')],
    7: [('(x**2).mean(dim=dims, keepdim=True) - mean**2',
         'x.var(dim=dims, keepdim=True, correction=0)'),
        ('x**2', '(x - mean) ** 2', ' - mean**2', '')],
    8: [("_var', torch.zeros(shape)", "_var', torch.ones(shape)"),
        ("_var', torch.zeros(shape)", "_var', torch.zeros(shape) + 1")],
    9: [('persistent=False', 'persistent=True'), (', persistent=False', '')],
    10: [(_BLOCK, _UNDER),
         ('momentum * mean\n', 'momentum * mean.detach()\n',
          'momentum * unbiased', 'momentum * unbiased.detach()'),
         ('= mean, var', '= mean.detach(), var.detach()')],
    11: [('    modes = {module: module.training for module in net.modules()}',
          '    modes = {m: m.training for m in net.modules()}\n'
          '    net.train(False)'),
         ('torch.no_grad():', 'torch.no_grad():\n        net.eval()')],
    12: [('net.train()', 'net.train()\n        net[:-1].eval()'),
         ('net.train()', 'head.train()'), ('        net.train()\n', ''),
         ('for X, y in batches:',
          'for X, y in batches:\n            body.eval()')],
    13: [('net.named_parameters()',
          '[*net.named_parameters(), *net.named_buffers()]'),
         ('    return ema', '    with torch.no_grad():\n'
          '        for a, b in zip(ema.buffers(), net.buffers()):\n'
          '            if b.is_floating_point():\n'
          '                a.mul_(decay).add_(b, alpha=1 - decay)\n'
          '    return ema'),
         ('    return ema',
          '    for a, b in zip(ema.buffers(), net.buffers()):\n'
          '        a.copy_(b)\n    return ema')],
    14: [('len(gamma)', 'len(gamma), eps'),
         ('    return norm', '    norm.eps = eps\n    return norm')],
    15: [('(C, C)', '(1, C)'), ('(C, C)', '(2, C)'), ('(C, C)', '(C // 2, C)'),
         ('nn.GroupNorm(C, C)', 'nn.LayerNorm(C)')],
    16: [('variances)', '(variances + (means - mean) ** 2))'),
         ('variances).sum()',
          'variances).sum() + (share * (means - mean).square()).sum()')],
    17: [('-norm.running_mean', 'bias - norm.running_mean'),
         ('norm.bias\n', 'norm.bias + gain * bias\n')],
}  # fmt: skip
FIXES = [(number, words) for number, ways in RIGHT.items() for words in ways]
WRONG: list[tuple[int, tuple[str, ...], str]] = [
    (1, ('+ eps)', ')'), '✗'),
    (1, ('torch.sqrt(var) + eps', 'torch.sqrt(var)'), 'eps'),
    (2, ('(n - 1)', 'n'), 'moving_var'),  # the memory loses it as well
    (3, ('if n > 1:', 'if n > 2:'), '✗'),
    (3, ('if n > 1:', 'if not training:'), '✗'),
    (4, ('x.detach()', 'x'), 'variance'),
    (5, ('(1 - momentum) * mean', 'momentum * mean'), 'moving_var'),
    (6, ('[2, 3]', '[0]'), '✗'),
    (7, ('- mean**2', '- mean**2 + 0'), 'digits'),
    (8, ("_var', torch.zeros", "_var', torch.empty"), '✗'),
    (9, ("zeros(shape), persistent=False", 'zeros(shape)'), 'moving_var'),
    (10, ('momentum * mean', 'momentum * mean.detach()'), 'moving_var'),
    (11, ('torch.no_grad():', 'torch.no_grad():\n        net.train()'), '✗'),
    (12, ('body.eval()', 'body.train()'), 'running_mean'),
    (12, ('optimizer.step()', 'pass'), '✗'),
    (13, ('named_parameters', 'named_buffers'), '✗'),
    (14, ('momentum=1 - momentum', 'momentum=1 - momentum, eps=1e-4'), '✗'),
    (15, ('    optimizer = ', '    net[1] = nn.Identity()\n    optimizer = '),
     'new layers'),
    (16, ('variances)', 'variances + (means - mean) ** 2)'), 'var'),
    (17, ('-norm', 'layer.bias + norm'), '✗'),
]  # fmt: skip


@pytest.mark.parametrize(('number', 'words'), FIXES)
def test_a_right_fix_passes_however_it_is_written(
    number: int, words: tuple[str, ...], capsys: Capture
) -> None:
    report = hunt.fix(number, *words)
    assert report is not None and report.ok, repr(report)
    assert capsys.readouterr().out == f'{hunt.diff(number)}\n'
    assert play._fixed == {number}


def test_each_puzzle_has_other_right_fixes() -> None:
    assert [*RIGHT] == [*NUMBERS] and all(
        len(ways) > 1 for ways in RIGHT.values()
    )
    assert {number for number, _, _ in WRONG} == {*NUMBERS}


@pytest.mark.parametrize(('number', 'words', 'told'), WRONG)
def test_a_wrong_fix_is_told_what_differs(
    number: int, words: tuple[str, ...], told: str, capsys: Capture
) -> None:
    report = hunt.fix(number, *words)
    assert report is not None and not report.ok
    assert told in repr(report) and '✗' in repr(report)
    assert capsys.readouterr().out == '' and not play._fixed


@EACH
def test_no_fix_at_all_is_wrong(number: int) -> None:
    report = hunt.fix(number, 'return', 'return')
    assert report is not None and not report.ok


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (('no such words', ''), 'No such words in the broken code'),
        (('return', 'return)'), 'Does not run: SyntaxError'),
        (('return',), 'Does not run: ValueError'),
    ],
)
def test_words_that_fix_nothing_are_told(
    words: tuple[str, ...], told: str
) -> None:
    assert told in repr(hunt.fix(17, *words))


# The score, and the lesson's own answers.


def test_the_score_says_what_to_read_again(capsys: Capture) -> None:
    assert 'again' not in repr(hunt.score()) and not hunt.score().ok
    for number, letters in ((7, 'AH'), (9, 'G'), (5, 'A'), (16, 'C')):
        show(number)
        for letter in letters:
            hunt.guess(number, letter)
    hunt.guess(7, 'B')  # afterwards: changes nothing
    hunt.fix(9, *RIGHT[9][0])
    rows = repr(hunt.score()).splitlines()
    assert rows[1:3] == [
        'writing the layer: of 4, 2 found (1 at once), 1 fixed; read 03 again',
        'momentum, eps and the start: of 3, 0 found (0 at once), 0 fixed; '
        'read 05 again',
    ]
    assert rows[5] == 'many machines: of 1, 1 found (1 at once), 0 fixed'
    monkey = hunt.score()._repr_html_()
    assert '再读第03课' in monkey


def test_the_answers_on_the_page_solve_it(capsys: Capture) -> None:
    for task in tasks(BOOK):
        names = {**lesson()}
        show(int(task.cell.id.removeprefix('turn-')))
        assert task.answers['zh'] == task.answers['en']
        exec(task.solved, names)
        assert names['report'].ok
    first = {number: [puzzle(number).letter] for number in NUMBERS}
    assert play._guessed == first and hunt.score().ok
    assert 'again' not in repr(hunt.score())


def test_the_solved_copy_holds_them() -> None:
    solved = solve(nbformat.read(PATH, 4))
    cells = [c.source for c in solved if c.id.startswith('turn-')]
    code = [source for source in cells if source.startswith('hunt.guess')]
    assert len(code) == len(PUZZLES)
    assert all('assert report.ok' in source for source in code)
