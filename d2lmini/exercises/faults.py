"""Batch normalization with faults: what learners' code is held against.

Each fault is a word of mistakes.py; code with several makes them all.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Three = tuple[Tensor, Tensor, Tensor]
Has = Callable[[str], bool]
Moments = tuple[Tensor, Tensor, Tensor]  # mean, biased, unbiased variance

# Which axes are averaged, in (N, C) and in (N, C, H, W).
AXES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    'axes_batch_only': ((0,), (0,)),
    'axes_one_example': ((0,), (2, 3)),
    'axes_example': ((1,), (1, 2, 3)),
    'axes_channels': ((1,), (1,)),
    'axes_all': ((0, 1), (0, 1, 2, 3)),
    'axes_last': ((0,), (0, 1, 2)),
    'axes_rows': ((0,), (0, 2)),
    'axes_columns': ((0,), (0, 3)),
}
RIGHT_AXES = ((0,), (0, 2, 3))


def faulty_batch_norm(faults: Iterable[str]) -> Callable[..., Three]:
    """Return a `batch_norm` with the faults named.

    Parameters
    ----------
    faults : words; without any it is right
    """
    has = frozenset(faults).__contains__

    def batch_norm(
        X: Tensor,
        gamma: Tensor,
        beta: Tensor,
        moving_mean: Tensor,
        moving_var: Tensor,
        eps: float,
        momentum: float,
        training: bool,
    ) -> Three:
        training = _mode(has, training)
        n = len(X) if has('one_image') else X.numel() // X.shape[1]
        refuses = training or has('one_value_in_eval')
        if refuses and n < 2 and not has('one_value'):
            raise ValueError('one value a channel')
        mean, var, old = moving_mean, moving_var, (moving_mean, moving_var)
        eps = 1e-5 if has('eps_fixed') else eps
        computes = training or has('remembers_in_eval')
        if computes or has('batch_in_eval'):
            moments = _moments(has, X)
            if computes and not _forgets(has):
                moving_mean, moving_var = _remember(
                    has, old, moments, momentum, eps
                )
            if not training and not has('batch_in_eval'):
                pass
            elif has('moving_in_training'):
                mean, var = old
            elif has('updated_in_training'):
                mean, var = moving_mean, moving_var
            else:
                mean, var = _normalizers(has, moments)
        elif has('std_squared'):
            var = var**2  # consistent, and still not torch's
        Y = _affine(has, _standardize(has, X, mean, var, eps), gamma, beta)
        if has('cut_all'):
            Y = Y.detach()
        if has('returns_swapped'):
            moving_mean, moving_var = moving_var, moving_mean
        return Y, moving_mean, moving_var

    return batch_norm


def _forgets(has: Has) -> bool:
    no_gradients = not torch.is_grad_enabled()
    return has('not_remembered') or (
        has('remembers_with_gradients') and no_gradients
    )


def _mode(has: Has, training: bool) -> bool:
    gradients = torch.is_grad_enabled()
    if has('gradients_mode'):
        return gradients
    if has('mode_and_gradients'):
        return training and gradients
    if has('mode_or_gradients'):
        return training or gradients
    if has('always_trains'):
        return True
    return not training if has('mode_reversed') else training


def _moments(has: Has, X: Tensor) -> Moments:
    named = [AXES[word] for word in AXES if has(word)]
    flat, images = named[0] if named else RIGHT_AXES
    dims = flat if X.dim() == 2 else images
    keep = not has('no_keepdim')
    mean = X.mean(dims, keepdim=keep)
    centre = X.mean(dims, keepdim=True)
    n = math.prod(X.shape[d] for d in dims)
    if has('cancels'):
        biased = (X**2).mean(dims, keepdim=keep) - mean**2
    elif has('var_not_centred'):
        biased = (X**2).mean(dims, keepdim=keep)
    elif has('var_summed'):
        biased = ((X - centre) ** 2).sum(dims, keepdim=keep)
    else:
        biased = ((X - centre) ** 2).mean(dims, keepdim=keep)
    n = len(X) if has('counts_examples') else n
    return mean, biased, biased * n / max(1, n - 1)


def _normalizers(has: Has, moments: Moments) -> tuple[Tensor, Tensor]:
    mean, biased, unbiased = moments
    var = unbiased if has('unbiased_normalizes') else biased
    if has('cut_gradient') or has('cut_mean'):
        mean = mean.detach()
    if has('cut_gradient') or has('cut_var'):
        var = var.detach()
    return mean, var


def _remember(
    has: Has,
    old: tuple[Tensor, Tensor],
    moments: Moments,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor]:
    mean, biased, unbiased = moments
    var = biased if has('biased_remembered') else unbiased
    if has('std_remembered'):
        var = var.sqrt()
    if has('eps_remembered'):
        var = var + eps
    momentum = 0.1 if has('momentum_fixed') else momentum
    momentum = 1 - momentum if has('momentum_reversed') else momentum
    past = 1 - momentum
    if has('forgets_nothing'):
        past = 1.0
    if has('replaced'):
        past, momentum = 0.0, 1.0
    if has('in_place'):
        with torch.no_grad():
            for kept, now in zip(old, (mean, var), strict=True):
                kept.mul_(past).add_(momentum * now)
        return old
    pasts = 1.0 if has('forgets_no_mean') else past, past
    new = [
        weight * kept + momentum * now
        for weight, kept, now in zip(pasts, old, (mean, var), strict=True)
    ]
    if not has('keeps_graph'):
        new = [each.detach() for each in new]
    return new[0], new[1]


def _standardize(
    has: Has, X: Tensor, mean: Tensor, var: Tensor, eps: float
) -> Tensor:
    if not has('mean_left'):
        X = X - mean
    if has('not_rooted'):
        return X / (var + eps)
    if has('eps_outside'):
        return X / (var.sqrt() + eps)
    if has('eps_missing'):
        return X / var.sqrt()
    if has('eps_twice'):
        return X / (torch.sqrt(var + eps) + eps)
    if has('eps_least'):
        return X / torch.sqrt(var.clamp(min=eps))
    return X / torch.sqrt(var + eps)


def _affine(has: Has, X_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    if has('cut_gamma'):
        gamma = gamma.detach()
    if has('cut_beta'):
        beta = beta.detach()
    if has('swapped'):
        return beta * X_hat + gamma
    if has('no_gamma_beta'):
        return X_hat
    if has('no_gamma'):
        return X_hat + beta
    if has('no_beta'):
        return gamma * X_hat
    if has('beta_inside'):
        return gamma * (X_hat + beta)
    return gamma * X_hat + beta
