"""Probes read the right numbers, change nothing, and come off again."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import d2lmini as d2l
from d2lmini.hunt import probe

PLACES = [
    '_forward_hooks',
    '_forward_pre_hooks',
    '_backward_hooks',
    '_backward_pre_hooks',
]
OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    'SGD': lambda net: torch.optim.SGD(net.parameters(), 0.5),
    'momentum': lambda net: torch.optim.SGD(
        net.parameters(), 0.1, momentum=0.9
    ),
    'Adam': lambda net: torch.optim.Adam(net.parameters(), 0.01),
}


def small_net() -> nn.Sequential:
    d2l.set_seed(0)
    return d2l.mlp(6, 5, 4, 3, norm=d2l.torch_norm)


def batches(n: int = 4) -> list[tuple[Tensor, Tensor]]:
    numbers = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(8, 6, generator=numbers),
            torch.randint(3, (8,), generator=numbers),
        )
        for _ in range(n)
    ]


def train(net: nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
    losses = []
    for X, y in batches():
        loss = cross_entropy(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def num_hooks(
    net: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> int:
    """Count all hooks on a net, its weights and an optimizer."""
    found: list[Any] = [
        getattr(module, place) for module in net.modules() for place in PLACES
    ]
    found += [p._backward_hooks for p in net.parameters()]
    found += [p._post_accumulate_grad_hooks for p in net.parameters()]
    if optimizer:
        found.append(optimizer._optimizer_step_pre_hooks)
        found.append(optimizer._optimizer_step_post_hooks)
    return sum(len(hooks) for hooks in found if hooks)


def all_probes(
    net: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    return {
        'activations': probe.activations(net),
        'gradients': probe.gradients(net),
        'updates': probe.updates(net, optimizer),
    }


HOOKS = {  # on small_net: 8 layers, 5 with a weight, 2 with BN
    'activations': 8,
    'gradients': 5,
    'updates': 2,
}


# Hooks come and go


@pytest.mark.parametrize('name', HOOKS)
def test_hooks_are_on_inside_the_block_only(name: str) -> None:
    net = small_net()
    optimizer = OPTIMIZERS['SGD'](net)
    watching = all_probes(net, optimizer)[name]
    counts = [num_hooks(net, optimizer)]
    with watching:
        counts.append(num_hooks(net, optimizer))
        train(net, optimizer)
    counts.append(num_hooks(net, optimizer))
    assert counts == [0, HOOKS[name], 0]


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize('name', HOOKS)
def test_hooks_come_off_after_an_exception(
    name: str, error: type[BaseException]
) -> None:
    net = small_net()
    optimizer = OPTIMIZERS['SGD'](net)
    with pytest.raises(error), all_probes(net, optimizer)[name]:
        raise error
    assert num_hooks(net, optimizer) == 0


def test_hooks_come_off_when_reducing_fails() -> None:
    net = small_net()
    with (
        pytest.raises(ZeroDivisionError),
        probe.activations(net, reduce=lambda x: 1 / 0),
    ):
        net(batches()[0][0])
    assert num_hooks(net) == 0


@pytest.mark.parametrize(
    'watch',
    [
        lambda net, opt, names: probe.activations(net, names),
        lambda net, opt, names: probe.gradients(net, names),
        lambda net, opt, names: probe.updates(net, opt, names),
    ],
    ids=['activations', 'gradients', 'updates'],
)
def test_a_wrong_name_is_told_and_leaves_no_hook(
    watch: Callable[..., Any],
) -> None:
    net = small_net()
    optimizer = OPTIMIZERS['SGD'](net)
    with (
        pytest.raises(KeyError, match=r"no layer .*'linear'.* 0, 1, 2, 3"),
        watch(net, optimizer, ['1', 'linear']),
    ):
        pass
    assert num_hooks(net, optimizer) == 0


def test_a_layer_without_weight_is_told() -> None:
    net = small_net()
    with (
        pytest.raises(ValueError, match="'3' has no weight"),
        probe.gradients(net, ['1', '3']),
    ):
        pass
    assert num_hooks(net) == 0


def test_a_wrong_side_is_told() -> None:
    with (
        pytest.raises(ValueError, match="'output' or 'input', got 'inside'"),
        probe.activations(small_net(), of='inside'),
    ):
        pass


def test_nothing_is_recorded_after_the_block() -> None:
    net = small_net()
    optimizer = OPTIMIZERS['SGD'](net)
    records = []
    for watching in all_probes(net, optimizer).values():
        with watching as record:
            train(net, optimizer)
        records.append(record)
    train(net, optimizer)
    assert {len(seen) for record in records for seen in record.values()} == {4}


# Training goes on as if nobody looked


@pytest.mark.parametrize('kind', OPTIMIZERS)
@pytest.mark.parametrize('name', HOOKS)
def test_training_is_the_same_with_and_without(name: str, kind: str) -> None:
    plain, watched = small_net(), small_net()
    losses = train(plain, OPTIMIZERS[kind](plain))
    optimizer = OPTIMIZERS[kind](watched)
    with all_probes(watched, optimizer)[name]:
        assert train(watched, optimizer) == losses
    pairs = zip(plain.parameters(), watched.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_what_is_recorded_holds_no_graph() -> None:
    net = small_net()
    with probe.activations(net) as record:
        net(batches()[0][0])
    assert not any(seen[0].requires_grad for seen in record.values())


def test_changing_what_is_recorded_does_not_change_the_net() -> None:
    net = small_net().eval()
    X, _ = batches()[0]
    want = net(X)
    with probe.activations(net, of='input') as record:
        net(X)
    record['1'][0].zero_()
    assert torch.equal(net(X), want)


# The numbers are right


def test_activations_are_what_each_layer_gets_and_gives() -> None:
    net = small_net().eval()
    X, _ = batches()[0]
    watching = probe.activations(net), probe.activations(net, of='input')
    with watching[0] as outputs, watching[1] as inputs:
        net(X)
    for name, layer in net.named_children():
        assert torch.equal(inputs[name][0], X)
        X = layer(X)
        assert torch.equal(outputs[name][0], X)


def test_an_input_is_kept_as_it_was_before_an_in_place_layer() -> None:
    net = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    X = torch.tensor([[-1.0, 2.0]])
    with probe.activations(net, ['1'], of='input') as record:
        net(X.clone())
    assert torch.equal(record['1'][0], X)


def test_reduce_is_applied_to_what_is_seen() -> None:
    net = nn.Sequential(nn.Identity())
    with probe.activations(net, reduce=lambda x: x.sum().item()) as record:
        net(torch.tensor([[1.0, 2.0]]))
        net(torch.tensor([[3.0, 4.0]]))
    assert record == {'0': [3.0, 7.0]}


def test_gradients_are_those_of_autograd() -> None:
    net = small_net()
    X, y = batches()[0]
    names = probe.chosen(net, nn.Linear)
    weights = [net.get_submodule(name).weight for name in names]
    want = torch.autograd.grad(cross_entropy(net(X), y), weights)
    with probe.gradients(net, names) as record:
        cross_entropy(net(X), y).backward()
    assert [record[name] for name in names] == [
        [float(g.norm())] for g in want
    ]


def test_each_backward_pass_gives_its_own_gradient() -> None:
    net = nn.Sequential(nn.Linear(1, 1, bias=False))
    with probe.gradients(net) as record:
        for x in (3.0, 4.0):  # without zero_grad: weight.grad would be 7
            net(torch.tensor([[x]])).backward()
    assert record['0'] == [3.0, 4.0]


@given(st.floats(0.01, 10), st.floats(0.1, 10), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_an_update_of_sgd_is_lr_times_gradient_over_weight(
    lr: float, weight: float, x: float
) -> None:
    net = nn.Sequential(nn.Linear(1, 1, bias=False)).double()
    nn.init.constant_(net[0].weight, weight)
    optimizer = torch.optim.SGD(net.parameters(), lr)
    with probe.updates(net, optimizer) as record:
        net(torch.tensor([[x]], dtype=torch.double)).backward()
        optimizer.step()
    assert record['0'] == [pytest.approx(lr * x / weight)]


@pytest.mark.parametrize('kind', OPTIMIZERS)
def test_updates_are_the_changes_that_the_optimizer_made(kind: str) -> None:
    net = small_net()
    optimizer = OPTIMIZERS[kind](net)
    weight, want = net[1].weight, []
    for X, y in batches():
        old = weight.detach().clone()
        optimizer.zero_grad()
        cross_entropy(net(X), y).backward()
        optimizer.step()
        want.append(float((weight.detach() - old).norm() / old.norm()))
    again = small_net()
    optimizer = OPTIMIZERS[kind](again)
    with probe.updates(again, optimizer, ['1']) as record:
        train(again, optimizer)
    assert record['1'] == pytest.approx(want)


def test_a_frozen_weight_has_no_gradients() -> None:
    net = small_net()
    net[1].weight.requires_grad_(False)
    optimizer = OPTIMIZERS['SGD'](net)
    with probe.gradients(net) as record:
        train(net, optimizer)
    assert record['1'] == [] and len(record['4']) == 4


def test_a_frozen_layer_has_updates_of_zero() -> None:
    net = small_net()
    optimizer = torch.optim.SGD(net[-1].parameters(), 0.5)
    with probe.updates(net, optimizer, ['1', '7']) as record:
        train(net, optimizer)
    assert record['1'] == [0.0] * 4
    assert min(record['7']) > 0


def test_a_weight_of_zero_has_moved_by_infinity() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    nn.init.zeros_(net[0].weight)
    optimizer = OPTIMIZERS['SGD'](net)
    with probe.updates(net, optimizer) as record:
        net(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        optimizer.step()
    assert record['0'][0] == float('inf') and record['0'][1] == 1.0


# Layers and probes in unusual places


class Twice(nn.Module):
    """A net that uses its one layer twice, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.again = self.first
        nn.init.constant_(self.first.weight, 1.0)

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.again(self.first(X))
        return Y


