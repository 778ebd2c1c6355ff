"""What must hold on any CUDA device, real or stood in for: each check compares with the same program on the CPU."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from primitive_case import TOLERANCE, Case

import fgrad as torch
import fgrad.numpy as jnp
from fgrad import lax, nn, optim
from fgrad.backends import cupy as backend
from fgrad.backends import devices
from fgrad.backends import numpy as host_backend
from fgrad.demo.cnn import Net
from fgrad.errors import DeviceError, RangeError
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import CPU, Device, TensorType
from fgrad.transforms.inline import trace

CUDA = Device("cuda")
F = torch.nn.functional


def close(a: Any, b: Any, loose: float = 1.0) -> None:
    a, b = (x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(devices.host(x)) for x in (a, b))
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if a.dtype.kind in "biu":
        np.testing.assert_array_equal(a, b)
        return
    wide = np.complex128 if b.dtype.kind == "c" else np.float64
    tol = TOLERANCE.get(a.dtype.name, 1e-6) * loose
    np.testing.assert_allclose(a.astype(wide), b.astype(wide), rtol=tol, atol=tol * max(1.0, np.abs(b.astype(wide)).max(initial=0)))


def graph_of(case: Case, xs: list[Any], device: Device) -> Graph:
    if case.name == "iota":
        case = case._replace(params={**case.params, "device": device})
    return trace(case.build, *[TensorType(x.shape, x.dtype, device) for x in xs])


def primitive_agrees(case: Case, dtype: str, loose: float = 1.0) -> None:
    """One row of the table, node by node and compiled, against NumPy's lowering; results in memory of their own."""
    xs = case.draw(dtype)
    want = host_backend.interpret(graph_of(case, xs, CPU), [x.copy() for x in xs])
    graph = graph_of(case, xs, CUDA)
    for run in (backend.interpret, lambda g, b: backend.Program(g, {})(b)):
        given = [devices.put(x, CUDA) for x in xs]
        for a, b, v in zip(run(graph, given), want, graph.outputs, strict=True):
            assert isinstance(a, np.ndarray) == (v.device is CPU)
            assert a.flags.c_contiguous
            close(a, b, loose)
        for a, x in zip(given, xs, strict=True):
            np.testing.assert_array_equal(devices.host(a), x)


def creation() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device="cuda")
    assert (str(x.device), x.is_cuda, x.cpu().is_cuda) == ("cuda:0", True, False)
    assert repr(x) == "tensor([[1., 2.],\n        [3., 4.]], device='cuda:0')"
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.sum().item() == 10.0
    for make in (
        lambda d: torch.zeros(2, 3, device=d), lambda d: torch.ones(2, device=d), lambda d: torch.full((2, 2), 7, device=d),
        lambda d: torch.arange(3, 9, 2, device=d), lambda d: torch.arange(5.0, device=d), lambda d: torch.eye(3, 4, device=d),
        lambda d: torch.linspace(0, 1, 5, device=d), lambda d: torch.logspace(0, 1, 3, device=d), lambda d: torch.tensor(3, device=d),
        lambda d: torch.zeros_like(torch.ones(2, device=d)), lambda d: torch.as_tensor(np.arange(3), device=d),
        lambda d: torch.tensor([[1, 2]], device=d).new_tensor([5.0]), lambda d: torch.Tensor([1.0, 2.0], device=d),
    ):  # fmt: skip
        a, b = make("cuda"), make("cpu")
        assert a.is_cuda
        assert not b.is_cuda
        close(a, b)


def host_reads() -> None:
    x = torch.arange(4.0, device="cuda")
    for f in (x.numpy, x.__array__, lambda: np.asarray(x)):
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            f()
    close(x.numpy(force=True), np.arange(4, dtype=np.float32))
    y = x.cpu()
    y.numpy()[0] = 9
    assert (x[0].item(), y[0].item()) == (0.0, 9.0)
    assert x.to("cuda") is x
    assert (int(x[2]), float(x[3]), bool(x[1] > 0)) == (2, 3.0, True)
    assert f"{x[1]:.2f}" == "1.00"


def copies() -> None:
    x = torch.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.deepcopy(nn.Parameter(x))):
        assert y.is_cuda
        assert y.requires_grad
        close(y, x)
    with torch.no_grad():
        x.mul_(3)
    y = copy.deepcopy(x)
    with torch.no_grad():
        x.zero_()
    assert y.tolist() == [3.0, 6.0]


def indexing(device: str = "cuda") -> list[Any]:
    x = torch.arange(12.0, device=device).reshape(3, 4)
    x[0] = 5
    x[1, 1:3] = torch.tensor([7.0, 8.0])
    x[x > 10] = -1.0
    x[[2, 0]] = torch.ones(4, device=device)
    x[:, 0] += 2
    x.t()[3].mul_(2)
    mask = x > 1
    return [x, x[mask], x[torch.tensor([0, 2])], x[[1, 1], [0, 3]], mask.nonzero(), torch.unique(x), x.flip(0)[::2], x.T.reshape(-1),
            torch.where(mask, x, 0.0), x.masked_fill(mask, 3.0), torch.tril(x), F.one_hot(torch.tensor([0, 2], device=device)),
            torch.gather(x, 1, torch.tensor([[0], [1], [2]], device=device)), x.sort(1)[0], x.argsort(1), x.topk(2)[1],
            x.cumsum(0), torch.stack([x, x]).max(0)[1], x.expand(2, 3, 4).sum(0)]  # fmt: skip


