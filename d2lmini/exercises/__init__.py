"""The exercises of the lessons: what is asked, and what goes wrong in it.

Each name is called with the learner's answer and returns a `Report`, which
says whether it is right, shows the smallest case that is not, and leads on
from the mistake if it is a known one.
"""

from d2lmini.exercises.batch_norm import check_batch_norm, check_BatchNorm
from d2lmini.exercises.lesson01 import (
    check_frozen_sgd,
    check_gradient_norms,
    check_relative_update,
    check_share,
)
from d2lmini.exercises.lesson02 import (
    check_conv_backward,
    check_statistics,
    check_undo,
    check_x_hat,
)
from d2lmini.exercises.lesson03 import check_remember_var
from d2lmini.exercises.lesson04 import (
    check_momentum_to_torch,
    check_norm_for,
    check_to_torch_state,
    check_without_bias,
)
from d2lmini.exercises.lesson05 import (
    check_half_life,
    check_largest_eps,
    check_replay,
    check_warm,
)
from d2lmini.exercises.lesson06 import (
    check_accuracy_of,
    check_freeze_norms,
    check_refresh,
    check_still_training,
)
from d2lmini.exercises.lesson08 import (
    check_channel_norm,
    check_GroupNorm,
    check_RMSNorm,
)
from d2lmini.exercises.lesson09 import check_pool, check_shard, check_to_sync
from d2lmini.exercises.lesson10 import (
    check_fold,
    check_fold_before,
    check_fold_net,
    check_leftover,
)

__all__ = [
    'check_BatchNorm',
    'check_GroupNorm',
    'check_RMSNorm',
    'check_accuracy_of',
    'check_batch_norm',
    'check_channel_norm',
    'check_conv_backward',
    'check_fold',
    'check_fold_before',
    'check_fold_net',
    'check_freeze_norms',
    'check_frozen_sgd',
    'check_gradient_norms',
    'check_half_life',
    'check_largest_eps',
    'check_leftover',
    'check_momentum_to_torch',
    'check_norm_for',
    'check_pool',
    'check_refresh',
    'check_relative_update',
    'check_remember_var',
    'check_replay',
    'check_shard',
    'check_share',
    'check_statistics',
    'check_still_training',
    'check_to_sync',
    'check_to_torch_state',
    'check_undo',
    'check_warm',
    'check_without_bias',
    'check_x_hat',
]
