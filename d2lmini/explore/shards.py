"""How many workers, how many images for each: noise, and bytes to send."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from d2lmini.explore.replay import check
from d2lmini.explore.slide import Caption, Slide
from d2lmini.explore.slider import Slider
from d2lmini.norm import BatchNorm
from d2lmini.show.plots import Moving, lines

MOST = 64  # workers
FLOAT = 4  # bytes


@dataclass
class Step:
    """What a step on several workers is like."""

    own: float  # noise of a worker's own means, in standard deviations
    pooled: float  # the same, of the means of all workers' images
    gradients: float  # bytes that each worker sends
    statistics: float  # the same, where they are synchronized


class Shards:
    """The noise of batch means on several workers, and what a step sends.

    Parameters
    ----------
    net : nn.Module with `BatchNorm` layers, left as it is
    X : images (N, ...), N >= 2, that the noise is estimated from
    """

    def __init__(self, net: nn.Module, X: Tensor) -> None:
        layers = [m for m in net.modules() if isinstance(m, BatchNorm)]
        seen: list[Tensor] = []  # a channel's share of the variance, by layer

        def look(_: nn.Module, given: tuple[Tensor]) -> None:
            Z = given[0].unsqueeze(-1).flatten(2)  # (N, C, places)
            between = Z.mean(dim=2).var(dim=0)
            seen.append(between / Z.var(dim=(0, 2), correction=0))

        hooks = [layer.register_forward_pre_hook(look) for layer in layers]
        modes = {module: module.training for module in net.modules()}
        try:
            with torch.no_grad():
                net.eval()(X)
        finally:
            for module, training in modes.items():
                module.training = training
            for hook in hooks:
                hook.remove()
        self.one = float(torch.cat(seen).mean().sqrt())  # of one image
        self.numbers = sum(p.numel() for p in net.parameters())
        self.channels = sum(layer.gamma.numel() for layer in layers)

    def step(self, workers: int, images: int) -> Step:
        """Return what a step is like.

        Images are drawn independently, so that noise falls as one over the
        square root of their number. Sums go round in a ring: each worker
        sends 2 (workers - 1) / workers times what there is to sum up.

        Parameters
        ----------
        workers : int, 1 to 64
        images : int, at least 1, for each worker

        Raises
        ------
        ValueError : another number
        """
        check('workers', workers, 1 <= workers <= MOST, f'in [1, {MOST}]')
        check('images', images, images >= 1, 'at least 1')
        ring = 2 * (workers - 1) / workers * FLOAT
        return Step(
            self.one / images**0.5,
            self.one / (workers * images) ** 0.5,
            ring * self.numbers,
            ring * 4 * self.channels,  # two numbers each, there and back
        )


def shards(costs: Shards) -> Slide:
    """Explore the number of workers and of images for each.

    Parameters
    ----------
    costs : Shards

    Returns
    -------
    Slide of `workers` and `images`; numbers by `Shards.step`
    """
    at = [2**k for k in range(7)]
    sent = [costs.step(n, 1) for n in at[1:]]
    canvas = Moving(
        lines(
            {'own': None, 'synchronized': None, 'now': None},
            dots={'now': 7},
            log='xy',
            x='workers',
            y='noise of the mean, in std',
            xlim=(0.9, 1.1 * MOST),
            ylim=(0.5 * costs.step(MOST, 256).pooled, 2 * costs.one),
        ),
        lines(
            {
                'gradients': [step.gradients / 1000 for step in sent],
                'statistics': [step.statistics / 1000 for step in sent],
                'now': None,
            },
            at=at[1:],
            dots={'now': 7},
            log='xy',
            x='workers',
            y='kB sent by each, per step',
            xlim=(0.9, 1.1 * MOST),
            ylim=(1, None),
        ),
    )

    def frame(workers: int, images: int) -> Caption:
        steps = [costs.step(n, images) for n in at]
        seen = costs.step(workers, images)
        canvas.set('own', at, [step.own for step in steps])
        canvas.set('synchronized', at, [step.pooled for step in steps])
        canvas.set('now', [workers] * 2, [seen.own, seen.pooled])
        kB = [seen.gradients / 1000, seen.statistics / 1000]
        canvas.set('now', [workers] * 2, kB, panel=1)
        zh = (
            '左图：均值的噪声；右图：每个进程每步要发的千字节。'
            f'{workers}个进程，各{images}张：噪声，不同步<b>{seen.own:.3f}</b>，'
            f'同步<b>{seen.pooled:.3f}</b>；要发的，梯度{kB[0]:.0f} kB，'
            f'统计量{kB[1]:.1f} kB。'
        )
        en = (
            'Left: noise of the mean; right: what each worker sends per step. '
            f'{workers} workers, {images} images each: noise '
            f'<b>{seen.own:.3f}</b> with own statistics, '
            f'<b>{seen.pooled:.3f}</b> synchronized; sent, {kB[0]:.0f} kB '
            f'for gradients and {kB[1]:.1f} kB for statistics.'
        )
        return zh, en

    return Slide(
        canvas,
        frame,
        'Left: the noise of own statistics does not depend on the number of '
        'workers, synchronized it falls; right: gradients are far more '
        'bytes than statistics',
        workers=Slider(8, 1, MOST),
        images=Slider(4, 1, 256),
    )
