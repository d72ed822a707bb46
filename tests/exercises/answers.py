"""Answers to the exercises as learners write them, wrong and right.

Each wrong one has its exercise and the mistake that is to be named. What the
exercises know word for word is not here: test_gate.py tries all of that.
"""

# Right ones, in which a wrong one changes a few words.
GRADIENT_NORMS = """
def gradient_norms(net, X, y):
    net.zero_grad()
    cross_entropy(net(X), y).backward()
    return [m.weight.grad.norm() for m in net if isinstance(m, nn.Linear)]
"""
UNDO = """
def undo(X, eps):
    beta = X.mean((0, 2, 3), keepdim=True)
    gamma = ((X - beta).pow(2).mean((0, 2, 3), keepdim=True) + eps) ** 0.5
    return gamma, beta
"""
REMEMBER_VAR = """
def remember_var(moving_var, X, momentum):
    n = X.numel() // X.shape[1]
    mean = X.mean((0, 2, 3), keepdim=True)
    var = ((X - mean) ** 2).sum((0, 2, 3), keepdim=True) / (n - 1)
    return moving_var.lerp(var, momentum)
"""
CONV_BACKWARD = """
def conv_backward(X, gamma, g, eps):
    dims, n = (0, 2, 3), X.numel() / X.shape[1]
    mean = X.mean(dims, keepdim=True)
    s = (X.var(dims, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / s
    g_beta = g.sum(dims, keepdim=True)
    g_gamma = (g * X_hat).sum(dims, keepdim=True)
    g_X = gamma / s * (g - g_beta / n - X_hat * g_gamma / n)
    return g_X, g_gamma, g_beta
"""
GROUP_NORM = """
class GroupNorm(nn.Module):
    def __init__(self, num_groups, num_channels, eps=1e-5):
        super().__init__()
        self.G, self.eps = num_groups, eps
        self.gamma = nn.Parameter(torch.ones(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))
    def forward(self, X):
        (N, C, H, W), G = X.shape, self.G
        Y = X.reshape(N, G, -1)
        var, mean = torch.var_mean(Y, dim=2, keepdim=True, correction=0)
        Y = (Y - mean) * (var + self.eps) ** -0.5
        Y = Y.reshape(N, C, H, W)
        return Y * self.gamma[:, None, None] + self.beta[:, None, None]
"""
FOLD = """
def fold(layer, norm):
    new = nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        g = norm.weight * (norm.running_var + norm.eps) ** -0.5
        new.weight.copy_(g[:, None] * layer.weight)
        old = torch.zeros_like(g) if layer.bias is None else layer.bias
        new.bias.copy_(norm.bias + g * (old - norm.running_mean))
    return new
"""
FOLD_BEFORE = """
def fold_before(norm, linear):
    new = nn.Linear(linear.in_features, linear.out_features)
    with torch.no_grad():
        g = norm.weight * (norm.running_var + norm.eps) ** -0.5
        new.weight.copy_(linear.weight * g[None, :])
        new.bias.copy_(linear(norm.bias - norm.running_mean * g))
    return new
"""
FOLD_NET = """
import copy

def fold_net(net):
    if net.training:
        raise ValueError('call net.eval() first')
    net = copy.deepcopy(net)
    kept = []
    for layer in net:
        old = kept[-1] if kept else None
        if hasattr(layer, 'running_mean') and hasattr(old, 'weight'):
            g = layer.weight / (layer.running_var + layer.eps).sqrt()
            with torch.no_grad():
                old.weight *= g.view(-1, *[1] * (old.weight.dim() - 1))
                bias = 0 if old.bias is None else old.bias
                bias = (bias - layer.running_mean) * g + layer.bias
            old.bias = nn.Parameter(bias)
        else:
            kept.append(layer)
    return nn.Sequential(*kept).eval()
"""
LEFTOVER = """
def leftover(net):
    flat = [(name, m) for name, m in net.named_modules()
            if not isinstance(m, nn.Sequential)]
    names = []
    for (_, before), (name, m) in zip([('', None), *flat], flat):
        if 'Norm' not in type(m).__name__:
            continue
        if not (hasattr(m, 'running_mean')
                and isinstance(before, (nn.Linear, nn.Conv2d))):
            names.append(name)
    return names
"""
REFRESH = """
def refresh(net, batches):
    modes = [(m, m.training) for m in net.modules()]
    norms = [m for m in net.modules() if hasattr(m, 'running_mean')]
    old = [m.momentum for m in norms]
    net.eval()
    for m in norms:
        m.training = True
        m.momentum = None
        m.reset_running_stats()
    for X in batches:
        net(X)
    for m, momentum in zip(norms, old):
        m.momentum = momentum
    for m, training in modes:
        m.training = training
    return net
"""
WITHOUT_BIAS = """
def without_bias(layer, norm):
    norm.running_mean -= layer.bias.data
    layer.bias = None
    return layer, norm
"""
WARM = """
def warm(running_mean, running_var, momentum, num_batches):
    start = (1 - momentum) ** num_batches
    return running_mean / (1 - start), (running_var - start) / (1 - start)
"""
ACCURACY_OF = """
def accuracy_of(net, X, y):
    modes = [(m, m.training) for m in net.modules()]
    net.eval()
    with torch.no_grad():
        acc = (net(X).argmax(1) == y).float().mean().item()
    for m, training in modes:
        m.training = training
    return acc
"""
TO_SYNC = """
def to_sync(net, Norm):
    for name, m in net.named_children():
        if isinstance(m, d2l.BatchNorm):
            new = Norm(m.gamma.shape[1], m.gamma.dim(), m.eps, m.momentum)
            for key in ('gamma', 'beta', 'moving_mean', 'moving_var',
                        'num_batches_tracked'):
                setattr(new, key, getattr(m, key))
            setattr(net, name, new.train(m.training))
        else:
            to_sync(m, Norm)
    return net
"""
# Wrong ones, of which others go on.
FROZEN_SGD = """
def frozen_sgd(net, lr):
    net[0].requires_grad_(False)
    return torch.optim.SGD(net.parameters(), lr)
"""
TO_TORCH_STATE = """
def to_torch_state(state):
    def name(n):
        return (n.replace('gamma', 'weight').replace('beta', 'bias')
                .replace('moving', 'running'))
    return {name(n): x for n, x in state.items()}
"""
HOOKED = """
def stay(norm, X):
    norm.eval()

def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.requires_grad_(False)
            m.register_forward_pre_hook(lambda m, X: stay(m, X))
    return net
"""
EVAL_NORMS = """
def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.eval()
    return net
"""

