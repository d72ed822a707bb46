"""Train BN-LeNet on several workers, on one machine or on many.

On one machine, `torchrun --standalone --nproc-per-node 2 -m d2lmini.workers`;
on many, torchrun's own options (`--nnodes`, `--rdzv-endpoint`). A worker is a
GPU, or where there is none a process on the CPU.
"""

import argparse
import gc
import os
import sys
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import d2lmini as d2l
from d2lmini.data import Batches
from d2lmini.workers.sync import SyncBatchNorm


def shard(N: int, epoch: int | None = None) -> Tensor:
    """Return this worker's share of N numbers, 0 to N - 1.

    In an epoch they come in a new order, the same on all workers, and the
    shares are equally long: N modulo the workers are left out, else the
    workers would wait for each other. Without one none is left out.
    """
    workers = dist.get_world_size()
    if epoch is None:
        return torch.arange(dist.get_rank(), N, workers)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(epoch))
    return order[: N - N % workers][dist.get_rank() :: workers]


def share(
    data: Batches, device: torch.device, epoch: int | None = None
) -> Batches:
    """Return this worker's share of the data as batches; see `shard`."""
    mine = shard(data.num_examples, epoch)
    images, labels = data.images[mine], data.labels[mine]
    size, name = data.batch_size, data.dataset_name
    return Batches(images, labels, size, name).to(device)


def build(norm: str, device: torch.device) -> nn.Module:
    """Return BN-LeNet with its own or with synchronized statistics."""
    d2l.set_seed(0)  # the same start on all workers
    on_gpu = device.type == 'cuda'
    net: nn.Module = d2l.lenet(
        SyncBatchNorm if norm == 'sync' and not on_gpu else d2l.torch_norm
    )
    if norm == 'sync' and on_gpu:  # torch's own works on GPUs only
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
        net = convert(net)
    return net.to(device)


def evaluate(net: nn.Module, data: Batches, device: torch.device) -> float:
    """Return the accuracy over all of the data, a share on each worker."""
    for buffer in net.buffers():  # what rank 0 would save
        dist.broadcast(buffer, 0)
    mine = share(data, device)
    acc = d2l.evaluate_accuracy_gpu(net, mine, device)
    right = torch.tensor(acc * mine.num_examples, device=device)
    dist.all_reduce(right)
    return float(right) / data.num_examples


def train(norm: str, batch_size: int, lr: float, epochs: int) -> None:
    """Train, and print a line an epoch on worker 0."""
    rank, workers = dist.get_rank(), dist.get_world_size()
    local = int(os.environ['LOCAL_RANK'])
    device = d2l.try_gpu(local)
    for turn in (True, False):  # one worker a machine finds or fetches it
        if turn == (local == 0):
            data, test_data = d2l.load_data_fashion_mnist(batch_size)
        dist.barrier()
    names: list[Any] = [None] * workers
    dist.all_gather_object(names, data.dataset_name)
    if len({*names}) > 1:
        sys.exit(f'all workers need the same data, got {names}')
    net = build(norm, device)
    model = DistributedDataParallel(net)
    optimizer = torch.optim.SGD(model.parameters(), lr)
    cross_entropy = nn.CrossEntropyLoss()
    if rank == 0:
        print(f'{workers} workers of {batch_size} on {device.type}, {norm}')
        print('epoch  loss  test acc  images/s  means apart')
    for epoch in range(epochs):
        net.train()
        mine, total = share(data, device, epoch), 0.0
        start = perf_counter()
        for X, y in mine:
            loss = cross_entropy(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(y)
        speed = workers * mine.num_examples / (perf_counter() - start)
        numbers = torch.tensor(total / mine.num_examples, device=device)
        dist.all_reduce(numbers)
        apart = spread(net)
        acc = evaluate(net, test_data, device)
        if rank == 0:
            mean = float(numbers) / workers
            print(
                f'{epoch + 1:5}  {mean:.2f}  {acc:8.3f}  {speed:8.0f}  '
                f'{apart:11.1e}',
                flush=True,
            )


def spread(net: nn.Module) -> float:
    """Return by how much the workers' moving means differ at most."""
    means = [b for name, b in net.named_buffers() if 'mean' in name]
    own = torch.cat([mean.flatten() for mean in means])
    low, high = own.clone(), own.clone()
    dist.all_reduce(low, dist.ReduceOp.MIN)
    dist.all_reduce(high, dist.ReduceOp.MAX)
    return float((high - low).max())


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser('python -m d2lmini.workers', None)
    parser.description = __doc__
    parser.add_argument('--norm', choices=('own', 'sync'), default='own')
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--lr', type=float, default=1.0)
    parser.add_argument('--epochs', type=int, default=3)
    asked = parser.parse_args()
    if 'RANK' not in os.environ:
        sys.exit(
            'this is started by torchrun, once for each worker: torchrun '
            '--standalone --nproc-per-node 2 -m d2lmini.workers'
        )
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    dist.init_process_group('nccl' if gpu else 'gloo')
    try:
        train(asked.norm, asked.batch_size, asked.lr, asked.epochs)
        dist.barrier()  # else a worker may leave while others still talk
    finally:
        gc.collect()
        dist.destroy_process_group()


if __name__ == '__main__':
    main()
