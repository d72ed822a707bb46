"""The suspects of the bug hunt in notebook 11: each has one fault.

The notebook shows what each of them does, and lets one guess before it tells.
A suspect is the right layer with a few words of its source changed.
"""

import inspect
from difflib import ndiff
from typing import Any

from d2lmini import norm

_SOURCES: dict[int, str] = {}  # of the suspects, by number


def suspect(number: int, *changes: tuple[str, str]) -> type[norm.BatchNorm]:
    """Return `BatchNorm` as another class, with (old, new) words."""
    source = inspect.getsource(norm)
    for old, new in changes:
        if old not in source:
            raise LookupError(f'suspect {number}: norm.py has no {old!r}')
        source = source.replace(old, new)
    _SOURCES[number] = source
    names: dict[str, Any] = {'__name__': __name__}
    exec(source, names)
    # A class of its own, in whose help and source there is nothing to read.
    own = {'__doc__': 'A suspect.', '__module__': __name__}
    return type(f'Broken{number}', (names['BatchNorm'],), own)


def changes(number: int) -> str:
    """Return the lines in which a suspect differs from the right layer.

    Parameters
    ----------
    number : int

    Returns
    -------
    str, a line each: '- ' before what is right, '+ ' before what it has
    """
    right, source = inspect.getsource(norm), _SOURCES[number]
    found = ndiff(right.splitlines(), source.splitlines())
    return '\n'.join(line for line in found if line.startswith(('-', '+')))


VAR = '(centered**2).mean(dim=dims, keepdim=True)'
MEAN_BUFFER = "'moving_mean', torch.zeros(shape)"
VAR_BUFFER = "'moving_var', torch.ones(shape)"
DIMS = '[d for d in range(X.dim()) if d != 1]'
SCALE = '    scale = gamma /'

Broken1 = suspect(1, ('torch.sqrt(var + eps)', '(torch.sqrt(var) + eps)'))
Broken2 = suspect(
    2,
    (SCALE, f'    var = var * n / (n - 1) if training else var\n{SCALE}'),
)
Broken3 = suspect(
    3,
    ('if self.training:', 'if True:'),
    ('if training:', 'if True:'),
    ('keepdim=True) if training else moving_mean', 'keepdim=True)'),
    ('n / (n - 1)', 'n / max(1, n - 1)'),
    (
        SCALE,
        '    if not training:\n'
        f'        centered, var = x - moving_mean, moving_var\n{SCALE}',
    ),
)
Broken4 = suspect(
    4,
    ('mean = x.mean(', 'mean = x.detach().mean('),
    (VAR, f'{VAR}.detach()'),
)
Broken5 = suspect(
    5, ('            momentum,\n', '            1 - momentum,\n')
)
Broken6 = suspect(
    6,
    (DIMS, '[0] if X.dim() == 2 else [2, 3]'),
    ('momentum * mean', 'momentum * mean.mean(dim=0, keepdim=True)'),
    ('momentum * unbiased', 'momentum * unbiased.mean(dim=0, keepdim=True)'),
)
Broken7 = suspect(7, (VAR, '(x**2).mean(dim=dims, keepdim=True) - mean**2'))
Broken8 = suspect(8, (VAR_BUFFER, "'moving_var', torch.zeros(shape)"))
Broken9 = suspect(
    9,
    (MEAN_BUFFER, f'{MEAN_BUFFER}, persistent=False'),
    (VAR_BUFFER, f'{VAR_BUFFER}, persistent=False'),
)
Broken10 = suspect(
    10,
    ('with torch.no_grad():', 'if True:'),
    ('_mean.copy_(mean)', '_mean = mean.to(self.moving_mean.dtype)'),
    ('_var.copy_(var)', '_var = var.to(self.moving_var.dtype)'),
)
