"""utils.checkpoint: the same numbers and gradients as without it and as PyTorch's."""

from __future__ import annotations

import functools
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.utils import checkpoint as utils
from fgrad.utils.checkpoint import checkpoint, checkpoint_sequential

torch = pytest.importorskip("torch")
from torch.utils import checkpoint as theirs  # noqa: E402

W = np.linspace(-1, 1, 12).reshape(3, 4).astype(np.float32)
X = np.linspace(0, 2, 6).reshape(2, 3).astype(np.float32)


def test_the_forward_values_inside_are_not_kept() -> None:
    graph = fgrad.make_graph(lambda v: checkpoint(lambda u: fgrad.sin(fgrad.exp(u)), v))(fgrad.ones(2))
    assert "checkpoint" in str(graph)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradients_with_without_and_torchs(reentrant: bool) -> None:
    found = []
    for F, run in ((fgrad, checkpoint), (torch, theirs.checkpoint), (fgrad, None)):
        x, w = F.tensor(X, requires_grad=True), F.tensor(W, requires_grad=True)

        def block(u: Any, v: Any, scale: float = 1.0, F: Any = F) -> Any:
            return {"y": F.tanh(u @ v) * scale, "z": u.exp()}

        if reentrant and run is not None:
            out = run(lambda u, v, f=block: tuple(f(u, v, scale=2.0).values()), x, w, use_reentrant=True)
            out = dict(zip("yz", out))
        else:
            out = block(x, w, scale=2.0) if run is None else run(block, x, w, use_reentrant=False, scale=2.0)
        (out["y"].sum() + (out["z"] * out["z"]).sum()).backward()
        found.append([out["y"].detach().numpy(), x.grad.numpy(), w.grad.numpy()])
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)


def test_draws_are_the_same_in_the_reverse_pass() -> None:
    fgrad.manual_seed(0)
    x = fgrad.ones(1000, requires_grad=True)
    y = checkpoint(lambda v: fgrad.nn.functional.dropout(v * v, 0.5), x, use_reentrant=False)
    y.sum().backward()
    assert x.grad.tolist() == (2 * y.detach()).tolist()
    assert 0.0 in y.tolist()


@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_sequential_as_torch(segments: int) -> None:
    found = []
    for F, run in ((fgrad, checkpoint_sequential), (torch, theirs.checkpoint_sequential)):
        layers = [F.nn.Linear(3, 3), F.nn.Tanh(), F.nn.Linear(3, 3), F.nn.Sigmoid(), F.nn.Linear(3, 3)]
        model = F.nn.Sequential(*layers)
        with F.no_grad():
            for k, p in enumerate(model.parameters()):
                p.copy_(F.tensor(np.cos(np.arange(p.numel()) + k).reshape(tuple(p.shape)).astype(np.float32)))
        x = F.tensor(X, requires_grad=True)
        y = run(model, segments, x, use_reentrant=False, preserve_rng_state=True)
        y.sum().backward()
        found.append([y.detach().numpy(), x.grad.numpy(), *(p.grad.numpy() for p in model.parameters())])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_the_first_context_is_around_the_function() -> None:
    seen = []

    @contextmanager
    def mark() -> Any:
        seen.append("in")
        yield
        seen.append("out")

    def f(x: Any) -> Any:
        seen.append("f")
        return x

    checkpoint(f, fgrad.ones(1), use_reentrant=False, context_fn=lambda: (mark(), nullcontext()))
    assert seen == ["in", "f", "out"]


def test_refusals_as_torch() -> None:
    for F, C in ((fgrad, fgrad.utils.checkpoint), (torch, theirs)):
        x = F.ones(1, requires_grad=True)
        with pytest.raises(ValueError, match="use_reentrant=False"):
            C.checkpoint(F.sin, x, use_reentrant=True, context_fn=lambda: (nullcontext(), nullcontext()))
        with pytest.raises(ValueError, match="Unexpected keyword"):
            C.checkpoint_sequential([F.sin], 1, x, use_reentrant=False, other=1)
        with pytest.raises(ValueError, match="determinism_check"):
            C.checkpoint(F.sin, x, use_reentrant=False, determinism_check="some").sum().backward()
    with pytest.raises(ValueError, match="2 segments of 1 functions"):
        checkpoint_sequential([fgrad.sin], 2, fgrad.ones(1))


def counted(policy: Any) -> tuple[int, list[float]]:
    """How often the gradient's graph runs the first pass (whose results it keeps), and the gradient."""

    def loss(v: Any) -> Any:
        keep = functools.partial(utils.create_selective_checkpoint_contexts, policy)
        return checkpoint(lambda u: fgrad.sin(fgrad.exp(u) * 2), v, use_reentrant=False, context_fn=keep).sum()

    x = fgrad.tensor([0.5, 1.0])
    graph = fgrad.make_graph(fgrad.grad(loss))(x)
    return str(graph).count("= sin("), fgrad.grad(loss)(x).tolist()


def test_selected_results_are_kept() -> None:
    Policy = utils.CheckpointPolicy

    def choose(ctx: Any, op: Any, *types: Any, **params: Any) -> Any:
        assert not ctx.is_recompute
        return Policy.MUST_SAVE if op.name == "exp" else Policy.PREFER_RECOMPUTE

    exact = np.cos(np.exp([0.5, 1.0]) * 2) * 2 * np.exp([0.5, 1.0])
    for policy in ([fgrad.exp], ["exp"], choose, lambda *a, **k: Policy.PREFER_CPU_OFFLOAD):
        assert counted(policy)[0] == 1
        np.testing.assert_allclose(counted(policy)[1], exact, rtol=1e-5)
    for policy in ([fgrad.sin], [], lambda *a, **k: Policy.MUST_RECOMPUTE):
        assert counted(policy)[0] == 0
        np.testing.assert_allclose(counted(policy)[1], exact, rtol=1e-5)
    assert utils.create_selective_checkpoint_contexts([fgrad.matmul])[0].policy == utils.create_selective_checkpoint_contexts(["dot_general"])[1].policy
    assert [p.name for p in Policy] == [p.name for p in theirs.CheckpointPolicy]
    with pytest.raises(ValueError, match="no primitive"):
        utils.create_selective_checkpoint_contexts(["nothing"])
    with pytest.raises(TypeError, match="function or a list"):
        utils.create_selective_checkpoint_contexts(3)
    with pytest.raises(ValueError, match="return a CheckpointPolicy"):
        counted(lambda *a, **k: 3)


def test_the_rest_of_the_names() -> None:
    x = fgrad.ones(2, requires_grad=True)
    with utils.set_checkpoint_debug_enabled(True), utils.set_checkpoint_early_stop(False):
        checkpoint(fgrad.sin, x, use_reentrant=False).sum().backward()
    (y,) = utils.detach_variable((x * 2,))
    assert y.is_leaf
    assert y.requires_grad
    with pytest.raises(RuntimeError, match="Only tuple"):
        utils.detach_variable([x])
    utils.check_backward_validity([x])
    with pytest.warns(UserWarning, match="None of the inputs"):
        utils.check_backward_validity([x.detach()])


def test_keywords_need_the_form_that_passes_them_on() -> None:
    x = fgrad.ones(2, requires_grad=True)
    assert checkpoint(lambda v, k: v * k, x, k=2, use_reentrant=False).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="Unexpected keyword arguments: k"):
        checkpoint(lambda v, k: v * k, x, k=2, use_reentrant=True)
