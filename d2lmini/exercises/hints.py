"""Hints for mistakes in what `batch_norm` pools, and when it remembers.

Each says what to look at, and leaves the mending to the learner.
"""

Hint = tuple[str, str, str]  # the mistake's key, Chinese, English

# Of two mistakes made at once, the upper one is named.
HINTS: tuple[Hint, ...] = (
    (
        'returns_swapped',
        '数都出现了，只是不在该在的位置。返回的三样，次序是什么？',
        'The numbers are all there, but not in their places. In which order '
        'are the three returned?',
    ),
    (
        'no_keepdim',
        '打印均值的形状：求均值时去掉的轴还在不在？和`X`相减时，它从最后一轴'
        '开始对齐，对上的是通道吗？',
        'Print the shape of the mean: are the axes that were averaged still '
        'there? Subtracted from `X`, it is lined up from the last axis on: '
        'is that the channel?',
    ),
    (
        'axes_batch_only',
        '对`(N, C, H, W)`只沿样本求了均值，每个位置各有一个。一个通道里的各个'
        '位置是同一个卷积核算出来的，该分开算吗？',
        'For `(N, C, H, W)` the mean is over examples only, one for each '
        'position. All positions of a channel come from one kernel: should '
        'they be kept apart?',
    ),
    (
        'axes_one_example',
        '每个样本用了自己的均值。数一数你的均值：该有`C`个，你有`N*C`个。'
        '“批量”在哪里？',
        'Each example has a mean of its own. Count your means: there should '
        'be `C`, and there are `N*C`. Where is the batch?',
    ),
    (
        'axes_example',
        '均值是在一个样本里面、跨着通道求的，像层归一化。批量归一化里，哪些数'
        '共用一个均值？',
        'The mean is taken inside an example, across channels, as in layer '
        'normalization. Which numbers share a mean in batch normalization?',
    ),
    (
        'axes_channels',
        '你把第1轴平均掉了。`X`的第1轴是什么？求完均值，该留下的是哪个轴？',
        'Axis 1 is averaged away. What is axis 1 of `X`? Which axis should '
        'be left when the mean is taken?',
    ),
    (
        'axes_all',
        '整个`X`只有一个均值。两个特征的单位可以差一千倍，它们能共用一个均值'
        '吗？',
        'There is a single mean for all of `X`. Two features may differ in '
        'unit by a factor of a thousand: can they share a mean?',
    ),
    (
        'axes_last',
        '最后一轴留了下来。PyTorch的图像是`(N, C, H, W)`，通道在哪个轴？',
        'The last axis is the one that is left. In PyTorch images have the '
        'shape `(N, C, H, W)`: which axis is the channel?',
    ),
    (
        'axes_rows',
        '一张图有两个方向，你只沿一个求了均值。`(N, C, H, W)`里，除了通道还有'
        '几个轴？',
        'An image has two directions, and the mean is over one of them. How '
        'many axes does `(N, C, H, W)` have besides the channel?',
    ),
    (
        'axes_columns',
        '一张图有两个方向，你只沿一个求了均值。`(N, C, H, W)`里，除了通道还有'
        '几个轴？',
        'An image has two directions, and the mean is over one of them. How '
        'many axes does `(N, C, H, W)` have besides the channel?',
    ),
    (
        'always_trains',
        '训练模式和评估模式，你的代码做得一模一样。它看过现在是哪个模式吗？',
        'Your code does the same in training mode and in evaluation mode. '
        'Does it ever look at which one it is?',
    ),
    (
        'gradients_mode',
        '梯度开着和关着，你的代码做的事不一样。可是梯度和模式是两件事：预测'
        '时也可能要对输入求梯度。现在是哪个模式，该看什么？',
        'Your code does one thing with gradients on and another with '
        'gradients off. But gradients and the mode are two things: '
        'prediction may need the gradient to the input too. What says '
        'which mode it is?',
    ),
    (
        'mode_reversed',
        '两个模式好像对调了。看看`if`的两支，哪一支该算这一批的统计量？',
        'The two modes seem to have changed places. Look at the two branches '
        'of your `if`: which one should use the statistics of the batch?',
    ),
    (
        'moving_in_training',
        '训练模式也用移动平均去归一化了。把`gamma`设成1、`beta`设成0，训练时'
        '`Y`在每个通道的均值该是几？你的是几？',
        'Training mode normalizes by the moving averages too. With `gamma` 1 '
        'and `beta` 0, what should the mean of a channel of `Y` be in '
        'training, and what is yours?',
    ),
    (
        'updated_in_training',
        '训练时，归一化用的是刚更新过的移动平均。更新是为了以后；眼下这一批，'
        '该减去谁的均值？',
        'Training normalizes by the moving averages just updated. The update '
        'is for later: whose mean should this batch have subtracted?',
    ),
    (
        'batch_in_eval',
        '评估模式用了这一批自己的统计量。要是只来一个样本，它的统计量从哪里'
        '来？',
        'Evaluation mode uses the statistics of the batch itself. If a '
        'single example comes, where would its statistics come from?',
    ),
    (
        'remembers_in_eval',
        '评估模式下，移动平均也变了。测试数据该不该影响以后的预测？',
        'The moving averages change in evaluation mode too. Should test data '
        'have an influence on later predictions?',
    ),
    (
        'not_remembered',
        '训练了一步，移动平均还和原来一样。算出来的新值去哪里了？',
        'After a step of training the moving averages are what they were. '
        'Where does the new value go?',
    ),
    (
        'replaced',
        '移动平均成了这一批的统计量，以前的全忘了。`momentum`在哪里起作用？',
        'The moving averages are the statistics of this batch, and the past '
        'is gone. Where does `momentum` come in?',
    ),
    (
        'forgets_nothing',
        '新值加上去了，旧值却没有变轻。新旧两个权重加起来该是几？',
        'The new value is added, but the old one keeps its full weight. What '
        'should the two weights sum to?',
    ),
    (
        'momentum_reversed',
        '移动平均一步就走了太远，或者太近。`momentum=0.1`时，PyTorch的0.1是'
        '旧值的权重，还是新值的？',
        'The moving averages go too far in one step, or not far enough. With '
        "`momentum=0.1`, is PyTorch's 0.1 the weight of the old value or of "
        'the new one?',
    ),
    (
        'momentum_fixed',
        '换一个`momentum`，移动平均还是走同样远。这个参数用到了吗？',
        'With another `momentum` the moving averages go just as far. Is the '
        'argument used?',
    ),
)
