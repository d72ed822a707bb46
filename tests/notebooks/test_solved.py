"""A solved copy holds what the answers need, and what needs them."""

import pytest
from solved import names, needed

LESSON = [
    'import torch',  # 0
    'def mean(X):\n    return X.sum() / n',  # 1
    'n = 3',  # 2
    'results = {}',  # 3
    'X = torch.ones(n)',  # 4
    'for seed in range(2):\n    results[seed] = seed',  # 5
    'y = 2 * X',  # 6
    'X = X + 1',  # 7
    'answer = lambda: mean(X)',  # 8
    'print(results[0])',  # 9
    'print(answer())',  # 10
    'print([X for X in results])',  # 11
]


@pytest.mark.parametrize(
    ('answers', 'want'),
    [
        ({8}, {0, 1, 2, 4, 7, 8, 10}),  # X is changed on its way
        ({6}, {0, 2, 4, 6}),  # before X is changed
        ({9}, {3, 5, 9}),  # written into
        ({11}, {3, 5, 11}),  # its own X, in a comprehension
        ({2}, {0, 2, 4}),  # what uses it is run with it
        (set(), set()),
    ],
)
def test_the_cells_that_are_kept(answers: set[int], want: set[int]) -> None:
    found = needed(LESSON, answers)
    assert found == want


@pytest.mark.parametrize(
    ('source', 'sets', 'reads'),
    [
        ('import a.b as c', {'c'}, set()),
        ('import a.b', {'a'}, set()),
        ('a = b\nc = a', {'a', 'c'}, {'b'}),
        ('a = a + 1', {'a'}, {'a'}),
        ('a += 1', {'a'}, set()),
        ('def f(x, y=z):\n    w = x\n    return w + v', {'f'}, {'z', 'v'}),
        ('for i, j in pairs:\n    k = i', {'i', 'j', 'k'}, {'pairs'}),
        ('class A(B):\n    c = d', {'A'}, {'B', 'd'}),
    ],
)
def test_the_names_of_a_cell(
    source: str, sets: set[str], reads: set[str]
) -> None:
    found = names(source)
    assert (found.sets, found.reads) == (sets, reads)