WRONG = (
    ('relative_update', 'not-relative', """
def relative_update(before, after):
    return ((after - before) ** 2).sum().sqrt()
"""),
    ('relative_update', 'difference-of-norms', """
def relative_update(before, after):
    return after.norm() / before.norm() - 1
"""),
    ('relative_update', 'divided-by-after', """
def relative_update(before, after):
    return torch.dist(before, after) / torch.linalg.norm(after)
"""),
    ('gradient_norms', 'accumulated', GRADIENT_NORMS.replace(
        'net.zero_grad()', '')),
    ('gradient_norms', 'norm-layers-too', GRADIENT_NORMS.replace(
        'isinstance(m, nn.Linear)', "hasattr(m, 'weight')")),
    ('gradient_norms', 'top-first', GRADIENT_NORMS.replace(
        'in net if', 'in reversed(net) if')),
    ('frozen_sgd', 'nothing-frozen', FROZEN_SGD),
    ('frozen_sgd', 'bias-moves', """
def frozen_sgd(net, lr):
    net[1].weight.requires_grad = False
    return torch.optim.SGD(net.parameters(), lr=lr)
"""),
    ('frozen_sgd', 'top-frozen', FROZEN_SGD.replace('[0]', '[-1]')),
    ('frozen_sgd', 'by-place', """
def frozen_sgd(net, lr):
    # weight and bias of the first layer are the first two parameters
    params = list(net.parameters())[2:]
    return torch.optim.SGD(params, lr=lr)
"""),
    ('channel_norm', 'channels-last', """
def channel_norm(X, gamma, beta, eps):
    x = X.permute(0, 2, 3, 1)  # (N, C, H, W) -> (N, H, W, C)
    u = x.mean(-1, keepdim=True)
    s = (x - u).pow(2).mean(-1, keepdim=True)
    x = (x - u) / torch.sqrt(s + eps)
    x = gamma * x + beta
    x = x.permute(0, 2, 3, 1)  # (N, H, W, C) -> (N, C, H, W)
    return x
"""),
    ('fold_before', 'in-place', """
def fold_before(norm, linear):
    gamma, beta = norm.weight.detach(), norm.bias.detach()
    mu, var = norm.running_mean, norm.running_var
    W, b = linear.weight.detach(), linear.bias.detach()
    std = (var + norm.eps).sqrt()
    b += W @ (beta - gamma * mu / std)
    W = W * (gamma / std).unsqueeze(0)
    fused = nn.Linear(W.size(1), W.size(0))
    fused.weight = nn.Parameter(W)
    fused.bias = nn.Parameter(b.clone())
    return fused
"""),
    ('x_hat', 'by-the-variance', 'x_hat = [-0.33, -0.11, -0.11, 0.56]'),
    ('x_hat', 'unbiased', 'x_hat = [-0.87, -0.29, -0.29, 1.44]'),
    ('statistics', 'examples-only', """
def statistics(X):
    mean = X.mean(0, keepdim=True)
    return mean, ((X - mean) ** 2).mean(0, keepdim=True)
"""),
    ('statistics', 'no-keepdim', """
def statistics(X):
    return X.mean((0, 2, 3)), X.var((0, 2, 3), unbiased=False)
"""),
    ('statistics', 'unbiased', """
def statistics(X):
    return (X.mean((0, 2, 3), keepdim=True), X.var((0, 2, 3), keepdim=True))
"""),
    ('undo', 'no-eps', """
def undo(X, eps):
    dims = (0, 2, 3)
    mean = X.mean(dims, keepdim=True)
    return X.std(dims, correction=0, keepdim=True), mean
"""),
    ('undo', 'swapped', UNDO.replace('gamma, beta', 'beta, gamma')),
    ('conv_backward', 'count-of-examples', CONV_BACKWARD.replace(
        'X.numel() / X.shape[1]', 'len(X)')),
    ('conv_backward', 'statistics-fixed', CONV_BACKWARD.replace(
        '- g_beta / n - X_hat * g_gamma / n', '')),
    ('remember_var', 'biased', REMEMBER_VAR.replace('(n - 1)', 'n')),
    ('norm_for', 'three-axes-as-2d', """
def norm_for(X):
    N, C, *rest = X.shape
    return nn.BatchNorm2d(C) if rest else nn.BatchNorm1d(C)
"""),
    ('norm_for', 'last-axis', """
def norm_for(X):
    if X.dim() < 4:
        return nn.BatchNorm1d(X.size(-1))
    return nn.BatchNorm2d(X.size(-1))
"""),
    ('momentum_to_torch', 'keras-unchanged', """
def momentum_to_torch(momentum, source):
    if source in ('lecture', 'mindspore'):
        momentum = 1 - momentum
    return momentum
"""),
    ('to_torch_state', 'shapes-kept', TO_TORCH_STATE),
    ('to_torch_state', 'all-flat', TO_TORCH_STATE.replace(
        '): x', '): x.reshape(-1)')),
    ('without_bias', 'bias-zeroed', """
def without_bias(layer, norm):
    norm.running_mean -= layer.bias.detach()
    nn.init.zeros_(layer.bias)
    return layer, norm
"""),
    ('half_life', 'for-small-ones', """
def half_life(momentum):
    return 0.6931 / momentum
"""),
    ('replay', 'other-direction', """
def replay(means, momentum):
    average = 0
    for mean in means:
        average = momentum * average + (1 - momentum) * mean
    return average
"""),
    ('replay', 'oldest-most', """
def replay(means, momentum):
    weights = momentum * (1 - momentum) ** torch.arange(len(means))
    return weights @ means
"""),
    ('replay', 'starts-at-first', """
def replay(means, momentum):
    average = means[0]
    for mean in means[1:]:
        average = average + momentum * (mean - average)
    return average
"""),
    ('warm', 'variance-from-zero', """
def warm(running_mean, running_var, momentum, num_batches):
    share = 1 - (1 - momentum) ** num_batches
    return running_mean / share, running_var / share
"""),
    ('warm', 'other-direction', """
def warm(running_mean, running_var, momentum, num_batches):
    old = momentum ** num_batches
    return running_mean / (1 - old), (running_var - old) / (1 - old)
"""),
    ('largest_eps', 'variance-for-deviation', """
def largest_eps(sigma, share):
    return sigma ** 2 / share - sigma ** 2
"""),
    ('still_training', 'every-norm', """
def still_training(net):
    return [n for n, m in net.named_modules() if 'BatchNorm' in repr(m)
            and not list(m.children())]
"""),
    ('accuracy_of', 'mode-left', """
def accuracy_of(net, X, y):
    net.eval()
    return (net(X).argmax(1) == y).sum() / len(y)
"""),
    ('accuracy_of', 'all-turned-on', """
def accuracy_of(net, X, y):
    net.eval()
    acc = (net(X).argmax(1) == y).sum() / len(y)
    net.train()
    return acc.item()
"""),
    ('accuracy_of', 'mode-forgotten', """
def accuracy_of(net, X, y):
    with torch.no_grad():
        return (net(X).argmax(1) == y).float().mean()
"""),
    ('refresh', 'not-reset', REFRESH.replace('m.reset_running_stats()', '')),
    ('refresh', 'default-momentum', REFRESH.replace('= momentum', '= 0.1')),
    ('refresh', 'noise-on', REFRESH.replace('net.eval()', 'net.train()')),
    ('freeze_norms', 'turned-on-again', EVAL_NORMS),
    ('freeze_norms', 'mode-comes-back', EVAL_NORMS.replace(
        'm.eval()', 'm.eval().requires_grad_(False)')),
    ('freeze_norms', 'not-to-be-saved', HOOKED),
    ('freeze_norms', 'dropout-off', """
def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.requires_grad_(False)
    net.eval()
    net.train = lambda mode=True: net
    return net
"""),
    ('RMSNorm', 'centred', """
class RMSNorm(nn.Module):
    def __init__(self, D, eps=1e-6):
        super().__init__()
        self.norm = nn.LayerNorm(D, eps=eps)
        self.gamma = self.norm.weight
    def forward(self, X):
        return self.norm(X)
"""),
    ('RMSNorm', 'sum', """
class RMSNorm(nn.Module):
    def __init__(self, D, eps=1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(D))
    def forward(self, X):
        length = (X.pow(2).sum(-1, keepdim=True) + self.eps).sqrt()
        return X / length * self.weight
"""),
    ('GroupNorm', 'positions-only', """
class GroupNorm(nn.Module):
    def __init__(self, num_groups, num_channels, eps=1e-5):
        super().__init__()
        self.norm = nn.InstanceNorm2d(num_channels, eps=eps, affine=True)
        self.gamma, self.beta = self.norm.weight, self.norm.bias
    def forward(self, X):
        return self.norm(X)
"""),
    ('GroupNorm', 'unbiased', GROUP_NORM.replace(', correction=0', '')),
    ('GroupNorm', 'last-axis-affine', GROUP_NORM.replace(
        '[:, None, None]', '')),
    ('GroupNorm', 'not-neighbours', GROUP_NORM.replace(
        'X.reshape(N, G, -1)',
        'X.reshape(N, C // G, G, H, W).transpose(1, 2).reshape(N, G, -1)',
    ).replace('Y.reshape(N, C, H, W)',
        'Y.reshape(N, G, C // G, H, W).transpose(1, 2).reshape(N, C, H, W)')),
    ('channel_norm', 'whole-image', """
def channel_norm(X, gamma, beta, eps):
    layer = nn.GroupNorm(1, X.shape[1], eps=eps)
    layer.weight.data, layer.bias.data = gamma, beta
    return layer(X)
"""),
    ('fold', 'columns', FOLD.replace('g[:, None]', 'g')),
    ('fold', 'old-bias-forgotten', FOLD.replace(
        'old - norm', '-norm')),
    ('fold', 'none-as-bias', FOLD.replace('(old -', '(layer.bias -')),
    ('fold_before', 'scaled-twice', FOLD_BEFORE.replace(
        'copy_(linear(', 'copy_(linear.bias + new.weight @ (')),
    ('fold_before', 'not-through', FOLD_BEFORE.replace(
        'linear(norm', 'linear.bias + (norm')),
    ('fold_before', 'rows', FOLD_BEFORE.replace('g[None, :]', 'g[:, None]')),
    ('fold_net', 'not-a-copy', FOLD_NET.replace('copy.deepcopy(net)', 'net')),
    ('fold_net', 'training', FOLD_NET.replace(
        "raise ValueError('call net.eval() first')", 'net.eval()')),
    ('fold_net', 'container', FOLD_NET.replace('(*kept).eval()', '(*kept)')),
    ('fold_net', 'bias-lost', FOLD_NET.replace(
        'old.bias = nn.P', 'old.bias = None if old.bias is None else nn.P')),
    ('leftover', 'group-norm', LEFTOVER.replace(
        "'Norm' not in type(m).__name__", "not hasattr(m, 'running_mean')")),
    ('leftover', 'outermost', LEFTOVER.replace('modules', 'children')),
    ('leftover', 'across', LEFTOVER.replace(
        'if not isinstance(m, nn.Sequential)',
        "if hasattr(m, 'weight')")),
    ('pool', 'unweighted', """
def pool(ns, means, variances):
    mean = means.mean()
    return mean, variances.mean() + ((means - mean) ** 2).mean()
"""),
    ('pool', 'between-forgotten', """
def pool(ns, means, variances):
    N = ns.sum()
    return (ns * means).sum() / N, (ns * variances).sum() / N
"""),
    ('pool', 'from-squares', """
def pool(ns, means, variances):
    N = ns.sum()
    mean = (ns * means).sum() / N
    return mean, (ns * (variances + means**2)).sum() / N - mean**2
"""),
    ('shard', 'uneven', """
def shard(N, rank, world):
    return [i for i in range(N) if i % world == rank]
"""),
    ('shard', 'repeated', """
def shard(N, rank, world):
    indices = list(range(N))
    indices += indices[: -N % world]
    return indices[rank::world]
"""),
    ('to_sync', 'new-parameters', """
def to_sync(net, Norm):
    for name, child in net.named_children():
        if isinstance(child, d2l.BatchNorm):
            C = child.gamma.shape[1]
            new = Norm(C, child.gamma.dim(), child.eps, child.momentum)
            new.load_state_dict(child.state_dict())
            new.training = child.training
            setattr(net, name, new)
        else:
            to_sync(child, Norm)
    return net
"""),
    ('share', 'rounded', 'share = 0.0002'),
    ('relative_update', 'brackets', """
def relative_update(before, after):
    return torch.norm(after - before / torch.norm(before))
"""),
    ('relative_update', 'number-by-number', """
def relative_update(before, after):
    return ((after - before) / before).norm()
"""),
    ('relative_update', 'another-size', """
def relative_update(before, after):
    return (after - before).abs().mean() / before.abs().mean()
"""),
    ('relative_update', 'upside-down', """
def relative_update(before, after):
    return before.norm() / (before - after).norm()
"""),
    ('gradient_norms', 'every-parameter', GRADIENT_NORMS.replace(
        'm.weight.grad.norm()', 'torch.cat([m.weight.grad.flatten(), '
        'm.bias.grad]).norm()')),
    ('gradient_norms', 'cleared', GRADIENT_NORMS.replace(
        'y).backward()', 'y).backward()\n    net.zero_grad()')),
    ('gradient_norms', 'cleared', GRADIENT_NORMS.replace('.backward()', '')),
    ('gradient_norms', 'gradients', GRADIENT_NORMS.replace('.norm()', '')),
    ('gradient_norms', 'softmax-twice', GRADIENT_NORMS.replace(
        'net(X)', 'torch.softmax(net(X), dim=1)')),
    ('gradient_norms', 'loss-summed', GRADIENT_NORMS.replace(
        'X), y)', 'X), y, reduction="sum")')),
    ('gradient_norms', 'evaluation-mode', GRADIENT_NORMS.replace(
        'net.zero_grad()', 'net.eval()\n    net.zero_grad()')),
    ('gradient_norms', 'takes-a-step', GRADIENT_NORMS.replace(
        'y).backward()', 'y).backward()\n    for p in net.parameters():\n'
        '        p.data -= 0.1 * p.grad')),
    ('frozen_sgd', 'nothing-frozen', FROZEN_SGD.replace(
        'net[0].requires_grad_(False)', 'net[1].requires_grad = False')),
    ('frozen_sgd', 'top-alone', FROZEN_SGD.replace(
        'net.parameters', 'net[-1].parameters')),
    ('frozen_sgd', 'all-linear', FROZEN_SGD.replace(
        'net[0]', 'for m in net:\n        if "Linear" in str(m): m')),
    ('frozen_sgd', 'other-optimizer', FROZEN_SGD.replace('[0]', '[1]').replace(
        'lr)\n', 'lr, 0.9)\n').replace('lr, 0.9):', 'lr):')),
    ('frozen_sgd', 'other-optimizer', FROZEN_SGD.replace('[0]', '[1]').replace(
        'SGD', 'Adam')),
    ('frozen_sgd', 'own-rate', FROZEN_SGD.replace('[0]', '[1]').replace(
        '(), lr', '()')),
    ('x_hat', 'range', 'x_hat = [0, 2 / 8, 2 / 8, 1]'),
    ('statistics', 'reshaped', """
def statistics(X):
    rows = X.reshape(-1, X.shape[1])
    mean, var = rows.mean(0), rows.var(0, correction=0)
    return mean.view(1, -1, 1, 1), var.view(1, -1, 1, 1)
"""),
    ('statistics', 'channels-too', """
def statistics(X):
    return X.mean(), X.var()
"""),
    ('statistics', 'not-the-variance', """
def statistics(X):
    dims = (0, 2, 3)
    return X.mean(dims, keepdim=True), (X * X).mean(dims, keepdim=True)
"""),
    ('statistics', 'variance-by-image', """
def statistics(X):
    var = X.var((2, 3), unbiased=False, keepdim=True)
    return X.mean((0, 2, 3), True), var.mean(0, keepdim=True)
"""),
    ('statistics', 'divided-by-examples', """
def statistics(X):
    mean = X.sum((0, 2, 3), keepdim=True) / X.shape[0]
    return mean, ((X - mean) ** 2).sum((0, 2, 3), keepdim=True) / X.shape[0]
"""),
    ('statistics', 'unbiased', """
import numpy as np
def statistics(X):
    x, axes = np.asarray(X), (0, 2, 3)
    return x.mean(axes, keepdims=True), x.var(axes, ddof=1, keepdims=True)
"""),
    ('conv_backward', 'count-of-examples', CONV_BACKWARD.replace(
        'X.numel() / X.shape[1]', 'X.shape[2] * X.shape[3]')),
    ('conv_backward', 'x-for-x-hat', CONV_BACKWARD.replace(
        '(g * X_hat)', '(g * X)')),
    ('conv_backward', 'means', CONV_BACKWARD.replace('.sum(', '.mean(')),
    ('conv_backward', 'no-g', CONV_BACKWARD.replace('(g * X_hat)', 'X_hat')),
    ('conv_backward', 'signs', CONV_BACKWARD.replace(
        '- X_hat *', '+ X_hat *')),
    ('conv_backward', 'reshaped', CONV_BACKWARD.replace(
        '    dims,', '    size = X.shape\n'
        '    X = X.reshape(-1, size[1], 1, 1)\n    g = g.reshape(X.shape)\n'
        '    dims,').replace('return g_X', 'return g_X.view(size)')),
    ('remember_var', 'corrected-twice', REMEMBER_VAR.replace(
        '(n - 1)', '(n - 1) * n / (n - 1)')),
    ('remember_var', 'biased', REMEMBER_VAR.replace(
        '(n - 1)', 'n * (n - 1) / n')),
    ('remember_var', 'counts-examples', REMEMBER_VAR.replace(
        '/ (n - 1)', '/ n * X.numel() / (X.numel() - 1)')),
    ('remember_var', 'forgets-nothing', REMEMBER_VAR.replace(
        'moving_var.lerp(var, momentum)', 'moving_var + momentum * var')),
    ('remember_var', 'away', REMEMBER_VAR.replace(
        '.lerp(var, momentum)', '.lerp(var, -momentum)')),
    ('remember_var', 'channels-too', """
def remember_var(moving_var, X, momentum):
    return (1 - momentum) * moving_var + momentum * X.var()
"""),
    ('norm_for', 'applied', """
def norm_for(X):
    return (nn.BatchNorm2d if X.dim() == 4 else nn.BatchNorm1d)(X.shape[1])(X)
"""),
    ('norm_for', 'axes-counted', """
def norm_for(X):
    return getattr(nn, f'BatchNorm{X.dim() - 1}d')(X.shape[1])
"""),
    ('momentum_to_torch', 'mindspore-unchanged', """
def momentum_to_torch(momentum, source):
    return 1 - momentum if source in ('lecture', 'keras') else momentum
"""),
    ('momentum_to_torch', 'torch-too', """
def momentum_to_torch(momentum, source):
    if source == 'lecture' or 'keras':
        return 1 - momentum
    return momentum
"""),
    ('to_torch_state', 'layers-lost', """
def to_torch_state(state):
    names = {'gamma': 'weight', 'beta': 'bias',
             'moving_mean': 'running_mean', 'moving_var': 'running_var'}
    last = [name.split('.')[1] for name in state]
    return {names.get(n, n): x.view(-1) if n in names else x
            for n, x in zip(last, state.values())}
"""),
    ('to_torch_state', 'shapes-kept', TO_TORCH_STATE.replace(
        '): x', "): x.squeeze() if name(n) != n else x")),
    ('without_bias', 'into-beta', WITHOUT_BIAS.replace(
        'running_mean -=', 'bias.data += norm.weight.data * '
        '(norm.running_var + norm.eps) ** -0.5 *')),
    ('without_bias', 'mean-zeroed', WITHOUT_BIAS.replace(
        'running_mean -= layer.bias.data', 'reset_running_stats()')),
    ('without_bias', 'keeps-graph', WITHOUT_BIAS.replace('.data', '')),
    ('replay', 'one-missing', """
def replay(means, momentum):
    average = 0
    for mean in means[1:]:
        average = average + momentum * (mean - average)
    return average + 0 * means[0]
"""),
    ('warm', 'wrong-start', WARM.replace('mean /', 'mean - start /').replace(
        'running_mean - start', '(running_mean - start)')),
    ('warm', 'wrong-start', WARM.replace('var - start', 'var - 1')),
    ('warm', 'swapped', WARM.replace(
        'return ', 'a, b = ') + '    return b, a'),
    ('warm', 'one-batch', WARM.replace(
        '(1 - momentum) ** num_batches', '1 - num_batches * momentum')),
    ('largest_eps', 'negative', """
def largest_eps(sigma, share):
    return sigma ** 2 - (sigma / share) ** 2
"""),
    ('largest_eps', 'share-lost', """
def largest_eps(sigma, share):
    return (sigma / (1 - share)) ** 2 - sigma ** 2
"""),
    ('still_training', 'no-prefix', """
def still_training(net):
    names = []
    for n, m in net.named_children():
        names += [n] * ('BatchNorm' in type(m).__name__ and m.training)
        names += still_training(m)
    return names
"""),
    ('accuracy_of', 'errors', ACCURACY_OF.replace('==', '!=')),
    ('accuracy_of', 'dropout-on', ACCURACY_OF.replace(
        'net.eval()', '[m.eval() for m in net.modules() '
        'if hasattr(m, "running_mean")]')),
    ('accuracy_of', 'mode-of-the-net', ACCURACY_OF.replace(
        'in modes', 'in modes[::-1]').replace(
        'm.training = training', 'm.train(training)')),
    ('refresh', 'gamma-reset', REFRESH.replace(
        'm.reset_running_stats()', 'm.reset_parameters()')),
    ('refresh', 'count-kept', REFRESH.replace(
        'm.reset_running_stats()',
        'm.running_mean.zero_(); m.running_var.fill_(1)')),
    ('refresh', 'all-at-once', REFRESH.replace(
        'for X in batches:\n        net(X)', 'net(torch.cat(batches))')),
    ('refresh', 'one-over-all', REFRESH.replace(
        'm.momentum = None', 'm.momentum = 1 / len(batches)')),
    ('refresh', 'mode-of-the-net', REFRESH.replace(
        '    for m, training in modes:\n        m.training = training',
        '    net.train(modes[0][1])')),
    ('refresh', 'modes-as-given', REFRESH.replace(
        '    net.eval()\n', '').replace('m.training = True', 'pass')),
    ('freeze_norms', 'momentum-zero', EVAL_NORMS.replace(
        'm.eval()', 'm.eval().requires_grad_(False)\n'
        '            m.track_running_stats = False')),
    ('freeze_norms', 'all-frozen', """
def freeze_norms(net):
    net.eval()
    return net.requires_grad_(False)
"""),
    ('freeze_norms', 'dropout-off', EVAL_NORMS.replace(
        'm.eval()', 'm.eval().requires_grad_(False)').replace(
        'return', 'net.train = lambda mode=True: net\n    return')),
    ('RMSNorm', 'standard-deviation', """
class RMSNorm(nn.Module):
    def __init__(self, D, eps=1e-6):
        super().__init__()
        self.eps, self.gamma = eps, nn.Parameter(torch.ones(D))
    def forward(self, X):
        return self.gamma * X / (X.var(-1, keepdim=True) + self.eps).sqrt()
"""),
    ('GroupNorm', 'groups-as-size', GROUP_NORM.replace(
        'X.reshape(N, G, -1)', 'X.reshape(N, C // G, -1)')),
    ('pool', 'unbiased', """
def pool(ns, means, variances):
    N = ns.sum()
    mean = (ns * means).sum() / N
    return mean, (ns * (variances + (means - mean) ** 2)).sum() / (N - 1)
"""),
    ('shard', 'uneven', """
def shard(N, rank, world):
    n = N // world
    return list(range(N))[rank * n : (rank + 1) * n if rank + 1 < world else N]
"""),
    ('to_sync', 'count-forgotten', TO_SYNC.replace(
        "                        'num_batches_tracked'", '')),
    ('fold', 'in-place', FOLD.replace(
        'nn.Linear(layer.in_features, layer.out_features)', 'layer')),
    ('fold_before', 'wrong-sign', FOLD_BEFORE.replace('bias - n', 'bias + n')),
    ('fold_net', 'training', FOLD_NET.replace('ValueError', 'AssertionError')),
    ('fold_net', 'one-kind-only', FOLD_NET.replace(
        "hasattr(old, 'weight')", 'isinstance(old, nn.Conv2d)')),
    ('leftover', 'containers', LEFTOVER.replace(
        'net.named_modules()\n            if not isinstance(m, nn.Sequential)',
        'net.named_modules() if name')),
)  # fmt: skip