def indexing_agrees() -> None:
    for a, b in zip(indexing("cuda"), indexing("cpu"), strict=True):
        assert a.is_cuda
        close(a, b)


def raises_on_bad_index() -> None:
    x, i = torch.ones(3, device="cuda"), torch.tensor([0, 5], device="cuda")
    for _ in range(3):
        with pytest.raises(RangeError, match="5 is out of range"):
            x[i].tolist()


def draws(device: str) -> list[Any]:
    torch.manual_seed(7)
    x = torch.ones(5, 6, device=device)
    return [torch.rand(4, 5, device=device), torch.randn(7, device=device), torch.randint(0, 2**40, (9,), device=device),
            torch.randperm(20, device=device), torch.rand(3, dtype=torch.float64, device=device), torch.rand_like(x),
            torch.bernoulli(x * 0.3), F.dropout(x, 0.4), F.dropout2d(x[None, :, :, None]), torch.multinomial(x, 3),
            torch.empty(6, device=device).uniform_(2, 3), torch.empty(6, device=device).normal_(), torch.normal(x, 2.0)]  # fmt: skip


def draws_agree() -> None:
    for _ in range(3):
        for a, b in zip(draws("cuda"), draws("cpu"), strict=True):
            assert a.is_cuda
            close(a, b, 10)


