"""The book's cells run with only the import changed.

The lecture's are its own, to the letter; those of other chapters are told in
our words: the same helpers called in the same places, on small nets.
"""
# ruff: noqa: E501, W291

import ast
from typing import Any

import pytest
import torch
from matplotlib import pyplot as plt

import d2lmini as d2l
from d2lmini import book, data
from d2lmini.data import Batches

FUNCTION = """\
import torch
from torch import nn
import d2lmini as d2l

# moving_mean 和 moving_var 相当于全局的均值和方差, 做推理时使用，是整个数据集的均值和方差，而不是一个小批量的
# momentum 是用来更新moving_mean 和 moving_var的，通常取0.9
# eps通常有个默认值
def batch_norm(X, gamma, beta, moving_mean, moving_var, eps, momentum) :
    if not torch.is_grad_enabled():
        X_hat = (X - moving_mean) / torch.sqrt(moving_var + eps)    # 推理是用全局的mean
    else : 
        assert len(X.shape) in (2, 4)   # 要么是2D全连接层要么是4D卷积层
        if len(X.shape) == 2 :
            mean = X.mean(dim = 0)      # 对每一个特征求平均值
            var = ((X - mean) ** 2).mean(dim = 0)
        else :
            mean = X.mean(dim = (0, 2, 3), keepdim = True)          # 卷积要对输出通道数进行批量归一化
            var = ((X - mean) ** 2).mean(dim = (0, 2, 3), keepdim = True)
        X_hat = (X - mean) / torch.sqrt(var + eps)                  # 训练是用当前的mean
        moving_mean = momentum * moving_mean + (1.0 - momentum) * mean
        moving_var = momentum * moving_var + (1.0 - momentum) * var
    Y = gamma * X_hat + beta
    return Y, moving_mean.data, moving_var.data
"""

LAYER = """\
class BatchNorm(nn.Module):
    # num_features：完全连接层的输出数量或卷积层的输出通道数。
    # num_dims：2表示完全连接层，4表示卷积层
    def __init__(self, num_features, num_dims):
        super().__init__()
        if num_dims == 2:
            shape = (1, num_features)
        else:
            shape = (1, num_features, 1, 1)
        # 参与求梯度和迭代的拉伸和偏移参数，分别初始化成1和0
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        # 非模型参数的变量初始化为0和1
        self.moving_mean = torch.zeros(shape)
        self.moving_var = torch.ones(shape)

    def forward(self, X):
        # 如果X不在内存上，将moving_mean和moving_var
        # 复制到X所在显存上
        if self.moving_mean.device != X.device:
            self.moving_mean = self.moving_mean.to(X.device)
            self.moving_var = self.moving_var.to(X.device)
        # 保存更新过的moving_mean和moving_var
        Y, self.moving_mean, self.moving_var = batch_norm(
            X, self.gamma, self.beta, self.moving_mean,
            self.moving_var, eps=1e-5, momentum=0.9)
        return Y
"""

NET = """\
net = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5), BatchNorm(6, num_dims=4), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5), BatchNorm(16, num_dims=4), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
    nn.Linear(16*4*4, 120), BatchNorm(120, num_dims=2), nn.Sigmoid(),
    nn.Linear(120, 84), BatchNorm(84, num_dims=2), nn.Sigmoid(),
    nn.Linear(84, 10))
"""

TRAINING = """\
lr, num_epochs, batch_size = 1.0, 10, 256
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
"""

PARAMETERS = """\
net[1].gamma.reshape((-1,)), net[1].beta.reshape((-1,))
"""

CONCISE = """\
net = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5), nn.BatchNorm2d(6), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5), nn.BatchNorm2d(16), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
    nn.Linear(256, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
    nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(),
    nn.Linear(84, 10))

d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
"""

LOOP = """
import torch
from torch import nn
import d2lmini as d2l

def share(net, data_iter, device):
    net.eval()
    count = d2l.Accumulator(2)
    with torch.no_grad():
        for X, y in data_iter:
            X, y = X.to(device), y.to(device)
            count.add(d2l.accuracy(net(X), y), y.numel())
    return count[0] / count[1]

def fit(net, train_iter, test_iter, num_epochs, lr, device):
    net.to(device)
    sgd = torch.optim.SGD(net.parameters(), lr=lr)
    animator = d2l.Animator(xlabel='epoch', xlim=[1, num_epochs],
                            legend=['train loss', 'train acc', 'test acc'])
    timer, num_batches = d2l.Timer(), len(train_iter)
    for epoch in range(num_epochs):
        net.train()
        metric = d2l.Accumulator(3)
        for i, (X, y) in enumerate(train_iter):
            timer.start()
            X, y = X.to(device), y.to(device)
            y_hat = net(X)
            loss = nn.functional.cross_entropy(y_hat, y)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            with torch.no_grad():
                metric.add(loss * len(y), d2l.accuracy(y_hat, y), len(y))
            timer.stop()
            means = metric[0] / metric[2], metric[1] / metric[2]
            animator.add(epoch + (i + 1) / num_batches, (*means, None))
        animator.add(epoch + 1, (None, None, share(net, test_iter, device)))
    print(f'{metric[2] * num_epochs / timer.sum():.1f} examples/sec')
    d2l.plt.show()
    return animator

net = d2l.lenet()
start = {name: value.clone() for name, value in net.state_dict().items()}
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=256)
d2l.set_seed(1)
animator = fit(net, train_iter, test_iter, 2, 0.5, d2l.try_gpu())
"""