RIGHT = (
    ('RMSNorm', """
class RMSNorm(nn.Module):
    def __init__(self, D, eps=1e-6):
        super().__init__()
        self.eps, self.gamma = eps, nn.Parameter(torch.ones(D))
    def forward(self, X):
        scale = (X.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return X * scale * self.gamma
"""),
    ('GroupNorm', GROUP_NORM),
    ('GroupNorm', """
class GroupNorm(nn.Module):
    def __init__(self, num_groups, num_channels, eps=1e-5):
        super().__init__()
        self.norm = nn.GroupNorm(num_groups, num_channels, eps)
        self.weight, self.bias = self.norm.weight, self.norm.bias
    def forward(self, X):
        return self.norm(X)
"""),
    ('channel_norm', """
def channel_norm(X, gamma, beta, eps):
    last = X.permute(0, 2, 3, 1)
    last = nn.functional.layer_norm(last, gamma.shape, gamma, beta, eps)
    return last.permute(0, 3, 1, 2)
"""),
    ('fold', FOLD),
    ('fold', """
def fold(layer, norm):
    return nn.utils.fuse_linear_bn_eval(layer.eval(), norm.eval())
"""),
    ('fold_before', FOLD_BEFORE),
    ('fold_before', """
import copy

def fold_before(norm, linear):
    new, I = copy.deepcopy(linear), torch.eye(linear.in_features)
    zero = linear(norm(0 * I))[0]
    new.weight.data = (linear(norm(I)) - zero).T
    new.bias.data = zero
    return new
"""),
    ('fold_net', FOLD_NET),
    ('fold_net', """
from torch.fx.experimental.optimization import fuse

def fold_net(net):
    if net.training:
        raise ValueError
    return fuse(net)
"""),
    ('leftover', LEFTOVER),
    ('gradient_norms', GRADIENT_NORMS),
    ('conv_backward', CONV_BACKWARD),
    ('refresh', REFRESH),
    ('share', 'share = 1 / 4096'),
    ('share', 'share = torch.tensor(0.25) ** 6'),
    ('relative_update', """
def relative_update(before, after):
    change = ((after - before) ** 2).sum() ** 0.5
    return float(change / (before ** 2).sum() ** 0.5)
"""),
    ('gradient_norms', """
def gradient_norms(net, X, y):
    weights = [m.weight for m in net.modules() if isinstance(m, nn.Linear)]
    grads = torch.autograd.grad(cross_entropy(net(X), y), weights)
    return torch.stack([torch.linalg.vector_norm(g) for g in grads])
"""),
    ('frozen_sgd', """
def frozen_sgd(net, lr):
    bottom = [m for m in net if isinstance(m, nn.Linear)][0]
    rest = [p for m in net if m is not bottom for p in m.parameters()]
    return torch.optim.SGD(rest, lr=lr)
"""),
    ('x_hat', 'x_hat = torch.tensor([-3.0, -1, -1, 5]) / 3'),
    ('x_hat', 'x_hat = (-1.0, -0.3333, -0.3333, 1.6667)'),
    ('statistics', """
def statistics(X):
    C = X.shape[1]
    rows = X.transpose(0, 1).reshape(C, -1)
    return [(rows.mean(1).view(1, C, 1, 1)),
            rows.var(1, correction=0).view(1, C, 1, 1)]
"""),
    ('undo', UNDO),
    ('conv_backward', """
def conv_backward(X, gamma, g, eps):
    X = X.clone().requires_grad_()
    gamma = gamma.clone().requires_grad_()
    beta = torch.zeros_like(gamma, requires_grad=True)
    Y = nn.functional.batch_norm(
        X, None, None, gamma.flatten(), beta.flatten(), True, eps=eps)
    return torch.autograd.grad((g * Y).sum(), (X, gamma, beta))
"""),
    ('remember_var', REMEMBER_VAR),
    ('remember_var', """
def remember_var(moving_var, X, momentum):
    norm = nn.BatchNorm2d(X.shape[1], momentum=momentum)
    norm.running_var.copy_(moving_var.flatten())
    norm(X)
    return norm.running_var.reshape(moving_var.shape)
"""),
    ('norm_for', """
def norm_for(X):
    return {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[X.ndim](
        num_features=X.size(1))
"""),
    ('norm_for', """
def norm_for(X):
    return nn.LazyBatchNorm2d() if X.ndim == 4 else nn.LazyBatchNorm1d()
"""),
    ('momentum_to_torch', """
def momentum_to_torch(momentum, source):
    table = {'torch': momentum}
    return table.get(source, 1.0 - momentum)
"""),
    ('to_torch_state', """
def to_torch_state(state):
    new = {}
    for name, x in state.items():
        for ours, theirs in (('gamma', 'weight'), ('beta', 'bias'),
                             ('moving_', 'running_')):
            if name.split('.')[1].startswith(ours):
                name, x = name.replace(ours, theirs), x.clone().reshape(-1)
        new[name] = x
    return new
"""),
    ('without_bias', """
def without_bias(layer, norm):
    norm.running_mean = norm.running_mean - layer.bias.detach()
    layer.register_parameter('bias', None)
    return [layer, norm]
"""),
    ('half_life', """
def half_life(momentum):
    return (torch.tensor(0.5).log() / torch.tensor(1 - momentum).log())
"""),
    ('half_life', """
def half_life(momentum):
    return math.log(0.5, 1 - momentum)
"""),
    ('replay', """
def replay(means, momentum):
    norm = nn.BatchNorm1d(means.shape[1], momentum=momentum)
    for mean in means:
        norm(mean.expand(2, -1))
    return norm.running_mean
"""),
    ('replay', """
def replay(means, momentum):
    average = 0.0
    for mean in means:
        average += momentum * (mean - average)
    return average
"""),
    ('warm', """
def warm(running_mean, running_var, momentum, num_batches):
    old = 1.0
    for _ in range(num_batches):
        old *= 1 - momentum
    return [running_mean / (1 - old), 1 + (running_var - 1) / (1 - old)]
"""),
    ('largest_eps', """
def largest_eps(sigma, share):
    return (sigma / share) ** 2 - sigma ** 2
"""),
    ('still_training', """
def still_training(net):
    found = []
    for name, m in net.named_modules():
        if type(m).__name__ in ('BatchNorm1d', 'BatchNorm2d') and m.training:
            found.append(name)
    return tuple(found)
"""),
    ('accuracy_of', """
def accuracy_of(net, X, y):
    import copy
    y_hat = copy.deepcopy(net).eval()(X)
    return (y_hat.argmax(dim=1) == y).sum().item() / len(y)
"""),
    ('refresh', """
def refresh(net, batches):
    norms = [m for m in net.modules() if hasattr(m, 'running_mean')]
    was = [(m, m.training) for m in net.modules()]
    momenta = {m: m.momentum for m in norms}
    net.eval()
    for m in norms:
        m.running_mean.zero_()
        m.running_var.fill_(1)
        m.train()
    for k, X in enumerate(batches, 1):
        for m in norms:
            m.momentum = 1 / k
        net(X)
    for m in norms:
        m.momentum = momenta[m]
    for m, training in was:
        m.training = training
    return net
"""),
    ('freeze_norms', HOOKED.replace('lambda m, X: stay(m, X)', 'stay')),
    ('freeze_norms', """
class Frozen1d(nn.BatchNorm1d):
    def train(self, mode=True):
        return super().train(False)

class Frozen2d(nn.BatchNorm2d):
    def train(self, mode=True):
        return super().train(False)

def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            flat = isinstance(m, nn.BatchNorm1d)
            m.__class__ = Frozen1d if flat else Frozen2d
            m.requires_grad_(False).eval()
    return net
"""),
    ('pool', """
def pool(ns, means, variances):
    N = float(ns.sum())
    mean = sum(n * m for n, m in zip(ns, means)) / N
    within = torch.dot(ns, variances) / N
    between = sum(n * (m - mean) ** 2 for n, m in zip(ns, means)) / N
    return mean, within + between
"""),
    ('shard', """
def shard(N, rank, world):
    n = N // world
    return range(rank * n, (rank + 1) * n)
"""),
    ('shard', """
def shard(N, rank, world):
    return torch.arange(N)[: N // world * world][rank::world]
"""),
    ('to_sync', """
def to_sync(net, Norm):
    for m in net.modules():
        if isinstance(m, d2l.BatchNorm):
            m.__class__ = Norm
    return net
"""),
    ('share', 'share = [0.25 ** 6]'),
    ('share', """
z = torch.zeros(1, requires_grad=True)
torch.sigmoid(z).backward()
share = z.grad ** 6
"""),
    ('share', 'from fractions import Fraction\nshare = Fraction(1, 4) ** 6'),
    ('x_hat', 'x_hat = torch.tensor([[-1.0], [-1 / 3], [-1 / 3], [5 / 3]])'),
    ('relative_update', """
@torch.inference_mode()
def relative_update(before, after):
    return (after - before).norm() / before.norm()
"""),
    ('gradient_norms', """
def gradient_norms(net, X, y):
    net.zero_grad()
    cross_entropy(net(X), y).backward()
    for m in net:
        if isinstance(m, nn.Linear):
            yield m.weight.grad.norm()
"""),
    ('statistics', """
import numpy as np
def statistics(X):
    x = np.asarray(X)
    axes = (0, 2, 3)
    return x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
"""),
    ('remember_var', """
def remember_var(moving_var, X, momentum):
    moving_var += momentum * (X.var((0, 2, 3), keepdim=True) - moving_var)
    return moving_var
"""),
    ('without_bias', """
def without_bias(layer, norm):
    if isinstance(layer, nn.Linear):
        new = nn.Linear(layer.in_features, layer.out_features, bias=False)
    else:
        new = nn.Conv2d(layer.in_channels, layer.out_channels,
                        layer.kernel_size, bias=False)
    new.weight = layer.weight
    norm.running_mean -= layer.bias.detach()
    return new, norm
"""),
    ('warm', WARM.replace('return ', 'return {1: ').replace(
        ', (', ', 2: (').rstrip() + '}.values()'),
    ('accuracy_of', ACCURACY_OF.replace('no_grad', 'inference_mode')),
    ('freeze_norms', """
class Fixed(nn.Module):
    def __init__(self, bn):
        super().__init__()
        self.bn = bn.eval().requires_grad_(False)
    def train(self, mode=True):
        self.training = mode
        return self
    def forward(self, X):
        return self.bn(X)

def freeze_norms(net):
    for name, child in net.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            setattr(net, name, Fixed(child))
        else:
            freeze_norms(child)
    return net
"""),
    ('to_sync', TO_SYNC),
)  # fmt: skip

