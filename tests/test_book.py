"""The book's cells run with only the import changed.

The lecture's are its own, to the letter; those of other chapters are told in
few words, with small nets.
"""
# ruff: noqa: E501, W291

import ast
from typing import Any

import pytest
import torch
from matplotlib import pyplot as plt

from d2lmini import data
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

VGG = """
import torch
from torch import nn
import d2lmini as d2l

def vgg_block(num_convs, in_channels, out_channels):
    layers = []
    for _ in range(num_convs):
        layers += [nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU()]
        in_channels = out_channels
    return nn.Sequential(*layers, nn.MaxPool2d(2, 2))

net = nn.Sequential(
    nn.AvgPool2d(8), vgg_block(1, 1, 4), vgg_block(2, 4, 8), nn.Flatten(),
    nn.Linear(8 * 7 * 7, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10))
lr, num_epochs, batch_size = 0.05, 1, 32
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=224)
d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
"""

NIN = """
import torch
from torch import nn
import d2lmini as d2l

def nin_block(in_channels, out_channels, kernel_size, stride):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride), nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1), nn.ReLU())

net = nn.Sequential(
    nin_block(1, 4, 11, 8), nn.MaxPool2d(3, stride=2), nn.Dropout(0.5),
    nin_block(4, 10, 3, 1), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
lr, num_epochs, batch_size = 0.1, 1, 32
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=224)
d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
"""

RESNET = """
import torch
from torch import nn
from torch.nn import functional as F
import d2lmini as d2l

class Residual(nn.Module):
    def __init__(self, input_channels, num_channels, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(
            input_channels, num_channels, 3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        self.conv3 = nn.Conv2d(input_channels, num_channels, 1, stride=strides)
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = F.relu(self.bn1(self.conv1(X)))
        return F.relu(self.bn2(self.conv2(Y)) + self.conv3(X))

class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.ModuleList([Residual(1, 4, 4), Residual(4, 8, 4)])
        self.head = nn.Linear(8, 10)

    def forward(self, X):
        for block in self.body:
            X = block(X)
        return self.head(X.mean(dim=(2, 3)))

net = ResNet()
lr, num_epochs, batch_size = 0.05, 1, 32
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=96)
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
    ('cell', 'size'), [(VGG, 224), (NIN, 224), (RESNET, 96)]
)
def test_other_chapters_cells_run_without_a_resized_copy_in_memory(
    cell: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, 'QUICK_SIZES', (64, 40))
    page: dict[str, Any] = {}
    history = run(cell, page)
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