def test_a_layer_used_twice_is_recorded_twice_in_order() -> None:
    net = Twice()
    with probe.activations(net) as record:
        net(torch.tensor([[1.0, 2.0]]))
    assert list(record) == ['first']
    assert [seen.tolist() for seen in record['first']] == [
        [[3.0, 3.0]],
        [[6.0, 6.0]],
    ]


def test_the_gradient_of_a_layer_used_twice_is_their_sum() -> None:
    net = Twice()
    X = torch.tensor([[1.0, 2.0]])
    with probe.gradients(net) as record:
        net(X).sum().backward()
    assert record['first'] == [float(net.first.weight.grad.norm())]


def test_a_probe_in_a_probe_comes_off_alone() -> None:
    net = small_net()
    X, _ = batches()[0]
    with probe.activations(net, ['1']) as outer:
        net(X)
        with probe.activations(net, ['1', '4']) as inner:
            net(X)
        net(X)
    assert len(outer['1']) == 3
    assert [len(seen) for seen in inner.values()] == [1, 1]
    assert num_hooks(net) == 0


def test_layers_are_those_without_layers_in_order() -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Tanh())
    assert list(probe.layers(net)) == ['0.0', '0.1', '1']


def test_a_net_of_one_layer_is_a_layer() -> None:
    layer = nn.Linear(2, 3)
    with probe.activations(layer) as record:
        layer(torch.zeros(1, 2))
    assert [len(seen) for seen in record.values()] == [1]


def test_chosen_are_the_layers_of_these_kinds() -> None:
    net = d2l.lenet(d2l.torch_norm)
    kinds = nn.Conv2d, nn.Linear
    names = probe.chosen(net, *kinds)
    assert names == ['0', '4', '9', '12', '15']
    assert all(isinstance(net.get_submodule(n), kinds) for n in names)


def test_no_names_means_no_layers() -> None:
    net = small_net()
    with probe.activations(net, []) as record:
        net(batches()[0][0])
    assert record == {}


def test_an_input_given_by_name_is_recorded() -> None:
    net = nn.Sequential(nn.Linear(2, 1))
    X = torch.ones(1, 2)
    with probe.activations(net, ['0'], of='input') as record:
        net[0](input=X)
    assert torch.equal(record['0'][0], X)