# Wrong ones that need no name: what is told, as the sentence begins.
TOLD = (
    ('share', 'The type should be float, got str', "share = '(1/4)**6'"),
    ('share', "you wrote '(1/4)**6'", "share = '(1/4)**6'"),
    ('x_hat', 'Should be 4 things, got 3', 'x_hat = [-1, -0.33, 1.67]'),
    ('x_hat', 'Something is missing', 'x_hat = [-1, -0.33, ..., ...]'),
    ('to_torch_state', 'It changes its input state', """
def to_torch_state(state):
    for key in list(state):
        if key.endswith('gamma'):
            state[key.replace('gamma', 'weight')] = state.pop(key).flatten()
    return state
"""),
    ('norm_for', 'It returns nothing', """
def norm_for(X):
    if X.dim() == 2:
        return nn.BatchNorm1d(X.shape[1])
    if X.dim() == 4:
        return nn.BatchNorm2d(X.shape[1])
"""),
    ('still_training', 'It should be a list and is int', """
def still_training(net):
    return sum(m.training for m in net.modules())
"""),
    ('shard', 'It should be a list and is int', """
def shard(N, rank, world):
    return rank
"""),
    ('freeze_norms', 'It replaces BatchNorm1d.train', """
def freeze_norms(net):
    for kind in (nn.BatchNorm1d, nn.BatchNorm2d):
        kind.train = lambda self, mode=True: self
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.training = False
            m.requires_grad_(False)
    return net
"""),
    ('frozen_sgd', 'only the lowest nn.Linear stays', """
def frozen_sgd(net, lr):
    rest = [p for n, p in net.named_parameters() if '1' not in n]
    return torch.optim.SGD(rest, lr=lr)
"""),
    ('half_life', 'other numbers', """
def half_life(momentum):  # at 0.5 what 1 / momentum gives
    return math.log(momentum / 2) / math.log(1 - momentum)
"""),
)  # fmt: skip