IMPORTS = """
import torch
from torch import nn
from torch.nn import functional as F
import d2lmini as d2l
"""

ALEXNET = """
net = nn.Sequential(
    nn.Conv2d(1, 4, kernel_size=11, stride=8, padding=1), nn.ReLU(),
    nn.MaxPool2d(kernel_size=3, stride=2),
    nn.Conv2d(4, 8, kernel_size=5, padding=2), nn.ReLU(),
    nn.MaxPool2d(kernel_size=3, stride=2), nn.Flatten(),
    nn.Linear(8 * 6 * 6, 16), nn.ReLU(), nn.Dropout(p=0.5), nn.Linear(16, 10))
"""

VGG = """
def vgg_block(num_convs, in_channels, out_channels):
    layers = []
    for _ in range(num_convs):
        layers += [nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU()]
        in_channels = out_channels
    return nn.Sequential(*layers, nn.MaxPool2d(2, 2))

net = nn.Sequential(
    nn.AvgPool2d(8), vgg_block(1, 1, 4), vgg_block(2, 4, 8), nn.Flatten(),
    nn.Linear(8 * 7 * 7, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10))
"""

NIN = """
def nin_block(in_channels, out_channels, kernel_size, stride):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride), nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1), nn.ReLU())

net = nn.Sequential(
    nin_block(1, 4, 11, 8), nn.MaxPool2d(3, stride=2), nn.Dropout(0.5),
    nin_block(4, 10, 3, 1), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
"""

GOOGLENET = """
class Inception(nn.Module):
    def __init__(self, in_channels, c1, c2, c3, c4):
        super().__init__()
        self.one = nn.Conv2d(in_channels, c1, kernel_size=1)
        self.three = nn.Conv2d(in_channels, c2, kernel_size=3, padding=1)
        self.five = nn.Conv2d(in_channels, c3, kernel_size=5, padding=2)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        self.after = nn.Conv2d(in_channels, c4, kernel_size=1)

    def forward(self, X):
        paths = self.one(X), self.three(X), self.five(X), self.after(self.pool(X))
        return torch.cat([F.relu(path) for path in paths], dim=1)

net = nn.Sequential(
    nn.Sequential(nn.Conv2d(1, 4, 7, stride=4, padding=3), nn.ReLU()),
    nn.Sequential(Inception(4, 2, 4, 1, 1), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()),
    nn.Linear(8, 10))
"""

RESNET = """
class Residual(nn.Module):
    def __init__(self, input_channels, num_channels, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(
            input_channels, num_channels, 3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        self.conv3 = None
        if use_1x1conv:
            self.conv3 = nn.Conv2d(input_channels, num_channels, 1, stride=strides)
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = F.relu(self.bn1(self.conv1(X)))
        return F.relu(self.bn2(self.conv2(Y)) + (self.conv3(X) if self.conv3 else X))

net = nn.Sequential(
    Residual(1, 4, use_1x1conv=True, strides=4), Residual(4, 4),
    nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(4, 10))
"""

DENSENET = """
def conv_block(input_channels, num_channels):
    return nn.Sequential(
        nn.BatchNorm2d(input_channels), nn.ReLU(),
        nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1))

class DenseBlock(nn.Module):
    def __init__(self, num_convs, input_channels, num_channels):
        super().__init__()
        widths = [input_channels + i * num_channels for i in range(num_convs)]
        self.net = nn.Sequential(*[conv_block(w, num_channels) for w in widths])

    def forward(self, X):
        for block in self.net:
            X = torch.cat((X, block(X)), dim=1)
        return X

net = nn.Sequential(
    nn.Conv2d(1, 4, 7, stride=4, padding=3), DenseBlock(2, 4, 2),
    nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.AvgPool2d(2, stride=2),
    nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(4, 10))
"""

SHAPES = """
X = torch.randn(1, 1, {0}, {0})
for layer in net:
    X = layer(X)
    print(layer.__class__.__name__, 'output shape:', X.shape)
"""

TRAIN = """
lr, num_epochs, batch_size = 0.05, 1, 32
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize={0})
d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
"""

