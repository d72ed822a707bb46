"""Workers: what they return, how they end, and the layer they share."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

import d2lmini as d2l
from d2lmini import workers
from d2lmini.workers import start

ROOT = Path(__file__).parents[2]
LESSON = ROOT / 'notebooks' / '09_many_machines.ipynb'
linux = pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
PATIENCE = 60  # seconds to wait for what must come
# As in a notebook, whose functions no worker can import.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def processes(folder: Path) -> set[int]:
    """Return the processes that have a file in a folder open, but for us."""
    found = set()
    for link in Path('/proc').glob('[0-9]*/fd/*'):
        try:
            target = os.readlink(link)
        except OSError:  # it has ended
            continue
        if target.startswith(f'{folder}/'):
            found.add(int(link.parts[2]))
    return found - {os.getpid()}


def until(true: Any) -> bool:
    """Wait for something, but not for ever; tell whether it came."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


# What workers do.


def several(rank: int, number: float, tensor: Tensor) -> dict[str, Any]:
    """Talk, print, and return several kinds of things."""
    total = torch.tensor([number + rank])
    dist.all_reduce(total)
    print('rank', rank, '你好')
    listening = []
    inodes = set()
    for link in Path('/proc/self/fd').glob('*') if os.name == 'posix' else ():
        try:
            inodes |= {*re.findall(r'socket:\[(\d+)\]', os.readlink(link))}
        except OSError:
            continue
    for table in ('tcp', 'tcp6'):
        path = Path('/proc/net') / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == '0A' and fields[9] in inodes:
                listening.append(fields[1].split(':')[0])
    return {
        'total': total,
        'tensor': tensor * rank,
        'threads': torch.get_num_threads(),
        'list': [rank, 'text'],
        'listening': listening,
    }


def test_results_come_by_rank(capfd: pytest.CaptureFixture[str]) -> None:
    first, second = workers.run(several, 10.0, torch.ones(2))
    assert first['total'].item() == second['total'].item() == 21
    assert first['tensor'].tolist() == [0, 0]
    assert second['tensor'].tolist() == [1, 1]
    assert first['list'] == [0, 'text'] and second['list'] == [1, 'text']
    assert first['threads'] == second['threads'] == 1
    # 0100007F is 127.0.0.1: nothing beyond this machine can reach them.
    heard = {*first['listening'], *second['listening']}
    assert heard <= {'0100007F'}
    assert capfd.readouterr().out == '[0] rank 0 你好\n[1] rank 1 你好\n'


def raises(rank: int) -> None:
    """Worker 1 raises while worker 0 waits for it."""
    if rank == 1:
        raise ValueError('no such thing')
    dist.barrier()


def vanishes(rank: int) -> None:
    """Worker 0 is gone without a word."""
    if rank == 0:
        os._exit(7)
    dist.barrier()


def waits(rank: int) -> None:
    """Worker 1 never comes."""
    if rank == 0:
        dist.barrier()
    else:
        time.sleep(10 * PATIENCE)


def rank_of(rank: int) -> int:
    """Return the rank."""
    return rank


@pytest.fixture(autouse=True, scope='module')
def before() -> None:
    """Start what workers are forked from: it has a folder of its own."""
    workers.run(rank_of)


def odd(rank: int) -> object:
    """Return what cannot be sent."""
    return object()


@pytest.mark.parametrize(
    ('work', 'seconds', 'told'),
    [
        (raises, 30, r'worker 1 died: ValueError: no such thing \(raises'),
        (vanishes, 30, 'worker 0 died: exit code 7'),
        (waits, 3, r'after 3 s.*worker 0 was at waits\(\).*worker 1 was at'),
        (odd, 30, 'worker [01] died: UnpicklingError'),
    ],
)
def test_an_end_is_told_and_nothing_is_left(
    work: Any,
    seconds: float,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    with pytest.raises(workers.WorkerError, match=told):
        workers.run(work, seconds=seconds)
    assert not [*tmp_path.iterdir()]
    if sys.platform == 'linux':
        assert not processes(tmp_path)


@pytest.mark.parametrize(
    'asked', [{'workers': 0}, {'workers': 1.5}, {'seconds': 0}]
)
def test_other_numbers_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='workers must be an int'):
        workers.run(waits, **asked)


def test_where_no_fork_is_safe_they_are_started_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('sys.platform', 'darwin')
    workers.run(rank_of, workers=1)  # a team of its own
    first = start._team
    assert first is not None
    kinds = {type(each).__name__ for each in first.processes}
    assert kinds == {'SpawnProcess'}
    with pytest.raises(workers.WorkerError, match='no such thing'):
        workers.run(raises)


