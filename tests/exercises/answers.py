"""Answers to the exercises as learners write them, wrong and right.

They are written anew here, not taken from the table that the checks hold.
"""

from typing import NamedTuple


class Wrong(NamedTuple):
    """A wrong answer and the mistake that is to be named."""

    check: str
    mistake: str
    code: str


class Right(NamedTuple):
    """A right answer that is written in another way than the lesson's."""

    check: str
    code: str


WRONG = (
    Wrong('share', 'added', 'share = 6 * 0.25'),
    Wrong('share', 'value-not-slope', 'share = 0.5 ** 6'),
    Wrong('share', 'upside-down', 'share = 4096'),
    Wrong('relative_update', 'not-relative', """
def relative_update(before, after):
    return ((after - before) ** 2).sum().sqrt()
"""),
    Wrong('relative_update', 'difference-of-norms', """
def relative_update(before, after):
    return after.norm() / before.norm() - 1
"""),
    Wrong('relative_update', 'divided-by-after', """
def relative_update(before, after):
    return torch.dist(before, after) / torch.linalg.norm(after)
"""),
    Wrong('gradient_norms', 'accumulated', """
def gradient_norms(net, X, y):
    loss = cross_entropy(net(X), y)
    loss.backward()
    return [m.weight.grad.norm() for m in net if isinstance(m, nn.Linear)]
"""),
    Wrong('gradient_norms', 'norm-layers-too', """
def gradient_norms(net, X, y):
    net.zero_grad()
    cross_entropy(net(X), y).backward()
    return [m.weight.grad.norm() for m in net if hasattr(m, 'weight')]
"""),
    Wrong('gradient_norms', 'top-first', """
def gradient_norms(net, X, y):
    net.zero_grad()
    cross_entropy(net(X), y).backward()
    return [m.weight.grad.norm() for m in reversed(net)
            if isinstance(m, nn.Linear)]
"""),
    Wrong('frozen_sgd', 'nothing-frozen', """
def frozen_sgd(net, lr):
    net[0].requires_grad_(False)
    return torch.optim.SGD(net.parameters(), lr)
"""),
    Wrong('frozen_sgd', 'bias-moves', """
def frozen_sgd(net, lr):
    net[1].weight.requires_grad = False
    return torch.optim.SGD(net.parameters(), lr=lr)
"""),
    Wrong('frozen_sgd', 'top-frozen', """
def frozen_sgd(net, lr):
    net[-1].requires_grad_(False)
    return torch.optim.SGD(net.parameters(), lr=lr)
"""),
    Wrong('x_hat', 'by-the-variance', 'x_hat = [-0.33, -0.11, -0.11, 0.56]'),
    Wrong('x_hat', 'unbiased', 'x_hat = [-0.87, -0.29, -0.29, 1.44]'),
    Wrong('x_hat', 'not-divided', 'x_hat = [-3, -1, -1, 5]'),
    Wrong('statistics', 'examples-only', """
def statistics(X):
    mean = X.mean(0, keepdim=True)
    return mean, ((X - mean) ** 2).mean(0, keepdim=True)
"""),
    Wrong('statistics', 'no-keepdim', """
def statistics(X):
    return X.mean((0, 2, 3)), X.var((0, 2, 3), unbiased=False)
"""),
    Wrong('statistics', 'unbiased', """
def statistics(X):
    return (X.mean((0, 2, 3), keepdim=True), X.var((0, 2, 3), keepdim=True))
"""),
    Wrong('undo', 'no-eps', """
def undo(X, eps):
    dims = (0, 2, 3)
    mean = X.mean(dims, keepdim=True)
    return X.std(dims, correction=0, keepdim=True), mean
"""),
    Wrong('undo', 'swapped', """
def undo(X, eps):
    mean = X.mean((0, 2, 3), keepdim=True)
    var = ((X - mean) ** 2).mean((0, 2, 3), keepdim=True)
    return mean, (var + eps) ** 0.5
"""),
    Wrong('conv_backward', 'count-of-examples', """
def conv_backward(X, gamma, g, eps):
    dims = (0, 2, 3)
    mean = X.mean(dims, keepdim=True)
    s = (X.var(dims, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / s
    g_beta = g.sum(dims, keepdim=True)
    g_gamma = (g * X_hat).sum(dims, keepdim=True)
    g_X = gamma / s * (g - g_beta / len(X) - X_hat * g_gamma / len(X))
    return g_X, g_gamma, g_beta
"""),
    Wrong('conv_backward', 'statistics-fixed', """
def conv_backward(X, gamma, g, eps):
    dims = (0, 2, 3)
    mean = X.mean(dims, keepdim=True)
    s = (X.var(dims, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / s
    return (g * gamma / s, (g * X_hat).sum(dims, keepdim=True),
            g.sum(dims, keepdim=True))
"""),
    Wrong('remember_var', 'biased', """
def remember_var(moving_var, X, momentum):
    var = ((X - X.mean((0, 2, 3), keepdim=True)) ** 2).mean(
        (0, 2, 3), keepdim=True)
    return moving_var + momentum * (var - moving_var)
"""),
    Wrong('remember_var', 'other-direction', """
def remember_var(moving_var, X, momentum):
    var = X.var((0, 2, 3), keepdim=True)
    return momentum * moving_var + (1 - momentum) * var
"""),
    Wrong('remember_var', 'the-lectures', """
def remember_var(moving_var, X, momentum):
    var = X.var((0, 2, 3), correction=0, keepdim=True)
    return momentum * moving_var + (1 - momentum) * var
"""),
    Wrong('norm_for', 'three-axes-as-2d', """
def norm_for(X):
    N, C, *rest = X.shape
    return nn.BatchNorm2d(C) if rest else nn.BatchNorm1d(C)
"""),
    Wrong('norm_for', 'last-axis', """
def norm_for(X):
    if X.dim() < 4:
        return nn.BatchNorm1d(X.size(-1))
    return nn.BatchNorm2d(X.size(-1))
"""),
    Wrong('momentum_to_torch', 'torch-too', """
def momentum_to_torch(momentum, source):
    return 1 - momentum
"""),
    Wrong('momentum_to_torch', 'keras-unchanged', """
def momentum_to_torch(momentum, source):
    if source in ('lecture', 'mindspore'):
        momentum = 1 - momentum
    return momentum
"""),
    Wrong('to_torch_state', 'shapes-kept', """
def to_torch_state(state):
    def name(n):
        return (n.replace('gamma', 'weight').replace('beta', 'bias')
                .replace('moving', 'running'))
    return {name(n): x for n, x in state.items()}
"""),
    Wrong('to_torch_state', 'all-flat', """
def to_torch_state(state):
    def name(n):
        return (n.replace('gamma', 'weight').replace('beta', 'bias')
                .replace('moving', 'running'))
    return {name(n): x.reshape(-1) for n, x in state.items()}
"""),
    Wrong('without_bias', 'mean-kept', """
def without_bias(layer, norm):
    layer.bias = None
    return layer, norm
"""),
    Wrong('without_bias', 'into-beta', """
def without_bias(layer, norm):
    norm.bias.data += layer.bias.data
    layer.bias = None
    return layer, norm
"""),
    Wrong('without_bias', 'bias-zeroed', """
def without_bias(layer, norm):
    norm.running_mean -= layer.bias.detach()
    nn.init.zeros_(layer.bias)
    return layer, norm
"""),
    Wrong('half_life', 'for-small-ones', """
def half_life(momentum):
    return 0.6931 / momentum
"""),
    Wrong('half_life', 'other-direction', """
def half_life(momentum):
    return math.log(0.5) / math.log(momentum)
"""),
    Wrong('replay', 'other-direction', """
def replay(means, momentum):
    average = 0
    for mean in means:
        average = momentum * average + (1 - momentum) * mean
    return average
"""),
    Wrong('replay', 'oldest-most', """
def replay(means, momentum):
    weights = momentum * (1 - momentum) ** torch.arange(len(means))
    return weights @ means
"""),
    Wrong('replay', 'starts-at-first', """
def replay(means, momentum):
    average = means[0]
    for mean in means[1:]:
        average = average + momentum * (mean - average)
    return average
"""),
    Wrong('warm', 'variance-from-zero', """
def warm(running_mean, running_var, momentum, num_batches):
    share = 1 - (1 - momentum) ** num_batches
    return running_mean / share, running_var / share
"""),
    Wrong('warm', 'other-direction', """
def warm(running_mean, running_var, momentum, num_batches):
    old = momentum ** num_batches
    return running_mean / (1 - old), (running_var - old) / (1 - old)
"""),
    Wrong('largest_eps', 'variance-for-deviation', """
def largest_eps(sigma, share):
    return sigma ** 2 / share - sigma ** 2
"""),
    Wrong('largest_eps', 'outside-the-root', """
def largest_eps(sigma, share):
    return sigma / share - sigma
"""),
    Wrong('still_training', 'every-norm', """
def still_training(net):
    return [n for n, m in net.named_modules() if 'BatchNorm' in repr(m)
            and not list(m.children())]
"""),
    Wrong('still_training', 'children-only', """
def still_training(net):
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    return [n for n, m in net.named_children()
            if isinstance(m, kinds) and m.training]
"""),
    Wrong('accuracy_of', 'mode-left', """
def accuracy_of(net, X, y):
    net.eval()
    return (net(X).argmax(1) == y).sum() / len(y)
"""),
    Wrong('accuracy_of', 'all-turned-on', """
def accuracy_of(net, X, y):
    net.eval()
    acc = (net(X).argmax(1) == y).sum() / len(y)
    net.train()
    return acc.item()
"""),
    Wrong('accuracy_of', 'mode-forgotten', """
def accuracy_of(net, X, y):
    with torch.no_grad():
        return (net(X).argmax(1) == y).float().mean()
"""),
    Wrong('decay_groups', 'gamma-decays', """
def decay_groups(net, weight_decay):
    named = list(net.named_parameters())
    return [
        {'params': [p for n, p in named if n.endswith('weight')],
         'weight_decay': weight_decay},
        {'params': [p for n, p in named if n.endswith('bias')],
         'weight_decay': 0},
    ]
"""),
    Wrong('decay_groups', 'everything-decays', """
def decay_groups(net, weight_decay):
    return [{'params': list(net.parameters()), 'weight_decay': weight_decay}]
"""),
    Wrong('refresh', 'not-reset', """
def refresh(net, batches):
    modes = [(m, m.training) for m in net.modules()]
    norms = [m for m in net.modules() if hasattr(m, 'running_mean')]
    old = [m.momentum for m in norms]
    net.train()
    for m in norms:
        m.momentum = None
    for X in batches:
        net(X)
    for m, momentum in zip(norms, old):
        m.momentum = momentum
    for m, training in modes:
        m.training = training
    return net
"""),
    Wrong('refresh', 'default-momentum', """
def refresh(net, batches):
    modes = [(m, m.training) for m in net.modules()]
    norms = [m for m in net.modules() if hasattr(m, 'running_mean')]
    net.train()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    for X in batches:
        net(X)
    for m in norms:
        m.momentum = 0.1
    for m, training in modes:
        m.training = training
    return net
"""),
    Wrong('freeze_norms', 'turned-on-again', """
def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.eval()
    return net
"""),
    Wrong('freeze_norms', 'mode-comes-back', """
def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.eval()
            m.weight.requires_grad = m.bias.requires_grad = False
    return net
"""),
    Wrong('freeze_norms', 'dropout-off', """
def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.requires_grad_(False)
    net.eval()
    net.train = lambda mode=True: net
    return net
"""),
)  # fmt: skip

