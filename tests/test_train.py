"""Training against a bare loop, interrupted, diverging, and timed."""

import copy
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from d2lmini import evaluate_accuracy_gpu, set_seed, train, train_ch6
from d2lmini.data import Batches
from d2lmini.history import History

CPU = torch.device('cpu')
Pairs = list[tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train at full length, and speak English."""
    monkeypatch.delenv('D2LMINI_QUICK', raising=False)
    monkeypatch.setattr('d2lmini.show.lang._chosen', 'en')


class Net(nn.Module):
    """Not a Sequential; the order of its random numbers matters (dropout)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)
        self.drop, self.out = nn.Dropout(0.2), nn.Linear(3, 4)

    def forward(self, X: Tensor) -> Tensor:
        Y = torch.relu(self.norm(self.conv(X))).mean(dim=(2, 3))
        return self.out(self.drop(Y))


def data(n: int = 23, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(4, (n,), generator=generator)
    X = 2 * torch.randn(n, 1, 6, 6, generator=generator)
    return X + y[:, None, None, None], y


def batches(n: int = 23, size: int = 5, seed: int = 0) -> Pairs:
    X, y = data(n, seed)
    return list(zip(X.split(size), y.split(size), strict=True))


def batches_of_images() -> Batches:
    X, y = data()
    images = X.mul(40).clamp(0, 255).byte().squeeze(1)
    return Batches(images, y.byte(), 5, 'small', shuffle=True)


ITERATORS: dict[str, Callable[[], Any]] = {
    'list': batches,
    'tuple': lambda: tuple(batches()),
    'DataLoader': lambda: DataLoader(TensorDataset(*data()), 5, shuffle=True),
    'Batches': batches_of_images,
}


def bare(
    net: nn.Module, train_iter: Any, test_iter: Any, epochs: int, lr: float
) -> SimpleNamespace:
    """Train as plainly as can be: what train_ch6 must equal."""
    told = SimpleNamespace(batch_loss=[], loss=[], train_acc=[], test_acc=[])
    for module in net.modules():
        if type(module) in (nn.Linear, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
    sgd = torch.optim.SGD(net.parameters(), lr)
    for _ in range(epochs):
        net.train()
        losses, hits = [], []
        for X, y in train_iter:
            y_hat = net(X)
            loss = nn.functional.cross_entropy(y_hat, y)
            if not loss.isfinite():
                return told
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            told.batch_loss.append(loss.item())
            losses.append(loss.detach().expand(len(y)))
            hits.append(y_hat.argmax(1) == y)
        told.loss.append(torch.cat(losses).mean().item())
        told.train_acc.append(torch.cat(hits).double().mean().item())
        net.eval()
        with torch.no_grad():
            hits = [net(X).argmax(1) == y for X, y in test_iter]
        told.test_acc.append(torch.cat(hits).double().mean().item())
    return told


def assert_usable(net: nn.Module) -> None:
    """In evaluation mode, finite, nothing left on it, ready to train on."""
    assert not any(module.training for module in net.modules())
    assert all(p.grad is None for p in net.parameters())
    assert all(t.isfinite().all() for t in net.state_dict().values())
    assert not any(
        hooks
        for module in net.modules()
        for name, hooks in vars(module).items()
        if name.endswith('hooks')
    )
    assert torch.is_grad_enabled()
    assert plt.get_fignums() == []
    again = train_ch6(net, batches(), batches(), 1, 0.1, CPU, init=False)
    assert len(again.loss) == 1 and not again.stopped_at


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(
        k == m and torch.equal(v.nan_to_num(7), w.nan_to_num(7))
        for (k, v), (m, w) in pairs
    )


@pytest.mark.parametrize('kind', ITERATORS)
@pytest.mark.parametrize('device', ['cpu', CPU])
def test_equals_the_bare_loop_to_the_last_digit(
    kind: str, device: str | torch.device
) -> None:
    first, second, test_iter = Net(), Net(), batches(9, 4, seed=1)
    second.load_state_dict(first.state_dict())
    set_seed(3)
    want = bare(first, ITERATORS[kind](), test_iter, 3, 0.3)
    set_seed(3)
    got = train_ch6(second, ITERATORS[kind](), test_iter, 3, 0.3, device)
    assert got.batch_loss == want.batch_loss and len(got.batch_loss) == 15
    assert same_weights(first, second)
    assert got.test_acc == want.test_acc and got.train_acc == want.train_acc
    assert got.loss == pytest.approx(want.loss, rel=1e-6)
    assert (got.num_epochs, got.num_batches, got.examples) == (3, 5, 69)
    assert len(got.seconds) == 3 and got.stopped_at is None
    assert_usable(second)


def test_the_same_seed_gives_the_same_history() -> None:
    told = []
    for _ in range(2):
        set_seed(5)
        history = train_ch6(Net(), batches_of_images(), batches(), 2, 0.3, CPU)
        told.append({**vars(history), 'seconds': None})
    assert told[0] == told[1] and told[0]['dataset_name'] == 'small'


def test_starts_with_xavier_weights_and_leaves_all_else() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ConvTranspose2d(3, 2, 2),
        nn.Flatten(), nn.Linear(50, 7), nn.ReLU(), nn.Linear(7, 4),
    )  # fmt: skip
    before = copy.deepcopy(net)
    set_seed(1)
    for i in (0, 4, 6):
        nn.init.xavier_uniform_(before[i].weight)
    set_seed(1)
    train_ch6(net, batches(), batches(), 1, 0.0, CPU)
    pairs = zip(net.parameters(), before.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_init_false_goes_on_from_the_weights() -> None:
    net = Net()
    before = copy.deepcopy(net)
    train_ch6(net, batches(), batches(), 1, 0.0, CPU, init=False)
    pairs = zip(net.parameters(), before.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_prints_the_books_lines_and_a_line_an_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    history = train_ch6(Net(), batches(), batches(), 2, 0.3, CPU)
    lines = capsys.readouterr().out.splitlines()
    last = history.loss[1], history.train_acc[1], history.test_acc[1]
    numbers = 'loss {:.3f}, train acc {:.3f}, test acc {:.3f}'.format(*last)
    assert lines[0] == 'training on cpu' and len(lines) == 5
    assert lines[1].startswith('epoch 1/2: loss ')
    assert lines[2].startswith(f'epoch 2/2: {numbers}, ')
    assert lines[3] == numbers
    assert re.fullmatch(r'\d+\.\d examples/sec on cpu', lines[4])


def stop_at(count: int) -> Callable[..., None]:
    """Return a function that is interrupted when called the count-th time."""
    calls = iter(range(1, 10**6))

    def call(*_: Any) -> None:
        if next(calls) == count:
            raise KeyboardInterrupt

    return call


def passing(pairs: Pairs, call: Callable[..., None]) -> Any:
    """Return batches that call before each of them."""

    class Passing(list):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            for pair in pairs:
                call()
                yield pair

    return Passing(pairs)


@pytest.mark.parametrize(
    ('phase', 'count', 'place', 'epochs_done'),
    [
        ('forward', 1, (1, 1), 0),
        ('forward', 4, (1, 4), 0),
        ('forward', 7, (1, 5), 0),  # 5 batches, then 3 to test on
        ('forward', 12, (2, 4), 1),
        ('train_iter', 6, (2, 1), 1),
        ('test_iter', 6, (2, 5), 1),
        ('step', 2, (1, 2), 0),
        ('batch', 5, (1, 5), 0),
        ('batch', 6, (2, 2), 1),  # the first batch is over
        ('epoch', 1, (2, 1), 1),
        ('epoch', 2, (2, 5), 2),
        ('starting', 1, (1, 1), 0),
        ('closing', 1, (2, 5), 2),
    ],
)
def test_an_interrupt_returns_what_there_is_and_a_usable_net(
    phase: str,
    count: int,
    place: tuple[int, int],
    epochs_done: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call, net = stop_at(count), Net()
    train_iter, test_iter = batches(), batches(9, 3)
    if phase == 'train_iter':
        train_iter = passing(train_iter, call)
    if phase == 'test_iter':
        test_iter = passing(test_iter, call)
    with monkeypatch.context() as patch:
        if phase == 'forward':
            forward = net.forward
            patch.setattr(net, 'forward', lambda X: (call(), forward(X))[1])
        if phase == 'step':
            patch.setattr(train, 'sgd_step', call)
        if phase in ('batch', 'epoch'):
            patch.setattr(train.Lines, phase, call)
        if phase in ('starting', 'closing'):
            patch.setattr(train, 'watching', drawing(phase))
        history = train_ch6(net, train_iter, test_iter, 2, 0.3, CPU)
    out = capsys.readouterr().out
    assert history.interrupted and not history.diverged
    assert history.stopped_at == place
    told = f'You stopped the training at epoch {place[0]}, batch {place[1]}.'
    assert told in out
    for numbers in (history.loss, history.train_acc, history.seconds):
        assert len(numbers) == len(history.test_acc) == epochs_done
    assert ('examples/sec' in out) == (epochs_done > 0)
    assert_usable(net)


def drawing(phase: str) -> Callable[..., train.Lines]:
    """Give a picture that is interrupted while it is made or finished."""

    class Drawing(train.Lines):
        def __init__(self, *_: Any) -> None:
            if phase == 'starting':
                raise KeyboardInterrupt

        def close(self) -> None:
            raise KeyboardInterrupt

    return Drawing


def test_an_interrupt_in_the_picture_does_not_hide_a_divergence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train, 'watching', drawing('closing'))
    X, y = batches()[0]
    history = train_ch6(Net(), [(X * torch.nan, y)], batches(), 1, 0.1, CPU)
    assert history.diverged and not history.interrupted


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
def test_a_loss_that_is_not_finite_ends_the_training(
    value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    X, y = data(4)
    poison = torch.full_like(X, value), y
    train_iter = SecondTime(batches(), 3, poison)
    other = SecondTime(batches(), 3, poison)
    first, second = Net(), Net()
    second.load_state_dict(first.state_dict())
    set_seed(2)
    want = bare(first, other, batches(), 4, 0.3)
    set_seed(2)
    history = train_ch6(second, train_iter, batches(), 4, 0.3, CPU)
    out = capsys.readouterr().out
    assert history.diverged and not history.interrupted
    assert history.stopped_at == (2, 4) and len(history.loss) == 1
    assert history.batch_loss == want.batch_loss
    assert len(history.batch_loss) == 8
    assert 'nan or infinite at epoch 2, batch 4' in out
    assert 'smaller learning rate' in out and 'Build the net anew' in out
    assert f'test acc {history.test_acc[0]:.3f}\n' in out
    # The weights are those that gave this loss: its step was not taken.
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)
    assert not second.training
    assert all(p.grad is None for p in second.parameters())


class SecondTime(list):  # type: ignore[type-arg]
    """Batches of which one is poisoned when gone through a second time."""

    def __init__(
        self, pairs: Pairs, at: int, poison: tuple[Tensor, Tensor]
    ) -> None:
        super().__init__(pairs)
        self.at, self.poison, self.times = at, poison, 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.times += 1
        for i, pair in enumerate(super().__iter__()):
            yield self.poison if self.times == 2 and i == self.at else pair


@pytest.mark.parametrize(('lr', 'finite'), [(1e20, True), (3e38, False)])
def test_too_large_a_learning_rate_leaves_the_weights_as_they_are(
    lr: float, finite: bool
) -> None:
    first = nn.Sequential(nn.Flatten(), nn.Linear(36, 9), nn.Linear(9, 4))
    second = copy.deepcopy(first)
    set_seed(0)
    want = bare(first, batches(), batches(), 3, lr)
    set_seed(0)
    history = train_ch6(second, batches(), batches(), 3, lr, CPU)
    assert history.diverged and history.batch_loss == want.batch_loss
    assert same_weights(first, second)
    assert all(p.isfinite().all() for p in second.parameters()) == finite


@pytest.mark.parametrize(
    ('language', 'sentence'),
    [('zh', '损失在第1轮、第1个小批量处变成了nan'), ('en', 'became nan')],
)
def test_the_sentence_is_in_the_readers_language(
    language: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr('d2lmini.show.lang._chosen', language)
    X, y = batches()[0]
    train_ch6(Net(), [(X * torch.nan, y)], batches(), 1, 0.1, CPU)
    out = capsys.readouterr().out
    assert sentence in out
    assert ('infinite' in out) == (language == 'en')


@pytest.mark.parametrize('when', ['batch', 'epoch'])
def test_a_watchers_other_error_is_not_swallowed(when: str) -> None:
    def fail(history: History) -> None:
        raise ZeroDivisionError('drawn wrongly')

    watcher = train.Lines()
    setattr(watcher, when, fail)
    net, history = Net(), History(2, 5)
    with pytest.raises(ZeroDivisionError, match='drawn wrongly'):
        train.fit(net, batches(), batches(), 0.1, CPU, history, watcher)
    assert not history.stopped_at and len(history.batch_loss) in (1, 5)
    assert_usable(net)


def test_seconds_leave_out_tests_and_drawing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]

    def passes(seconds: float) -> None:
        clock[0] += seconds

    class Slow(Net):
        def forward(self, X: Tensor) -> Tensor:
            passes(1.0 if self.training else 1000.0)
            return super().forward(X)

    monkeypatch.setattr(train, 'perf_counter', lambda: clock[0])
    monkeypatch.setattr(train.Lines, 'batch', lambda *_: passes(100.0))
    train_iter = passing(batches(), lambda: passes(0.25))
    history = train_ch6(Slow(), train_iter, batches(), 2, 0.1, 'cpu')
    assert history.seconds == [5 * 1.25] * 2
    assert history.examples_per_sec == 46 / 12.5
    assert clock[0] > 10_000


def test_quick_mode_trains_two_epochs_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('D2LMINI_QUICK', '1')
    history = train_ch6(Net(), batches(), batches(), 10, 0.1, CPU)
    assert history.num_epochs == len(history.loss) == 2
    assert 'Quick mode: only 2 epochs.' in capsys.readouterr().out
    history = train_ch6(Net(), batches(), batches(), 1, 0.1, CPU)
    assert len(history.loss) == 1
    assert 'Quick' not in capsys.readouterr().out


class Once(list):  # type: ignore[type-arg]
    """Batches that can be gone through only once."""

    def __init__(self, pairs: Pairs) -> None:
        super().__init__(pairs)
        self.left = iter(pairs)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.left


class TwiceOnly(Once):
    """It has a length, and is its own iterator."""

    def __init__(self) -> None:
        super().__init__(batches())

    def __next__(self) -> tuple[Tensor, Tensor]:
        return next(self.left)


NOT_EPOCHS = 'num_epochs, which stands before lr, .* of at least 1, got '
NO_DEVICE = 'device must be one that this machine has'


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('num_epochs', 0, f'{NOT_EPOCHS}0'),
        ('num_epochs', 1.0, f'{NOT_EPOCHS}1.0'),
        ('num_epochs', '3', f"{NOT_EPOCHS}'3'"),
        ('num_epochs', True, f'{NOT_EPOCHS}True'),
        ('lr', '0.1', "lr must be a number.* got '0.1'"),
        ('lr', -1, 'lr must be a number.* got -1'),
        ('lr', torch.nan, 'lr must be a number.* got nan'),
        ('device', 'gpu', f"{NO_DEVICE}.* got 'gpu'"),
        ('device', 'cuda:99', f"{NO_DEVICE}.* got 'cuda:99'"),
        ('device', [CPU], f'{NO_DEVICE}.* got list'),
        ('device', torch.optim.SGD(Net().parameters()), f'{NO_DEVICE}.* SGD'),
        ('train_iter', iter(batches()), 'length.*got list_iterator'),
        ('train_iter', [], 'train_iter must have batches, got none'),
        ('train_iter', TwiceOnly(), 'train_iter must give .* anew.*TwiceOnly'),
        (
            'test_iter',
            iter(batches()),
            'test_iter must give .* anew.*iterator',
        ),
        (
            'test_iter',
            zip([], [], strict=True),
            'test_iter must give .* anew.* got zip',
        ),
        ('test_iter', None, 'test_iter must give .* anew.* got NoneType'),
        ('test_iter', 0.1, 'test_iter must give .* anew.* got float'),
        ('net', lambda X: X, 'net must be an nn.Module.* got function'),
        ('net', nn.Flatten(), 'with weights, got Flatten'),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_touched(
    name: str,
    value: Any,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    net = Net()
    before = copy.deepcopy(net)
    monkeypatch.setattr(train, 'watching', None)  # no picture either
    given = {'net': net, 'train_iter': batches(), 'test_iter': batches(),
             'num_epochs': 2, 'lr': 0.1, 'device': CPU}  # fmt: skip
    with pytest.raises((ValueError, TypeError), match=words):
        train_ch6(**{**given, name: value})
    assert same_weights(net, before) and net.training
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('name', ['train_iter', 'test_iter'])
def test_an_epoch_without_batches_is_told_and_the_history_kept(
    name: str,
) -> None:
    given = {'train_iter': batches(), 'test_iter': batches()}
    words = f'{name} must give batches anew .* got none in epoch 2'
    with pytest.raises(ValueError, match=words) as error:
        train_ch6(Net(), **{**given, name: Once(batches())}, num_epochs=3,
                  lr=0.1, device=CPU)  # fmt: skip
    history = error.value.history  # type: ignore[attr-defined]
    assert len(history.loss) == len(history.test_acc) == 1
    assert len(history.batch_loss) == {'train_iter': 5, 'test_iter': 10}[name]
    assert '1 of 3 epochs' in history.summary()


def test_iterators_that_give_once_will_do_for_one_epoch() -> None:
    history = train_ch6(Net(), batches(), iter(batches()), 1, 0.1, CPU)
    assert len(history.test_acc) == 1


@pytest.mark.parametrize(
    'y',
    [torch.ones(23, 1), torch.ones(23, 1).long(), torch.eye(23, 4),
     torch.ones(22).long(), torch.ones(23, 1, 1).long()],
)  # fmt: skip
@pytest.mark.parametrize('where', ['train_iter', 'test_iter'])
def test_shapes_that_do_not_go_together_end_a_training(
    y: Tensor, where: str
) -> None:
    X, right = data()
    given = {'train_iter': [(X, right)], 'test_iter': [(X, right)]}
    words = re.escape(f'got (23, 4) and {tuple(y.shape)}')
    net = Net()
    with pytest.raises(ValueError, match=words) as error:
        train_ch6(net, **{**given, where: [(X, y)]}, num_epochs=1, lr=0.1)
    done = where == 'test_iter'
    assert len(error.value.history.batch_loss) == done  # type: ignore
    assert_usable(net)


def test_a_users_history_outlives_the_error_that_ends_a_training() -> None:
    history, X = History(3, 5), data()[0]
    late = SecondTime(batches(), 3, (X, torch.ones(2)))
    with pytest.raises(ValueError, match='go with'):
        train.fit(Net(), late, batches(), 0.1, CPU, history, train.Lines())
    assert len(history.batch_loss) == 8 and history.epochs_done == 8 / 5
    assert history.summary().startswith('1 of 3 epochs, loss ')


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
def test_outputs_that_are_not_finite_count_as_wrong_and_are_told(
    value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    X = torch.eye(4)
    X[0, 0], X[2, 1] = value, value  # argmax may name the right class yet
    y = torch.arange(4)
    assert evaluate_accuracy_gpu(lambda X: X, [(X, y)] * 2) == 0.5
    assert capsys.readouterr().out == (
        'Note: 4 of 8 outputs are nan or infinite and count as wrong.\n'
    )
    pixels = X.T[None, :, :, None].repeat(1, 1, 1, 2)  # (1, C, 4, 2)
    classes = y.byte()[None, :, None].repeat(1, 1, 2)
    assert evaluate_accuracy_gpu(lambda X: X, [(pixels, classes)]) == 0.5
    assert '4 of 8 outputs' in capsys.readouterr().out
    assert evaluate_accuracy_gpu(lambda X: X, [(torch.eye(4), y)]) == 1
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', [CPU], 3.5])
def test_evaluation_names_a_device_that_is_not_there(device: Any) -> None:
    net = Net()
    with pytest.raises(ValueError, match=NO_DEVICE):
        evaluate_accuracy_gpu(net, batches(), device)
    assert net.training


@pytest.mark.parametrize('init', [True, False])
def test_lazy_layers_are_trained(init: bool) -> None:
    net = nn.Sequential(
        nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(),
        nn.LazyLinear(500),
    )  # fmt: skip
    set_seed(0)
    history = train_ch6(net, batches(), batches(), 1, 0.0, init=init)
    assert len(history.loss) == 1 and history.device == 'cpu'
    assert net[1].num_batches_tracked == 5  # that of the look is not counted
    bound = (6 / (48 + 500)) ** 0.5  # Xavier's; torch's own is 1 / 48**0.5
    assert (net[4].weight.abs().max() < bound) == init


def modes(net: nn.Module) -> list[bool]:
    return [module.training for module in net.modules()]


@pytest.mark.parametrize('frozen', [False, True])
@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('fails', [False, True])
def test_evaluation_restores_every_modules_mode(
    frozen: bool, training: bool, fails: bool
) -> None:
    net = Net().train(training)
    net.norm.train(frozen)  # as in fine-tuning, the other way round too
    before, weights = modes(net), copy.deepcopy(net)
    pairs = batches()
    if fails:
        pairs.append((torch.ones(2, 9, 6, 6), torch.ones(2)))
        with pytest.raises(RuntimeError):
            evaluate_accuracy_gpu(net, pairs)
    else:
        with torch.no_grad():
            X, y = data()
            want = (weights.eval()(X).argmax(1) == y).double().mean().item()
        assert evaluate_accuracy_gpu(net, pairs) == want
    assert modes(net) == before and same_weights(net, weights)
    assert torch.is_grad_enabled()


def guess(X: Tensor) -> Tensor:
    """Take for the class the whole number next to the mean."""
    assert not torch.is_grad_enabled()
    return -(X.mean(dim=(1, 2, 3))[:, None] - torch.arange(4.0)).abs()


@pytest.mark.parametrize('device', [None, 'cpu', CPU])
def test_evaluation_takes_functions(device: Any) -> None:
    X, y = data()
    hits = X.mean(dim=(1, 2, 3)).round().clamp(0, 3) == y
    got = evaluate_accuracy_gpu(guess, batches(), device)
    assert got == hits.double().mean().item() and 0.5 < got < 1


def test_evaluation_takes_lists_of_inputs_and_a_class_a_pixel() -> None:
    X, y = data()
    want = evaluate_accuracy_gpu(guess, [(X, y)])
    pairs = [([X, 0 * X], y)]
    assert (
        evaluate_accuracy_gpu(lambda Xs: guess(Xs[0] + Xs[1]), pairs) == want
    )
    scores = torch.eye(4).expand(2, 3, 4, 4).transpose(1, 3)  # (N, C, H, W)
    classes = torch.arange(4)[None, :, None].repeat(2, 1, 3)
    classes[0, 0, 0] = 3
    pairs = [(scores, classes)]
    assert evaluate_accuracy_gpu(lambda X: X, pairs) == 23 / 24


@pytest.mark.parametrize('y', [torch.ones(3, 1), torch.eye(3), torch.ones(1)])
def test_evaluation_tells_shapes_that_do_not_match(y: Tensor) -> None:
    with pytest.raises(ValueError, match=r'got \(3, 3\) and .* reshape'):
        evaluate_accuracy_gpu(lambda X: X, [(torch.eye(3), y)])


def test_evaluation_without_batches_is_told() -> None:
    with pytest.raises(ValueError, match='at least one batch'):
        evaluate_accuracy_gpu(Net(), [])


def test_batches_that_know_how_move_to_the_device() -> None:
    seen = []

    class Spy(list):  # type: ignore[type-arg]
        def to(self, device: torch.device | str) -> Pairs:
            seen.append(str(device))
            return list(self)

    train_ch6(Net(), Spy(batches()), Spy(batches()), 1, 0.1, CPU)
    assert seen == ['cpu', 'cpu']  # once each, not once an epoch
    with pytest.raises(ValueError, match='at least one batch'):
        evaluate_accuracy_gpu(nn.Linear(1, 1, device='meta'), Spy())
    assert seen == ['cpu', 'cpu', 'meta']  # where the parameters are
