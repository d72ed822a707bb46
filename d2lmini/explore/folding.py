"""Folding: by what it multiplies a channel's weights, and a slider over it."""

import math
from dataclasses import dataclass

from d2lmini.explore.replay import check
from d2lmini.explore.slide import Caption, Slide
from d2lmini.explore.slider import Slider
from d2lmini.show.plots import Moving, lines

STEPS = 127  # of 8-bit whole numbers, to either side of 0
VARIANCES = [10 ** (k / 8) for k in range(-80, 17)]


@dataclass
class Folded:
    """What folding makes of the weights of a channel."""

    gain: float  # what multiplies them
    most: float  # the same where the variance is 0
    steps: float  # of a scale shared with a weight of 1, and left to that


def folded(var: float, eps: float, gamma: float = 1.0) -> Folded:
    """Fold batch norm into a channel's weights.

    Parameters
    ----------
    var : float, at least 0, the running variance
    eps : float, above 0
    gamma : float

    Returns
    -------
    Folded

    Raises
    ------
    ValueError : out of these ranges
    """
    check('var', var, 0 <= var < math.inf, 'at least 0')
    check('eps', eps, 0 < eps < math.inf, 'above 0')
    gain = gamma / math.sqrt(var + eps)
    return Folded(gain, gamma / math.sqrt(eps), STEPS / max(1, abs(gain)))


def folding() -> Slide:
    """Explore how large folding makes the weights, by `folded`."""
    canvas = Moving(
        lines(
            {'this eps': None, 'your channel': None},
            dots={'your channel': 7},
            log='xy',
            x='running variance of the channel',
            y='factor on its weights',
            xlim=(VARIANCES[0], VARIANCES[-1]),
            ylim=(0.05, 2e5),
            hlines={'stays as it is': 1},
        )
    )

    def frame(var: float, eps: float) -> Caption:
        seen = folded(var, eps)
        gains = [folded(each, eps).gain for each in VARIANCES]
        canvas.set('this eps', VARIANCES, gains)
        canvas.set('your channel', [var], [seen.gain])
        zh = (
            '横轴：通道的移动方差；纵轴：并进去时权重乘几（gamma取1）。'
            f'方差{var:g}，eps={eps:g}：乘<b>{seen.gain:.4g}</b>'
            f'，方差再小也不会超过{seen.most:.4g}。'
            '各通道的权重原来都是1、合用一个8位刻度时，增益为1的通道在'
            f'{STEPS}级里还剩{seen.steps:.3g}级。'
        )
        en = (
            'Across: the running variance of a channel; up: what multiplies '
            'its weights when batch norm is folded (gamma is 1). '
            f'Variance {var:g}, eps={eps:g}: <b>{seen.gain:.4g}</b>, and '
            f'at most {seen.most:.4g} however small the variance. If all '
            'weights were 1 and share one 8-bit scale, a channel of gain 1 '
            f'has {seen.steps:.3g} of {STEPS} steps left.'
        )
        return zh, en

    return Slide(
        canvas,
        frame,
        'The factor falls with the variance along a line of slope -1/2, and '
        'is flat where the variance is below eps; a square is your channel',
        var=Slider(0.01, 1e-10, 100, 0.125, log=True),
        eps=Slider(1e-5, 1e-8, 1, 0.25, log=True),
    )
