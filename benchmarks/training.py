"""Seconds an epoch of BN-LeNet: a bare loop, `train_ch6`, the book's way.

    python benchmarks/training.py [--epochs 10] [--rounds 2]

They train as long as the lessons do, in a Jupyter kernel, so that the
pictures are really drawn and sent, and each measures the test set once an
epoch. A machine's speed can change by a tenth within minutes: so whenever
`train_ch6` asks for the batches of an epoch, each bare loop first trains for
one, and `train_ch6` is charged with the rest of the time, its pictures
included. First with torch's own batch normalization, then with a layer from
scratch: ours, and in the book's way the lecture's, which lesson 03 starts
from. The book's way, two to three times as slow, runs once, by itself.
Prints tables for benchmarks/README.md.
"""

import argparse
import gzip
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from budget import judged
from torch import Tensor, nn

import d2lmini as d2l

Norm = Callable[[int, int], nn.Module]
BATCH_SIZE, LR = 256, 1.0
LESSON = Path(__file__).parents[1] / 'notebooks' / '03_from_scratch.ipynb'
FIRST = 0.3  # seconds
LAYER = 1.4  # from scratch, of torch's, in a bare epoch
LAYERS: dict[str, Norm] = {
    "torch's layer": d2l.torch_norm,
    'from scratch': d2l.BatchNorm,
}
LIMITS = {
    'train_ch6 / bare': ('at most', 1.05),
    'book / train_ch6': ('at least', 2.5),
}


class Bare:
    """The shortest loop that trains, over batches made beforehand.

    Parameters
    ----------
    norm : builds the batch normalization of its BN-LeNet
    train, test : list of batches
    """

    def __init__(self, norm: Norm, train: list, test: list) -> None:
        self.net, self.train, self.test = d2l.lenet(norm), train, test
        self.net.apply(xavier)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=LR)
        self.loss = nn.CrossEntropyLoss()
        self.seconds: list[float] = []

    def epoch(self) -> None:
        """Train for an epoch, measure the test set; note the seconds."""
        start = time.perf_counter()
        self.net.train()
        for X, y in self.train:
            self.optimizer.zero_grad()
            self.loss(self.net(X), y).backward()
            self.optimizer.step()
        self.net.eval()
        with torch.no_grad():
            sum(int((self.net(X).argmax(1) == y).sum()) for X, y in self.test)
        self.seconds.append(time.perf_counter() - start)


class InTurn:
    """Batches for which each bare loop trains an epoch before each epoch.

    Parameters
    ----------
    batches : what is given then
    others : list of Bare
    """

    def __init__(self, batches: Any, others: list[Bare]) -> None:
        self.batches, self.others = batches, others

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        for other in self.others:
            other.epoch()
        return iter(self.batches)


def xavier(module: nn.Module) -> None:
    """Start linear and convolutional weights as the book does."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)


def in_turn(layer: str, num_epochs: int) -> dict[str, float]:
    """Time `train_ch6` with its live picture, and the bare loops meanwhile.

    Returns
    -------
    dict : seconds an epoch of `train_ch6` with this layer, and under their
        names of the bare loops with each
    """
    train_iter, test_iter = d2l.load_data_fashion_mnist(BATCH_SIZE)
    train, test = list(train_iter), list(test_iter)
    bares = {name: Bare(each, train, test) for name, each in LAYERS.items()}
    net = d2l.lenet(LAYERS[layer])
    batches = InTurn(train_iter, list(bares.values()))
    start = time.perf_counter()
    d2l.train_ch6(net, batches, test_iter, num_epochs, LR, 'cpu')
    whole = time.perf_counter() - start
    spent = {name: sum(each.seconds) for name, each in bares.items()}
    spent['train_ch6'] = whole - sum(spent.values())
    return {name: each / num_epochs for name, each in spent.items()}


def book(norm: Norm, num_epochs: int, root: str) -> float:
    """Time the book's way: transforms, 4 workers, a redraw by clearing."""
    train_iter, test_iter = torchvision_loaders(root)
    net = d2l.lenet(norm)
    net.apply(xavier)
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    loss = nn.CrossEntropyLoss()
    redraw = redraw_by_clearing(num_epochs)
    every = len(train_iter) // 5
    start = time.perf_counter()
    for epoch in range(num_epochs):
        net.train()
        total, right, seen = 0.0, 0.0, 0
        for i, (X, y) in enumerate(train_iter):
            optimizer.zero_grad()
            y_hat = net(X)
            value = loss(y_hat, y)
            value.backward()
            optimizer.step()
            with torch.no_grad():
                total += float(value * len(y))
                right += accuracy_count(y_hat, y)
                seen += len(y)
            if (i + 1) % every == 0 or i == len(train_iter) - 1:
                at = epoch + (i + 1) / len(train_iter)
                redraw(at, (total / seen, right / seen, None))
        net.eval()
        with torch.no_grad():
            hits = sum(accuracy_count(net(X), y) for X, y in test_iter)
        redraw(epoch + 1, (None, None, hits / 10000))
    return (time.perf_counter() - start) / num_epochs


def accuracy_count(y_hat: Tensor, y: Tensor) -> float:
    """Count the right answers."""
    return float((y_hat.argmax(dim=1) == y).sum())


def lectures() -> type[nn.Module]:
    """Return the lecture's layer, as the cells of lesson 03 define it."""
    import nbformat

    names: dict[str, Any] = {'torch': torch, 'nn': nn}
    for cell in nbformat.read(LESSON, 4).cells:
        if cell.id in ('simple-function', 'simple-class'):
            exec(cell.source, names)
    layer: type[nn.Module] = names['BatchNormSimple']
    return layer