RIGHT = (
    Right('share', 'share = 1 / 4096'),
    Right('share', 'share = torch.tensor(0.25) ** 6'),
    Right('relative_update', """
def relative_update(before, after):
    change = ((after - before) ** 2).sum() ** 0.5
    return float(change / (before ** 2).sum() ** 0.5)
"""),
    Right('gradient_norms', """
def gradient_norms(net, X, y):
    weights = [m.weight for m in net.modules() if isinstance(m, nn.Linear)]
    grads = torch.autograd.grad(cross_entropy(net(X), y), weights)
    return torch.stack([torch.linalg.vector_norm(g) for g in grads])
"""),
    Right('frozen_sgd', """
def frozen_sgd(net, lr):
    bottom = [m for m in net if isinstance(m, nn.Linear)][0]
    rest = [p for m in net if m is not bottom for p in m.parameters()]
    return torch.optim.SGD(rest, lr=lr)
"""),
    Right('x_hat', 'x_hat = torch.tensor([-3.0, -1, -1, 5]) / 3'),
    Right('x_hat', 'x_hat = (-1.0, -0.3333, -0.3333, 1.6667)'),
    Right('statistics', """
def statistics(X):
    C = X.shape[1]
    rows = X.transpose(0, 1).reshape(C, -1)
    return [(rows.mean(1).view(1, C, 1, 1)),
            rows.var(1, correction=0).view(1, C, 1, 1)]
"""),
    Right('undo', """
def undo(X, eps):
    beta = X.mean((0, 2, 3), keepdim=True)
    gamma = ((X - beta).pow(2).mean((0, 2, 3), keepdim=True) + eps) ** 0.5
    return gamma, beta
"""),
    Right('conv_backward', """
def conv_backward(X, gamma, g, eps):
    X = X.clone().requires_grad_()
    gamma = gamma.clone().requires_grad_()
    beta = torch.zeros_like(gamma, requires_grad=True)
    Y = nn.functional.batch_norm(
        X, None, None, gamma.flatten(), beta.flatten(), True, eps=eps)
    return torch.autograd.grad((g * Y).sum(), (X, gamma, beta))
"""),
    Right('remember_var', """
def remember_var(moving_var, X, momentum):
    n = X.numel() // X.shape[1]
    mean = X.mean((0, 2, 3), keepdim=True)
    var = ((X - mean) ** 2).sum((0, 2, 3), keepdim=True) / (n - 1)
    return moving_var.lerp(var, momentum)
"""),
    Right('remember_var', """
def remember_var(moving_var, X, momentum):
    norm = nn.BatchNorm2d(X.shape[1], momentum=momentum)
    norm.running_var.copy_(moving_var.flatten())
    norm(X)
    return norm.running_var.reshape(moving_var.shape)
"""),
    Right('norm_for', """
def norm_for(X):
    return {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[X.ndim](
        num_features=X.size(1))
"""),
    Right('norm_for', """
def norm_for(X):
    return nn.LazyBatchNorm2d() if X.ndim == 4 else nn.LazyBatchNorm1d()
"""),
    Right('momentum_to_torch', """
def momentum_to_torch(momentum, source):
    table = {'torch': momentum}
    return table.get(source, 1.0 - momentum)
"""),
    Right('to_torch_state', """
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
    Right('without_bias', """
def without_bias(layer, norm):
    norm.running_mean = norm.running_mean - layer.bias.detach()
    layer.register_parameter('bias', None)
    return [layer, norm]
"""),
    Right('half_life', """
def half_life(momentum):
    return (torch.tensor(0.5).log() / torch.tensor(1 - momentum).log())
"""),
    Right('half_life', """
def half_life(momentum):
    return math.log(0.5, 1 - momentum)
"""),
    Right('replay', """
def replay(means, momentum):
    norm = nn.BatchNorm1d(means.shape[1], momentum=momentum)
    for mean in means:
        norm(mean.expand(2, -1))
    return norm.running_mean
"""),
    Right('replay', """
def replay(means, momentum):
    average = 0.0
    for mean in means:
        average += momentum * (mean - average)
    return average
"""),
    Right('warm', """
def warm(running_mean, running_var, momentum, num_batches):
    old = 1.0
    for _ in range(num_batches):
        old *= 1 - momentum
    return [running_mean / (1 - old), 1 + (running_var - 1) / (1 - old)]
"""),
    Right('largest_eps', """
def largest_eps(sigma, share):
    return (sigma / share) ** 2 - sigma ** 2
"""),
    Right('still_training', """
def still_training(net):
    found = []
    for name, m in net.named_modules():
        if type(m).__name__ in ('BatchNorm1d', 'BatchNorm2d') and m.training:
            found.append(name)
    return tuple(found)
"""),
    Right('accuracy_of', """
def accuracy_of(net, X, y):
    import copy
    y_hat = copy.deepcopy(net).eval()(X)
    return (y_hat.argmax(dim=1) == y).sum().item() / len(y)
"""),
    Right('decay_groups', """
def decay_groups(net, weight_decay):
    decay, rest = [], []
    for m in net.modules():
        for name, p in m.named_parameters(recurse=False):
            heavy = name == 'weight' and isinstance(m, (nn.Linear, nn.Conv2d))
            (decay if heavy else rest).append(p)
    return [{'params': rest}, {'params': decay, 'weight_decay': weight_decay}]
"""),
    Right('refresh', """
def refresh(net, batches):
    norms = [m for m in net.modules() if hasattr(m, 'running_mean')]
    was = [(m, m.training) for m in net.modules()]
    momenta = {m: m.momentum for m in norms}
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
    Right('freeze_norms', """
def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.requires_grad_(False)
            m.register_forward_pre_hook(lambda norm, _: norm.eval() and None)
    return net
"""),
    Right('freeze_norms', """
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
)  # fmt: skip
