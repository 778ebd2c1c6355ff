"""Optimisers around their steps: text, refusals, hooks, exact state, saved states of schedulers, all as PyTorch's."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")

MADE = [row.strip() for row in """
SGD(P) | SGD(P, lr=-1) | SGD(P, .1, nesterov=True) | SGD(P, .1, fused=True, foreach=True) | SGD([]) | SGD(P[0]) | SGD([1]) | SGD(N, lr=.1)
SGD([('a', P[0]), P[1]], lr=.1) | SGD([P[0] * 2], lr=.1) | SGD([{'lr': 1}], lr=.1) | SGD([{'params': {P[0]}}], lr=.1) | SGD(iter(P), lr=.1)
SGD([{'params': P[:1], 'name': 'x'}, {'params': P[1], 'lr': .5}], lr=.1) | SGD([{'params': P}, {'params': P[0]}], lr=.1)
Adam(P) | Adam(P, betas=(1., .9)) | Adam(P, eps=-1) | Adam(P, betas=(torch.tensor(.9), .99)) | Adam(P, amsgrad=True, weight_decay=.1)
Adam(P, lr=torch.tensor(.01), foreach=True) | Adam(P, lr=torch.tensor(.01)) | AdamW(P, lr=.1) | Adamax(P) | NAdam(P, lr=.1, weight_decay=.1)
RAdam(P, lr=.1) | RMSprop(P, lr=.1, momentum=.9, centered=True) | Adagrad(P, lr_decay=-1) | Adadelta(P) | ASGD(P) | Rprop(P) | Adafactor(P)
""".replace("\n", " | ").split(" | ") if row.strip()]  # fmt: skip
ERRORS = (KeyError, TypeError, ValueError, RuntimeError)


def parameters(T: Any) -> list[Any]:
    draws = np.random.default_rng(0)
    return [T.nn.Parameter(T.tensor(draws.standard_normal(s).astype("float32"))) for s in ((3, 2), (4,))]


def loss(a: Any, b: Any) -> Any:
    return (a**2).sum() + b.exp().sum() + (a.sum() * b).sum() * 0.1


def outcome(T: Any, text: str) -> Any:
    """The text, and after three steps the parameters and the state; or the classes of the error."""
    P = parameters(T)
    names = {k: getattr(T.optim, k) for k in dir(T.optim)}
    try:
        o = eval(text, {**names, "P": P, "N": [("a", P[0]), ("b", P[1])], "torch": T})
        for _ in range(3):
            o.zero_grad()
            loss(*P).backward()
            o.step()
    except ERRORS as e:
        return {c for c in ERRORS if isinstance(e, c)}
    state = o.state_dict()
    held = [(i, k, np.asarray(v.detach()) if hasattr(v, "detach") else v) for i, s in state["state"].items() for k, v in s.items()]
    return repr(o), [list(g) for g in state["param_groups"]], held, [p.detach().numpy() for p in P]


@pytest.mark.oracle
@pytest.mark.parametrize("text", MADE)
def test_optimisers_are_pytorchs(text: str) -> None:
    theirs, ours = outcome(torch, text), outcome(fgrad, text)
    if isinstance(theirs, set) or isinstance(ours, set):
        assert isinstance(theirs, set)
        assert isinstance(ours, set)
        assert theirs & ours
        return
    assert ours[:2] == theirs[:2]
    assert [h[:2] for h in ours[2]] == [h[:2] for h in theirs[2]]
    for (*_, a), (*_, b) in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    for a, b in zip(ours[3], theirs[3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("T", [torch, fgrad], ids=["torch", "fgrad"])
def test_hooks_around_steps(T: Any) -> None:
    everywhere = importlib.import_module(f"{T.__name__}.optim.optimizer")
    a, b = parameters(T)
    o, log = T.optim.SGD([a, b], lr=0.1), []
    before = everywhere.register_optimizer_step_pre_hook(lambda o, args, kwargs: log.append(("all", len(args), kwargs)))
    after = everywhere.register_optimizer_step_post_hook(lambda o, args, kwargs: log.append(("all after", len(args), kwargs)))
    o.register_step_pre_hook(lambda o, args, kwargs: log.append(("own", args[0] is o, kwargs)))
    o.register_step_post_hook(lambda o, args, kwargs: log.append(("own after", args[0] is o, kwargs)))
    o.step()
    o.step(lambda: loss(a, b))
    assert log == [e for n in (1, 2) for e in (("all", n, {}), ("own", True, {}), ("own after", True, {}), ("all after", n, {}))]
    before.remove(), after.remove()
    o.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: loss(a, b) * 0 + 7.0), {}))
    assert o.step().item() == 7.0
    o.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        o.step()


@pytest.mark.oracle
@pytest.mark.parametrize("T", [torch, fgrad], ids=["torch", "fgrad"])
def test_states_of_other_sizes_and_bad_groups_are_refused(T: Any) -> None:
    a, b = parameters(T)
    for other in ([a], [{"params": [a]}, {"params": [b]}]):
        with pytest.raises(ValueError, match="loaded state dict"):
            T.optim.Adam([a, b]).load_state_dict(T.optim.Adam(other).state_dict())
    with pytest.raises(TypeError, match="must be a dict"):
        T.optim.Adam([a]).add_param_group([b])


SCHEDULERS = ("StepLR(o, 2)", "MultiStepLR(o, [2])", "LinearLR(o)", "ExponentialLR(o, .9)", "CosineAnnealingLR(o, 4)", "PolynomialLR(o)",
              "ReduceLROnPlateau(o)", "ReduceLROnPlateau(o, 'max', min_lr=[.01])")  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("text", SCHEDULERS)
def test_schedulers_save_what_pytorchs_save(text: str) -> None:
    saved = []
    for T in (torch, fgrad):
        o = T.optim.SGD(parameters(T)[:1], lr=0.1)
        names = {k: getattr(T.optim.lr_scheduler, k) for k in dir(T.optim.lr_scheduler)}
        s = eval(text, {**names, "o": o})
        for _ in range(3):
            o.step()
            s.step(1.0) if "Plateau" in text else s.step()
        saved.append(s.state_dict())
    assert saved[0].keys() == saved[1].keys()
    for k, v in saved[0].items():
        assert saved[1][k] == (pytest.approx(v) if isinstance(v, float | list) else v)