def torchvision_loaders(root: str) -> list[torch.utils.data.DataLoader]:
    """Load Fashion-MNIST through torchvision, 4 worker processes each."""
    from torchvision import datasets, transforms

    return [
        torch.utils.data.DataLoader(
            datasets.FashionMNIST(
                root, train=train, transform=transforms.ToTensor()
            ),
            BATCH_SIZE,
            shuffle=train,
            num_workers=4,
        )
        for train in (True, False)
    ]


def redraw_by_clearing(num_epochs: int) -> Callable[[float, tuple], None]:
    """Return a plot that is drawn anew and shown anew at every point."""
    from IPython.display import clear_output, display
    from matplotlib import pyplot as plt
    from matplotlib_inline import backend_inline

    backend_inline.set_matplotlib_formats('svg')  # as the book asks for
    fig, ax = plt.subplots(figsize=(3.5, 2.5))
    curves: list[tuple[list, list]] = [([], []) for _ in range(3)]

    def add(x: float, values: tuple) -> None:
        ax.cla()
        for (xs, ys), value in zip(curves, values, strict=True):
            if value is not None:
                xs.append(x)
                ys.append(value)
            ax.plot(xs, ys)
        ax.set_xlim(1, num_epochs)
        ax.legend(['train loss', 'train acc', 'test acc'])
        ax.grid()
        display(fig)
        clear_output(wait=True)

    return add


def unpacked(root: str) -> None:
    """Write the real files as torchvision wants them, plain, below `root`."""
    raw = Path(root, 'FashionMNIST', 'raw')
    raw.mkdir(parents=True)
    source = Path(os.environ['D2LMINI_DATA'], 'FashionMNIST', 'raw')
    for packed in source.glob('*.gz'):
        with gzip.open(packed) as a, open(raw / packed.stem, 'wb') as b:
            shutil.copyfileobj(a, b)


def measure(num_epochs: int, rounds: int) -> None:
    """Run everything and print the tables; called in the kernel."""
    tables, rounds_of_both = [], []
    with tempfile.TemporaryDirectory() as root:
        unpacked(root)
        in_turn("torch's layer", 1)  # loads what draws: no epoch's time
        books = dict(zip(LAYERS, (d2l.torch_norm, lectures()), strict=True))
        for name in LAYERS:
            found = [in_turn(name, num_epochs) for _ in range(rounds)]
            seconds = {
                'bare': [each[name] for each in found],
                'train_ch6': [each['train_ch6'] for each in found],
                'book': [book(books[name], num_epochs, root)],
            }
            tables.append(table(name, seconds))
            rounds_of_both += found
    torchs, scratch = (
        sum(each[name] for each in rounds_of_both) for name in LAYERS
    )
    what = "BatchNorm from scratch / torch's, bare"
    tables.append(row(what, scratch / torchs, 'at most', LAYER))
    print('RESULT', *tables, sep='\n', flush=True)


def table(name: str, seconds: dict[str, list[float]]) -> str:
    """Return the seconds and their ratios as Markdown."""
    lines = [
        f'BN-LeNet, {name}:\n',
        '| what | seconds an epoch, mean | each round |',
        '|---|---|---|',
    ]
    for what, each in seconds.items():
        shown = ', '.join(f'{s:.2f}' for s in each)
        lines.append(f'| {what} | {statistics.mean(each):.2f} | {shown} |')
    lines += ['\n| ratio | measured | limit | |', '|---|---|---|---|']
    for ratio, (word, limit) in LIMITS.items():
        a, b = (statistics.mean(seconds[what]) for what in ratio.split(' / '))
        lines.append(row(ratio, a / b, word, limit))
    return '\n'.join(lines) + '\n'


def row(ratio: str, value: float, word: str, limit: float) -> str:
    """Return the row of a ratio, and whether it is within its budget."""
    verdict = judged(value, limit, least=word == 'at least')
    return f'| {ratio} | {value:.2f} | {word} {limit} | {verdict} |'


def first_batches(n: int = 5) -> Iterator[float]:
    """Yield seconds from the call to the first batch, a process each."""
    import subprocess

    code = (
        'import time, d2lmini as d; t = time.perf_counter(); '
        'next(iter(d.load_data_fashion_mnist(256)[0])); '
        'print(time.perf_counter() - t)'
    )
    for _ in range(n):
        done = subprocess.run(
            [sys.executable, '-c', code],
            capture_output=True,
            text=True,
            check=True,
        )
        yield float(done.stdout.split()[-1])


def in_kernel(num_epochs: int, rounds: int) -> str:
    """Run `measure` in a Jupyter kernel and return what it printed."""
    import nbformat
    from nbclient import NotebookClient

    cell = f'import training\ntraining.measure({num_epochs}, {rounds})'
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell)]
    )
    here = {'metadata': {'path': str(Path(__file__).parent)}}
    NotebookClient(notebook, timeout=3600, resources=here).execute()
    text = ''.join(
        output.get('text', '') for output in notebook.cells[0].outputs
    )
    return text.split('RESULT\n')[-1]


def main() -> None:
    """Measure everything and print it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--epochs', type=int, default=10)
    options.add_argument('--rounds', type=int, default=2)
    chosen = options.parse_args()
    if not os.environ.get('D2LMINI_DATA'):
        sys.exit(
            "The book's way needs the real files: set D2LMINI_DATA to the "
            'folder that holds FashionMNIST/raw/.'
        )
    first = statistics.median(first_batches())
    print(
        f'{platform.processor() or platform.machine()}, {os.cpu_count()} '
        f'cores, Python {platform.python_version()}, torch '
        f'{torch.__version__}\n'
    )
    print(
        f'first batch after the call: {first:.2f} s (limit {FIRST}: '
        f'{judged(first, FIRST)})\n'
    )
    print(in_kernel(chosen.epochs, chosen.rounds))


if __name__ == '__main__':
    main()