@linux
def test_a_team_without_work_goes_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    monkeypatch.setattr('d2lmini.workers.start.IDLE', 0.1)
    assert workers.run(rank_of, workers=3) == [0, 1, 2]  # a team of its own
    assert until(lambda: not processes(tmp_path))
    assert until(lambda: not [*tmp_path.iterdir()])


@linux
@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGKILL])
def test_a_notebook_that_ends_leaves_none(how: int, tmp_path: Path) -> None:
    code = (
        'import time\nfrom d2lmini import workers\n'
        'workers.run(lambda rank: time.sleep(600), seconds=600)'
    )
    home = os.environ | {'TMPDIR': str(tmp_path)}
    # In the background of a shell an interrupt may be ignored.
    script = (
        f'import signal\nsignal.signal(2, signal.default_int_handler)\n{code}'
    )
    notebook = subprocess.Popen(
        [sys.executable, '-c', script], env=home, stderr=subprocess.DEVNULL
    )
    started = until(lambda: len([*tmp_path.glob('*/*.here')]) == 2)
    seen = processes(tmp_path)
    notebook.send_signal(how)
    notebook.wait(PATIENCE)
    assert started and len(seen) == 2
    assert until(lambda: not processes(tmp_path))


# The layer.


class Plain(workers.SyncBatchNorm):
    """A fault: the gradient is not summed."""

    def forward(self, X: Tensor) -> Tensor:
        """Normalize with statistics whose gradient is the worker's own."""
        dims = [d for d in range(X.dim()) if d != 1]
        n = torch.tensor(X.numel() / X.shape[1])
        dist.all_reduce(n)
        mean = X.sum(dim=dims, keepdim=True) * 1
        dist.all_reduce(mean)
        centered = X - mean / n
        square = (centered**2).sum(dim=dims, keepdim=True)
        dist.all_reduce(square)
        X_hat = centered / torch.sqrt(square / n + self.eps)
        return self.gamma * X_hat + self.beta


def page() -> dict[str, Any]:
    """Return what the lesson's cells define: its own layer."""
    cells = json.loads(LESSON.read_text(encoding='utf8'))['cells']
    names: dict[str, Any] = {'torch': torch, 'dist': dist, 'd2l': d2l}
    for cell in cells:
        if cell['id'] in ('allreduce', 'sync'):
            source = ''.join(cell['source'])
            classes = re.split(r'^def ', source, flags=re.M)[0]
            classes = classes.split('class WrongNorm')[0]
            exec(classes, names)
    return names


def forward_and_back(
    rank: int, layers: list[nn.Module], shards: list[Tensor]
) -> list[list[Tensor]]:
    """Return each layer's output, gradients and memory on a shard."""
    found = []
    for layer in layers:
        X = shards[rank].clone().requires_grad_()
        for _ in range(2):  # two steps, so that there is a memory
            Y = layer(X)
        loss = (Y * torch.arange(Y.numel()).cos().reshape(Y.shape)).sum()
        grads = torch.autograd.grad(loss, [X, layer.gamma, layer.beta])
        found.append([Y.detach(), *grads, *layer.buffers()])
    return found


@pytest.fixture(scope='module')
def both() -> Any:
    """Return what two workers got, by layer, and what one process gets."""
    numbers = torch.Generator().manual_seed(0)
    X = 3 * torch.randn(9, 2, 4, 4, generator=numbers) + 5
    shards = [X[:6], X[6:]]
    ours = page()['SyncNorm']
    makers = [workers.SyncBatchNorm, ours, d2l.BatchNorm, Plain]
    layers = [make(2, 4) for make in makers]
    none = workers.SyncBatchNorm(2, 4, momentum=None)
    seen = workers.run(forward_and_back, [*layers, none], shards)
    weights = [torch.arange(x.numel()).cos().reshape(x.shape) for x in shards]
    layer = d2l.BatchNorm(2, 4)
    x = X.clone().requires_grad_()
    layer(x)
    Y = layer(x)
    loss = (Y * torch.cat(weights)).sum()
    grads = torch.autograd.grad(loss, [x, layer.gamma, layer.beta])
    plain_average = d2l.BatchNorm(2, 4, momentum=None)
    plain_average(X)
    plain_average(X)
    return seen, [Y.detach(), *grads, *layer.buffers()], plain_average