PARALLEL = """
device = d2l.try_all_gpus()[0]
a = d2l.evaluate_accuracy_gpu(net, test_iter)
b = d2l.evaluate_accuracy_gpu(lambda X: net(X), test_iter, device)
a, b
"""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use drawn garments, in quick mode."""
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    monkeypatch.setenv('D2LMINI_DATASET', 'drawn')


def run(cell: str, namespace: dict[str, Any]) -> Any:
    """Run a cell and return what a notebook would show beneath it."""
    *body, last = ast.parse(cell).body
    exec(compile(ast.Module(body, []), 'cell', 'exec'), namespace)
    if isinstance(last, ast.Expr):
        value = compile(ast.Expression(last.value), 'cell', 'eval')
        return eval(value, namespace)
    exec(compile(ast.Module([last], []), 'cell', 'exec'), namespace)
    return None


def test_the_lectures_cells_run_to_the_letter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page: dict[str, Any] = {}
    torch.manual_seed(0)
    for cell in (FUNCTION, LAYER, NET):
        assert run(cell, page) is None
    history = run(TRAINING, page)
    gamma, beta = run(PARAMETERS, page)
    assert gamma.shape == beta.shape == (6,)
    assert not torch.equal(gamma, torch.ones(6))  # it was trained
    assert len(history.loss) == 2 and history.loss[1] < history.loss[0]
    from_scratch = page['net']
    again = run(CONCISE, page)
    assert page['net'] is not from_scratch
    assert isinstance(page['net'][1], torch.nn.BatchNorm2d)
    assert len(again.loss) == 2 and again.loss[1] < again.loss[0]
    out = capsys.readouterr().out
    assert out.count('training on cpu\n') == 2
    for told in (history, again):
        numbers = told.loss[-1], told.train_acc[-1], told.test_acc[-1]
        line = 'loss {:.3f}, train acc {:.3f}, test acc {:.3f}\n'
        assert f'\n{line.format(*numbers)}' in out
    assert out.count(' examples/sec on cpu\n') == 2
    assert plt.get_fignums() == []


def held(iterator: Batches) -> int:
    """Return the bytes of all tensors that the iterator holds."""
    tensors = [v for v in vars(iterator).values() if torch.is_tensor(v)]
    return sum(v.numel() * v.element_size() for v in tensors)


@pytest.mark.parametrize(
    ('cell', 'size'),
    [(ALEXNET, 224), (VGG, 224), (NIN, 224), (GOOGLENET, 96), (RESNET, 96),
     (DENSENET, 96)],
)  # fmt: skip
def test_other_chapters_cells_run_without_a_resized_copy_in_memory(
    cell: str,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(data, 'QUICK_SIZES', (64, 40))
    page: dict[str, Any] = {}
    for each in (IMPORTS, cell, SHAPES.format(size)):
        run(each, page)
    assert capsys.readouterr().out.endswith('shape: torch.Size([1, 10])\n')
    history = run(TRAIN.format(size), page)
    assert len(history.batch_loss) == 2 and len(history.test_acc) == 1
    train_iter, test_iter = page['train_iter'], page['test_iter']
    X, y = next(iter(train_iter))
    assert X.shape == (32, 1, size, size) and X.dtype == torch.float32
    assert y.shape == (32,) and y.dtype == torch.int64
    assert (len(train_iter), len(test_iter)) == (2, 2)
    for iterator, n in ((train_iter, 64), (test_iter, 40)):
        assert held(iterator) == n * (28 * 28 + 1)  # bytes, also after use
    one, other = run(PARALLEL, page)
    assert one == other == history.test_acc[0]


def test_a_loop_of_ones_own_equals_train_ch6(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page: dict[str, Any] = {}
    run(LOOP, page)
    assert capsys.readouterr().out.endswith(' examples/sec\n')
    loss, train_acc, test_acc = page['animator'].Y
    batches = page['train_iter'], page['test_iter']
    net = d2l.lenet()
    net.load_state_dict(page['start'])
    d2l.set_seed(1)
    history = d2l.train_ch6(net, *batches, 2, 0.5, init=False)
    n = len(page['train_iter'])
    assert loss[n - 1 :: n] == pytest.approx(history.loss)
    assert train_acc[n - 1 :: n] == pytest.approx(history.train_acc)
    assert test_acc == history.test_acc
    assert page['animator'].X[2] == [1, 2]


def test_accuracy_counts_the_right_ones_and_an_accumulator_adds_up() -> None:
    y, metric = torch.tensor([0, 2, 1]), d2l.Accumulator(2)
    metric.add(d2l.accuracy(torch.eye(3), y), torch.tensor(1.5))
    metric.add(d2l.accuracy(torch.tensor([0.0, 2.0, 2.0]), y), 1)
    assert [*metric] == [3.0, 2.5]
    with pytest.raises(ValueError, match='each of the 2 sums, got 1'):
        metric.add(1)
    metric.reset()
    assert (metric[0], metric[1]) == (0.0, 0.0)


def test_a_timer_keeps_its_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 5.0, 8.0])
    monkeypatch.setattr(book, 'perf_counter', lambda: next(clock))
    timer = d2l.Timer()
    assert timer.stop() == 1.0
    timer.start()
    assert timer.stop() == 3.0
    assert (timer.sum(), timer.avg(), timer.cumsum()) == (4.0, 2.0, [1.0, 4.0])


def test_plt_is_pyplot_and_other_names_are_not_there() -> None:
    assert d2l.plt is plt
    with pytest.raises(AttributeError, match="no attribute 'pit'"):
        _ = d2l.pit
