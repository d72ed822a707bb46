"""Hints for mistakes in the numbers of `batch_norm`, and their gradients."""

from d2lmini.exercises.hints import Hint

NUMBER_HINTS: tuple[Hint, ...] = (
    (
        'mean_left',
        '`Y`的中心不对。写下`X`变成`X_hat`的公式，分子是什么？',
        '`Y` is not centred where it should be. Write down the fraction that '
        'turns `X` into `X_hat`: what is its numerator?',
    ),
    (
        'var_not_centred',
        '方差太大了。方差是离均值有多远，再平方、求平均；你平方的是什么？',
        'The variance is too large. It is the mean of squared distances from '
        'the mean: what is it that you square?',
    ),
    (
        'var_summed',
        '方差会随着批量变大。把同样的样本抄一份接在后面，方差该不该变？',
        'Your variance grows with the batch. If the same examples are '
        'appended once more, should the variance change?',
    ),
    (
        'not_rooted',
        '把`X`乘以10，`Y`该不变，你的会变。分母和分子的单位一样吗？',
        'Multiply `X` by 10: `Y` should stay, and yours changes. Do the '
        'two sides of your division have the same unit?',
    ),
    (
        'unbiased_normalizes',
        '训练时的`X_hat`整体小了一点，批量越小差得越多。归一化时，方差除以'
        '了几？量一量`X_hat`的方差是不是1。',
        'In training `X_hat` is a little too small, the more so the '
        'smaller the batch. By what is the variance divided where it '
        'normalizes? Measure whether the variance of `X_hat` is 1.',
    ),
    (
        'std_remembered',
        '`moving_var`的单位不对。`X`乘以10，它该变成多少倍？你的变成多少倍？',
        '`moving_var` has the wrong unit. If `X` is multiplied by 10, by how '
        'much should it grow, and by how much does yours?',
    ),
    (
        'biased_remembered',
        '`Y`对，`moving_var`偏小。记下来的方差是替全部数据估计的：从一小批数'
        '估计，怎样才不会总是偏小？',
        '`Y` is right and `moving_var` is too small. What is remembered '
        'stands for all the data. How do you keep an estimate from a few '
        'values from coming out too small on average?',
    ),
    (
        'eps_missing',
        '换一个`eps`，你的`Y`不变。要是一个通道的方差正好是0，你的分母里，什么'
        '拦着它变成0？',
        'With another `eps` your `Y` is the same. If the variance of a '
        'channel is exactly 0, what keeps the number you divide by away '
        'from 0?',
    ),
    (
        'eps_outside',
        '`eps`有了，位置不对，`eps`大的时候看得出来。它和方差同单位，还是和'
        '标准差同单位？',
        '`eps` is there but in another place, which shows when it is large. '
        'Does it have the unit of the variance or of the standard '
        'deviation?',
    ),
    (
        'eps_twice',
        '分母太大了。数一数，`eps`加了几次？',
        'You divide by too much. Count how many times `eps` is added.',
    ),
    (
        'eps_least',
        '方差比`eps`大的时候，`eps`对你不起作用。它是下限，还是加数？',
        'Where the variance is larger, your `eps` has no effect. Is it a '
        'lower limit, or something added?',
    ),
    (
        'eps_fixed',
        '换一个`eps`，结果不变。这个参数用到了吗？',
        'With another `eps` the result is the same. Is the argument used?',
    ),
    (
        'eps_remembered',
        '`moving_var`多出一点，多的正好和`eps`成比例。`eps`是为了做除法，要不要'
        '一起记下来？',
        '`moving_var` is a little too large, in proportion to `eps`. `eps` '
        'is there for the division: should it be remembered too?',
    ),
    (
        'swapped',
        '`gamma`和`beta`做了对方的事。哪个用来缩放，哪个用来偏移？',
        "`gamma` and `beta` do each other's work. Which one scales, and "
        'which one shifts?',
    ),
    (
        'no_gamma_beta',
        '换了`gamma`和`beta`，`Y`不变。`X_hat`后面还有一步。',
        '`Y` is the same whatever `gamma` and `beta` are. There is a step '
        'after `X_hat`.',
    ),
    (
        'no_gamma',
        '换一个`gamma`，`Y`不变。它在哪里用到？',
        '`Y` is the same whatever `gamma` is. Where is it used?',
    ),
    (
        'no_beta',
        '换一个`beta`，`Y`不变。它在哪里用到？',
        '`Y` is the same whatever `beta` is. Where is it used?',
    ),
    (
        'beta_inside',
        '`beta`也被`gamma`乘了。先缩放还是先偏移？',
        '`beta` is multiplied by `gamma` too. Which comes first, the scale '
        'or the shift?',
    ),
    (
        'cut_gradient',
        '`Y`对，`X`的梯度不对。均值和方差也是从`X`算出来的：动一动`X`，它们动'
        '不动？你的梯度知道吗？',
        '`Y` is right, the gradient to `X` is not. The mean and the variance '
        'are computed from `X` too: move `X`, and they move. Does your '
        'gradient know?',
    ),
    (
        'cut_mean',
        '`Y`对，`X`的梯度不对。梯度经过方差了，也经过均值了吗？',
        '`Y` is right, the gradient to `X` is not. It goes through the '
        'variance; does it go through the mean?',
    ),
    (
        'cut_var',
        '`Y`对，`X`的梯度不对。梯度经过均值了，也经过方差了吗？',
        '`Y` is right, the gradient to `X` is not. It goes through the mean; '
        'does it go through the variance?',
    ),
    (
        'keeps_graph',
        '数都对，可是移动平均带着计算图。一步接一步，图越来越长，内存越来越满。'
        '更新移动平均的几行，要不要记梯度？',
        'The numbers are right, but the moving averages carry a computation '
        'graph. It grows with each step and memory fills up. Do the lines '
        'that update them need gradients?',
    ),
    (
        'cut_all',
        '`Y`上没有梯度可传。整个前向是不是在不记梯度的地方算的？',
        '`Y` passes no gradient on at all. Is all of it computed where '
        'gradients are not recorded?',
    ),
    (
        'cut_gamma',
        '`gamma`或者`beta`没有梯度，就学不动。从它们到`Y`的路，在哪里断了？',
        "`gamma` or `beta` gets no gradient and can't be learned. Where is "
        'the way from them to `Y` cut?',
    ),
    (
        'counts_examples',
        '`(N, C, H, W)`上，`moving_var`偏大。换成无偏方差时，n是几？数一数有'
        '多少个数共用一个均值。',
        'On `(N, C, H, W)` `moving_var` is too large. What is n where the '
        'variance is made unbiased? Count the values that share a mean.',
    ),
)
# These are told by where the answer goes wrong, not by its numbers.
ROUGH_HINTS: tuple[Hint, ...] = (
    (
        'cancels',
        '均值离0很远时，方差错了。看看你的方差：是不是两个很大、差不多相等的'
        '数相减？32位浮点数大约只有7位有效数字。',
        'With a mean far from 0 the variance goes wrong. Is yours the '
        'difference of two numbers that are large and almost equal? A 32-bit '
        'float has about 7 digits.',
    ),
    (
        'one_value',
        '训练时一个通道只有一个数：均值是它自己，方差是0，没有统计量可言。'
        'PyTorch在这里怎么做？你的代码呢？',
        'In training a channel with a single value has no statistics: the '
        'value is its own mean, and the variance is 0. What does PyTorch do '
        'here, and what does your code do?',
    ),
    (
        'one_image',
        '只有一张图，你的代码就不肯训练。一个通道里有`H*W`个数，够不够求均值和'
        '方差？',
        'Your code refuses to train on a single image. A channel has `H*W` '
        'values: are they enough for a mean and a variance?',
    ),
    (
        'one_value_in_eval',
        '评估时来一个样本，你的代码不肯算。评估用到这一批的统计量吗？',
        'In evaluation your code refuses a single example. Does evaluation '
        'use the statistics of the batch?',
    ),
)
