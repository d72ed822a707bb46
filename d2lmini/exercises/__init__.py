"""The checks of the exercises at the end of the lessons.

Each is called with the learner's answer and returns a `Report`. Lesson 03
has more of them in `d2lmini.exercises.check`.
"""

from d2lmini.exercises.check import check_batch_norm, check_BatchNorm
from d2lmini.exercises.turn_average import check_replay, check_warm
from d2lmini.exercises.turn_backward import (
    check_conv_backward,
    check_remember_var,
)
from d2lmini.exercises.turn_bias import check_without_bias
from d2lmini.exercises.turn_concise import (
    check_momentum_to_torch,
    check_norm_for,
)
from d2lmini.exercises.turn_convert import check_to_torch_state
from d2lmini.exercises.turn_equations import (
    check_statistics,
    check_undo,
    check_x_hat,
)
from d2lmini.exercises.turn_freeze import check_freeze_norms
from d2lmini.exercises.turn_gradients import check_gradient_norms
from d2lmini.exercises.turn_modes import (
    check_accuracy_of,
    check_still_training,
)
from d2lmini.exercises.turn_momentum import check_half_life, check_largest_eps
from d2lmini.exercises.turn_motivation import (
    check_relative_update,
    check_share,
)
from d2lmini.exercises.turn_optimizer import (
    check_decay_groups,
    check_frozen_sgd,
)
from d2lmini.exercises.turn_refresh import check_refresh

__all__ = [
    'check_BatchNorm',
    'check_accuracy_of',
    'check_batch_norm',
    'check_conv_backward',
    'check_decay_groups',
    'check_freeze_norms',
    'check_frozen_sgd',
    'check_gradient_norms',
    'check_half_life',
    'check_largest_eps',
    'check_momentum_to_torch',
    'check_norm_for',
    'check_refresh',
    'check_relative_update',
    'check_remember_var',
    'check_replay',
    'check_share',
    'check_statistics',
    'check_still_training',
    'check_to_torch_state',
    'check_undo',
    'check_warm',
    'check_without_bias',
    'check_x_hat',
]