def apart(seen: Any, want: list[Tensor], number: int) -> float:
    """Return how far a layer is from one process, over all it gives."""
    a, b = (worker[number] for worker in seen)
    whole = [torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])]
    whole += [a[2] + b[2], a[3] + b[3]]  # gradients of gamma and beta
    gaps = [(x - y).abs().max() for x, y in zip(whole, want, strict=False)]
    for worker in (a, b):
        pairs = zip(worker[4:], want[4:], strict=True)
        gaps += [(x - y).abs().max().float() for x, y in pairs]
    return float(max(gaps))


def test_two_workers_compute_what_one_does(both: Any) -> None:
    seen, want, _ = both
    assert apart(seen, want, 0) < 1e-5


def test_the_lesson_has_the_same_layer(both: Any) -> None:
    seen, want, _ = both
    assert apart(seen, want, 1) < 1e-5


@pytest.mark.parametrize('number', [2, 3])
def test_own_statistics_and_a_wrong_gradient_are_seen(
    both: Any, number: int
) -> None:
    seen, want, _ = both
    assert apart(seen, want, number) > 1e-2


def test_momentum_none_is_the_plain_average(both: Any) -> None:
    seen, _, plain = both
    for worker in seen:
        pairs = zip(worker[4][4:], plain.buffers(), strict=True)
        for got, want in pairs:
            torch.testing.assert_close(got, want)


def test_alone_it_is_batch_norm() -> None:
    X = torch.randn(6, 3) + 2
    ours, usual = workers.SyncBatchNorm(3, 2), d2l.BatchNorm(3, 2)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(X), usual.train(mode)(X))
    torch.testing.assert_close(ours.state_dict(), usual.state_dict())


def ddp_gradient(rank: int, net: nn.Module, shards: Any) -> Tensor:
    """Return the gradient that DDP leaves, the same on all workers."""
    X, y = shards[rank]
    ddp = nn.parallel.DistributedDataParallel(net)
    nn.functional.cross_entropy(ddp(X), y).backward()
    return torch.cat([p.grad.flatten() for p in ddp.parameters()])


def test_ddp_is_ghost_batch_norm_to_the_last_bit() -> None:
    d2l.set_seed(0)
    net = d2l.lenet(d2l.BatchNorm)
    X, y = torch.rand(32, 1, 28, 28), torch.randint(10, (32,))
    shards = [(X[:16], y[:16]), (X[16:], y[16:])]
    first, second = workers.run(ddp_gradient, net, shards)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the workers have
    try:
        for part, labels in shards:
            loss = nn.functional.cross_entropy(net(part), labels) / 2
            loss.backward()
    finally:
        torch.set_num_threads(threads)
    ghost = torch.cat([p.grad.flatten() for p in net.parameters()])
    assert torch.equal(first, second)
    assert torch.equal(first, ghost)


def half_and_one(rank: int) -> list[Any]:
    """Return a half precision output's type, and what one value raises."""
    Y = workers.SyncBatchNorm(2, 2)(torch.randn(4, 2).half())
    layer = workers.SyncBatchNorm(2, 2).eval()
    layer(torch.randn(3, 2))  # evaluation needs nobody else
    return [str(Y.dtype), Y.isfinite().all().item()]


def one_value(rank: int) -> None:
    """Train on one value in all."""
    workers.SyncBatchNorm(2, 2)(torch.randn(1 - rank, 2))


def test_half_precision() -> None:
    assert workers.run(half_and_one) == [['torch.float16', True]] * 2


def test_one_value_is_refused() -> None:
    with pytest.raises(workers.WorkerError, match='more than 1 value'):
        workers.run(one_value)


# The script.


def script(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        env=os.environ
        | {'D2LMINI_QUICK': '1', 'D2LMINI_DATASET': 'drawn'}
        | {'OMP_NUM_THREADS': '1', 'D2LMINI_LANG': 'en'},
    )


@linux
@pytest.mark.parametrize('norm', ['own', 'sync'])
def test_the_script_trains(norm: str) -> None:
    run = '-m torch.distributed.run --standalone --nproc-per-node 2'
    ours = f'-m d2lmini.workers --norm {norm} --epochs 1 --batch-size 64'
    done = script(*run.split(), *ours.split())
    assert done.returncode == 0, done.stderr[-2000:]
    *_, head, row = done.stdout.strip().splitlines()
    assert ' '.join(head.split()) == (
        'epoch loss test acc images/s means apart'
    )
    epoch, loss, acc, speed, gap = map(float, row.split())
    assert epoch == 1 and 0 < loss < 2.3 and 0 <= acc <= 1 and speed > 0
    assert (gap == 0) == (norm == 'sync')


def test_the_script_says_how_it_is_started() -> None:
    done = script('-m', 'd2lmini.workers')
    assert done.returncode == 1 and 'torchrun --standalone' in done.stderr