def train(device: str, steps: int = 5) -> list[Any]:
    """Losses and parameters of a small Module: the learning rate changes, so scalars become inputs."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Dropout(0.2), nn.Linear(8, 3)).to(device)
    opt = optim.AdamW(model.parameters(), lr=1e-2)
    x, y = torch.randn(16, 6).to(device), torch.randint(0, 3, (16,)).to(device)
    losses = []
    for k in range(steps):
        for group in opt.param_groups:
            group["lr"] = 1e-2 / (k + 1)
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y) * (1 + 0.1 * k)
        loss.backward()
        opt.step()
        losses.append(loss.detach())
    return [*losses, *[p.detach() for p in model.parameters()]]


def training_agrees() -> None:
    for a, b in zip(train("cuda"), train("cpu"), strict=True):
        assert a.is_cuda
        close(a, b, 100)


def train_cnn(device: str, steps: int = 4) -> list[Any]:
    torch.manual_seed(2)
    model = Net().to(device)
    opt = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    images, labels = torch.randn(8, 1, 8, 8), torch.randint(0, 10, (8,))
    losses = []
    for _ in range(steps):
        opt.zero_grad()
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        opt.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        out = model(images.to(device))
    return [np.float32(losses), *[p.detach() for p in model.parameters()], *model.buffers(), out]


def cnn_agrees() -> None:
    for a, b in zip(train_cnn("cuda"), train_cnn("cpu"), strict=True):
        close(a, b, 300)


def checkpoints_agree() -> None:
    """State moves between devices through files and state_dict."""
    model = nn.Linear(3, 2).to("cuda")
    other = nn.Linear(3, 2)
    other.load_state_dict(model.state_dict())
    close(other.weight, model.weight)
    assert not other.weight.is_cuda
    assert model.cpu().weight.is_cuda is False


def transforms_agree() -> None:
    """jit, grad, vmap, control flow and checkpoint on a device."""

    def f(x: Any, n: Any) -> Any:
        def body(i: Any, c: Any) -> Any:
            return jnp.sin(c) + i

        y = lax.fori_loop(0, 3, body, x)
        y = lax.cond(n > 0, lambda t: t * 2, lambda t: t + 1, y)
        c, ys = lax.scan(lambda c, v: (c + v, c * v), jnp.sum(x) * 0, y)
        z = torch.checkpoint(lambda t: jnp.tanh(t) * t)(ys)
        return jnp.sum(z) + c

    x = np.linspace(-1, 1, 5, dtype=np.float32)
    run = torch.jit(torch.value_and_grad(f))
    batched = torch.vmap(lambda t: f(t, 1))
    for _ in range(3):
        for n in (0, 1):
            on_host = [*run(jnp.array(x), n), batched(jnp.array(np.stack([x, x + 1])))]
            t, ts = (jnp.array(torch.tensor(a, device="cuda")) for a in (x, np.stack([x, x + 1])))
            assert t.device.type == "cuda"
            on_device = [*run(t, n), batched(ts)]
            for a, b in zip(on_device, on_host, strict=True):
                assert a.device.type == "cuda"
                close(np.asarray(a), np.asarray(b), 20)


def transfer_is_differentiable() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], device="cuda", requires_grad=True)
    for _ in range(3):
        ((x.to("cuda") * w).cpu() * 2).sum().backward()
    assert not x.grad.is_cuda
    assert w.grad.is_cuda
    close(x.grad, torch.tensor([18.0, 24.0]))
    close(w.grad, torch.tensor([6.0, 12.0]))
    s = torch.tensor(2.0, requires_grad=True)  # a 0-d CPU tensor fits beside any device
    (s * w.detach()).sum().backward()
    assert s.grad.item() == 7.0


def mixed_devices_are_named() -> None:
    a = torch.ones(2, 2)
    b = torch.ones(2, 2, device="cuda")
    for f in (lambda: a + b, lambda: b @ a, lambda: torch.cat([a, b])):
        with pytest.raises(DeviceError) as e:
            f()
        assert "float32[2,2]@cpu (made at" in str(e.value)
        assert "a = torch.ones(2, 2)" in str(e.value)
        assert "b = torch.ones(2, 2, device" in str(e.value)


def half_precision_agrees() -> None:
    for d in (torch.float16, torch.bfloat16):
        def step(device: str, d: Any = d) -> Any:
            x = torch.linspace(-2, 2, 12, device=device).reshape(3, 4).to(d).requires_grad_()
            y = F.softmax(x @ x.T, 1).relu() + x.max(1)[0].exp()
            y.sum().backward()
            return [y.float(), x.grad.float(), x.argmax(1), x.cumsum(0).float(), torch.where(x > 0, x, 0).float()]

        for a, b in zip(step("cuda"), step("cpu"), strict=True):
            close(a, b, 1e4)


def dlpack_shares() -> None:
    x = torch.arange(3.0)
    y = torch.from_dlpack(np.arange(3.0))
    assert np.from_dlpack(x)[1] == 1.0
    assert y.tolist() == [0.0, 1.0, 2.0]
    d = torch.arange(3.0, device="cuda")
    assert d.__dlpack_device__() == (2, 0)
    assert tuple(d.__cuda_array_interface__["shape"]) == (3,)
    assert torch.from_dlpack(d) is d
    assert not hasattr(x, "__cuda_array_interface__")


def donated_buffers_are_reused() -> None:
    """The last operation writes the donated buffer; everything else is untouched, also with views and swaps about."""
    t = TensorType((3, 4), "float32", CUDA)

    def f(p: Value, g: Value, q: Value) -> Any:
        m = torch.ir.operators.FUNCTIONS
        turned = m["reshape"](m["transpose"](p, axes=(1, 0)), shape=(3, 4))
        return p - g * 0.5, m["exp"](g) * q, m["maximum"](turned, q), q

    graph = trace(f, t, t, t)
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(3, 4)).astype(np.float32) for _ in range(3)]
    given = [devices.put(x, CUDA) for x in xs]
    got = backend.Program(graph, {0: 0, 1: 1})(given)
    want = [xs[0] - xs[1] * np.float32(0.5), np.exp(xs[1]) * xs[2], np.maximum(xs[0].T.reshape(3, 4), xs[2]), xs[2]]
    for a, b in zip(got, want, strict=True):
        close(a, b)
    assert got[0] is given[0]
    assert got[3] is not given[2]


def scalars_change_without_recompiling() -> None:
    x = torch.arange(4.0, device="cuda")
    for k in range(6):
        y = (x * (0.5 + k) + k).sum()
        assert y.item() == 6 * (0.5 + k) + 4 * k


def descend(name: str, device: str, steps: int = 3) -> Any:
    """Parameters and state after steps of a pure optimiser."""
    params = {"w": jnp.asarray(np.arange(6.0, dtype="f4").reshape(3, 2), device=device), "b": jnp.asarray(np.ones(2, "f4"), device=device)}
    opt = optim.lbfgs(0.1, linesearch=None) if name == "lbfgs" else getattr(optim, name)(0.1)
    state = opt.init(params)
    for k in range(steps):
        grads = {n: (p - k) * 0.3 for n, p in params.items()}
        updates, state = opt.update(grads, state, params)
        params = optim.apply_updates(params, updates)
    return params, state


def pure_optimisers_agree() -> None:
    for name in ("sgd", "adamw", "radam", "novograd", "sm3", "adafactor", "rprop", "lars", "noisy_sgd", "muon", "lbfgs"):
        (got, state), (want, other) = descend(name, "cuda"), descend(name, "cpu")
        for n in got:
            assert got[n].device == CUDA
            close(got[n], want[n], 100)
        for a, b in zip(torch.tree.leaves(state), torch.tree.leaves(other), strict=True):
            close(a, b, 100)


CHECKS: list[Callable[[], None]] = [
    creation, host_reads, copies, indexing_agrees, raises_on_bad_index, draws_agree, training_agrees, cnn_agrees, checkpoints_agree,
    transforms_agree, transfer_is_differentiable, mixed_devices_are_named, half_precision_agrees, dlpack_shares,
    donated_buffers_are_reused, scalars_change_without_recompiling, pure_optimisers_agree,
]  # fmt: skip
