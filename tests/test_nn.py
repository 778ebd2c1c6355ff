"""Modules and Layers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fgrad as fg
import fgrad.numpy as jnp
from fgrad import nn, optim
from fgrad.nn import functional as F


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.head = nn.Linear(8, 2, bias=False)
        self.scale = nn.Parameter(fg.ones(1))
        self.register_buffer("count", fg.zeros(1))
        self.register_buffer("cache", fg.zeros(1), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x)) * self.scale


def test_names_parameters_buffers_and_children() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "body.0.weight", "body.0.bias", "head.weight"]
    assert [n for n, _ in net.named_buffers()] == ["count", "cache"]
    assert [n for n, _ in net.named_children()] == ["body", "head"]
    assert [n for n, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "head"]
    assert list(net.state_dict()) == ["scale", "count", "body.0.weight", "body.0.bias", "head.weight"]
    assert net.get_submodule("body.0") is net.body[0]
    assert net.get_parameter("head.weight") is net.head.weight
    assert len(list(net.parameters())) == 4


def test_shared_parameters_are_listed_once() -> None:
    net = Net()
    net.tied = net.head
    assert len(list(net.parameters())) == 4
    assert len(list(net.modules())) == 5


def test_load_state_dict_is_strict_and_atomic() -> None:
    net = Net()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    state["extra"] = fg.ones(1)
    del state["count"]
    with pytest.raises(RuntimeError, match=r"(?s)Missing key.*count.*Unexpected key.*extra"):
        net.load_state_dict(state)
    assert net.load_state_dict(state, strict=False) == (["count"], ["extra"])
    wrong = {k: v + 1 for k, v in net.state_dict().items()}
    wrong["head.weight"] = fg.ones(3, 3)
    before = {k: v.tolist() for k, v in net.state_dict().items()}
    with pytest.raises(RuntimeError, match="size mismatch for head.weight"):
        net.load_state_dict(wrong)
    assert {k: v.tolist() for k, v in net.state_dict().items()} == before


def test_state_dict_shares_storage_and_saves(tmp_path: Any) -> None:
    net, other = Net(), Net()
    net.state_dict()["scale"].fill_(7.0)
    assert net.scale.item() == 7.0
    fg.save(net.state_dict(), tmp_path / "net.pth")
    other.load_state_dict(fg.load(tmp_path / "net.pth"))
    x = fg.randn(3, 4)
    np.testing.assert_array_equal(net(x).detach().numpy(), other(x).detach().numpy())


def test_train_eval_apply_and_requires_grad() -> None:
    net = Net()
    assert net.training
    assert not net.eval().body[1].training
    assert net.train().body[0].training
    seen: list[str] = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Sequential", "Linear", "Net"]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    with pytest.raises(ValueError, match="boolean"):
        net.train(1)  # type: ignore[arg-type]


def test_to_converts_floating_parameters_only() -> None:
    net = nn.BatchNorm1d(3).double()
    assert net.weight.dtype is fg.float64
    assert net.num_batches_tracked.dtype is fg.int64
    weight = net.weight
    net.to(fg.float32)
    assert net.weight is weight
    assert weight.dtype is fg.float32
    assert weight.requires_grad


def test_hooks_see_and_replace() -> None:
    layer, seen = nn.Linear(2, 2), []
    before = layer.register_forward_pre_hook(lambda m, args: (args[0] * 0,))
    after = layer.register_forward_hook(lambda m, args, out: seen.append(args[0].sum().item()))
    y = layer(fg.ones(1, 2))
    np.testing.assert_allclose(y.detach().numpy()[0], layer.bias.detach().numpy())
    assert seen == [0.0]
    before.remove()
    after.remove()
    layer(fg.ones(1, 2))
    assert seen == [0.0]


def test_assignments_are_checked() -> None:
    net = Net()
    with pytest.raises(TypeError, match="cannot assign"):
        net.scale = fg.ones(1)
    with pytest.raises(TypeError, match="cannot assign"):
        net.head = "layer"
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = net.missing

    class Early(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(fg.ones(1))

    with pytest.raises(AttributeError, match="before Module.__init__"):
        Early()


def test_repr_reads_like_torch() -> None:
    text = repr(Net())
    assert "(0): Linear(in_features=4, out_features=8, bias=True)" in text
    assert "(head): Linear(in_features=8, out_features=2, bias=False)" in text
    assert repr(nn.Conv2d(1, 2, 3, padding=1)) == "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"


def test_containers() -> None:
    items = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
    items.append(nn.Linear(2, 1))
    items.insert(1, nn.Identity())
    assert len(items) == 4
    assert isinstance(items[-1], nn.Linear)
    assert len(items[1:]) == 3
    named = nn.ModuleDict({"a": nn.Linear(1, 1)})
    named["b"] = nn.ReLU()
    assert list(named) == ["a", "b"]
    assert "b" in named
    del named["b"]
    assert len(named) == 1
    row = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).append(nn.Linear(3, 1))
    assert len(row[:2]) == 2
    assert row(fg.ones(1, 2)).shape == (1, 1)


def test_copies_are_independent() -> None:
    net = Net()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        with fg.no_grad():
            twin.scale.fill_(5.0)
        assert net.scale.item() == 1.0
        assert twin.head.weight.tolist() == net.head.weight.tolist()


def test_a_module_is_a_pytree_of_its_trainable_parameters() -> None:
    net = Net()
    net.head.weight.requires_grad_(False)
    leaves, spec = fg.tree.flatten(net)
    assert [tuple(p.shape) for p in leaves] == [(1,), (8, 4), (8,)]
    twin = fg.tree.unflatten(spec, [p * 2 for p in leaves])
    assert twin.head.weight is net.head.weight
    assert fg.tree.structure(twin) == spec
    net.note = "changed"
    assert fg.tree.structure(net) != spec


def test_grad_of_a_module() -> None:
    net = Net()
    x, y = fg.randn(5, 4), fg.randn(5, 2)
    grads = fg.grad(lambda m: F.mse_loss(m(x), y))(net)
    F.mse_loss(net(x), y).backward()
    for (name, p), (_, g) in zip(net.named_parameters(), grads.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g.numpy(), rtol=1e-5, err_msg=name)
    updated = fg.tree.map(lambda p, g: p - 0.1 * g, net, grads)
    assert F.mse_loss(updated(x), y).item() < F.mse_loss(net(x), y).item()


def test_batch_norm_state_is_written_inside_grad_and_jit() -> None:
    net = nn.BatchNorm1d(3)
    x = fg.randn(8, 3) * 2 + 1
    fg.grad(lambda m: (m(x) ** 2).sum() * 0.1)(net)
    assert net.num_batches_tracked.item() == 1
    np.testing.assert_allclose(net.running_mean.numpy(), 0.1 * x.numpy().mean(0), rtol=1e-5)
    fg.jit(lambda v: net(v))(x)
    assert net.num_batches_tracked.item() == 2


def test_functional_call_leaves_the_module_alone() -> None:
    net = Net()
    x = fg.ones(2, 4)
    state = {k: v * 0 for k, v in net.named_parameters()}
    assert nn.functional_call(net, state, x).abs().sum().item() == 0
    assert net(x).abs().sum().item() > 0
    grads = fg.grad(lambda p: nn.functional_call(net, p, (x,)).sum())(dict(net.named_parameters()))
    assert set(grads) == set(state)
    with pytest.raises(RuntimeError, match="unexpected names"):
        nn.functional_call(net, {"nothing": fg.ones(1)}, x, strict=True)


def test_per_example_gradients_of_a_module() -> None:
    net = nn.Linear(3, 1)
    params = {k: v.detach() for k, v in net.named_parameters()}
    x, y = fg.randn(5, 3), fg.randn(5, 1)

    def loss(p: Any, xi: Any, yi: Any) -> Any:
        return ((nn.functional_call(net, p, (xi,)) - yi) ** 2).sum()

    rows = fg.vmap(fg.grad(loss), in_dims=(None, 0, 0))(params, x, y)
    one = fg.grad(loss)(params, x[2], y[2])
    np.testing.assert_allclose(rows["weight"][2].numpy(), one["weight"].numpy(), rtol=1e-5)


def test_layer_and_module_are_twins() -> None:
    layer = nn.serial(nn.conv2d(1, 2, 3, padding=1), nn.batch_norm2d(2), nn.relu, lambda x: x.mean((2, 3)), nn.linear(2, 3))
    params, state = layer.init(fg.random.key(0))
    x = fg.random.normal(fg.random.key(1), (4, 1, 5, 5))
    y, after = layer.apply(params, state, x, train=True)
    module = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    flat = [p for part in params for p in (part.values() if isinstance(part, dict) else part)]
    with fg.no_grad():
        for p, v in zip(module.parameters(), flat, strict=True):
            p.copy_(fg.tensor(np.asarray(v)))
    np.testing.assert_allclose(np.asarray(y), module(fg.tensor(np.asarray(x))).detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(after[1]["running_var"]), module[1].running_var.numpy(), rtol=1e-4)


def test_branches_join_layers() -> None:
    block = nn.branches(nn.linear(3, 3), lambda x: x, join=lambda a, b: a + b)
    params, _ = block.init(fg.random.key(0))
    x = jnp.ones((2, 3))
    np.testing.assert_allclose(
        np.asarray(block(params, x)), np.asarray(x @ params[0]["weight"].T + params[0]["bias"] + x), rtol=1e-6
    )


def test_dropout_in_both_faces() -> None:
    fg.manual_seed(0)
    m = nn.Dropout(0.25)
    y = m(fg.ones(20_000))
    assert y.mean().item() == pytest.approx(1.0, abs=0.02)
    assert np.unique(y.numpy()).tolist() == pytest.approx([0.0, 1 / 0.75])
    assert m.eval()(fg.ones(3)).tolist() == [1.0] * 3
    layer = nn.dropout(0.5)
    a, _ = layer.apply({}, {}, jnp.ones(1000), train=True, key=fg.random.key(0))
    b, _ = layer.apply({}, {}, jnp.ones(1000), train=True, key=fg.random.key(0))
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_"])
def test_init_has_the_variance_it_says(name: str) -> None:
    fg.manual_seed(0)
    w = getattr(nn.init, name)(fg.empty(200, 300)).numpy()
    expected = {"xavier": 2 / 500, "kaiming": 2 / 300, "orthogonal": 1 / 300}[name.split("_")[0]]
    assert w.var() == pytest.approx(expected, rel=0.1)
    if name == "orthogonal_":
        np.testing.assert_allclose(w @ w.T, np.eye(200), atol=1e-4)


def test_init_in_place_without_history() -> None:
    layer = nn.Linear(3, 3)
    nn.init.constant_(layer.weight, 2.0)
    nn.init.eye_(layer.weight)
    assert layer.weight.tolist() == np.eye(3).tolist()
    assert layer.weight.is_leaf
    w = nn.init.trunc_normal_(fg.empty(5000), std=2.0, a=-1.0, b=1.0)
    assert w.abs().max().item() <= 1.0
    with pytest.raises(ValueError, match="fewer than 2"):
        nn.init.xavier_uniform_(fg.empty(3))


def test_freezing_and_unused_parameters_in_an_optimiser() -> None:
    net = Net()
    net.body[0].weight.requires_grad_(False)
    opt = optim.Adam(net.parameters(), lr=0.1)
    before = net.body[0].weight.tolist()
    net(fg.ones(1, 4)).sum().backward()
    opt.step()
    assert net.body[0].weight.tolist() == before
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="Invalid lr"):
        optim.SGD(net.parameters(), lr=-1.0)
    with pytest.raises(TypeError, match="iterable"):
        optim.SGD(net.scale, lr=0.1)


def test_a_closure_is_run_by_step() -> None:
    w = nn.Parameter(fg.tensor([4.0]))
    opt = optim.SGD([w], lr=0.1)

    def closure() -> Any:
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert opt.step(closure).item() == 16.0
    assert w.item() == pytest.approx(3.2)


def test_errors_name_the_line() -> None:
    layer = nn.Linear(3, 2)
    with pytest.raises(RuntimeError, match="cannot be multiplied") as e:
        layer(fg.ones(1, 4))  # the line to be named
    assert "the line to be named" in str(e.value)
    with pytest.raises(IndexError, match="Target 7 is out of bounds"):
        F.cross_entropy(fg.ones(2, 3), fg.tensor([0, 7]))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3)(fg.ones(1, 3))
    with pytest.raises(RuntimeError, match="groups"):
        F.conv2d(fg.ones(1, 3, 4, 4), fg.ones(2, 2, 3, 3))


def test_what_a_layer_was_made_with_can_be_changed() -> None:
    x = fg.randn(8, 5)
    drop, norm = nn.Dropout(0.5), nn.BatchNorm1d(5)
    drop.p = 0.0
    assert drop(x).tolist() == x.tolist()
    for m in (copy.deepcopy(drop), pickle.loads(pickle.dumps(drop))):
        assert m(x).tolist() == x.tolist()
    with pytest.raises(ValueError, match="between 0 and 1"):
        drop.p = 2.0
    assert drop.p == 0.0
    norm.momentum = 1.0
    norm(x)
    np.testing.assert_allclose(norm.running_mean.numpy(), x.numpy().mean(0), rtol=1e-5, atol=1e-6)
    linear = nn.Linear(5, 3)
    linear.out_features = 4  # describes only, as in PyTorch
    assert linear(x).shape == (8, 3)
    assert copy.deepcopy(linear)(x).shape == (8, 3)


def test_a_held_buffer_of_a_compiled_module_sees_its_writes() -> None:
    net = nn.BatchNorm1d(3)
    mean = net.running_mean.numpy()
    x = fg.randn(8, 3) + 2
    y = fg.compile(net)(x)
    np.testing.assert_allclose(mean, 0.1 * x.numpy().mean(0), rtol=1e-5)
    np.testing.assert_allclose(y.detach().numpy().mean(0), 0.0, atol=1e-5)
