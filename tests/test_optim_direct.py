"""Steps at which everything is computed: run on the buffers, nothing recorded; and what makes them record again."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad as fg
from fgrad import optim

torch = pytest.importorskip("torch")
SHAPES = ((5, 3), (7,), (2, 2, 2))


def pair(kind: str, **options: float) -> tuple[list[fg.Tensor], object, list[object], object]:
    """The same parameters and gradients under both libraries, and their optimisers."""
    rng = np.random.default_rng(0)
    arrays = [(rng.normal(size=s).astype("float32"), rng.normal(size=s).astype("float32")) for s in SHAPES]
    ours, theirs = ([lib.nn.Parameter(lib.tensor(p)) for p, _ in arrays] for lib in (fg, torch))
    for lib, ps in ((fg, ours), (torch, theirs)):
        for p, (_, g) in zip(ps, arrays, strict=True):
            p.grad = lib.tensor(g)
    return ours, getattr(optim, kind)(ours, **options), theirs, getattr(torch.optim, kind)(theirs, **options)


@pytest.mark.parametrize(("kind", "options"), [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1}), ("AdamW", {"lr": 0.1}), ("RMSprop", {"lr": 0.1})])
def test_steps_on_buffers_are_pytorchs(kind: str, options: dict[str, float]) -> None:
    ours, mine, theirs, other = pair(kind, **options)
    for k in range(6):
        for group in (*mine.param_groups, *other.param_groups):
            group["lr"] = 0.1 / (k + 1)
        versions = [p._version for p in ours]
        mine.step()
        other.step()
        assert all(p._version > v for p, v in zip(ours, versions, strict=True))
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.detach().numpy().copy(), q.detach().numpy(), rtol=2e-5, atol=1e-6)
            fg.block_until_ready(p)


def test_nothing_is_recorded() -> None:
    _, mine, _, _ = pair("Adam", lr=0.1)
    for _ in range(3):
        mine.step()
    assert len(mine._direct) == 1
    (runner,) = mine._direct.values()
    seen = runner.seen
    mine.step()
    assert runner.seen == seen + 1


def test_a_buffer_that_others_see_is_not_written() -> None:
    ours, mine, _, _ = pair("SGD", lr=0.1)
    mine.step()
    seen = ours[0].detach().numpy()
    before = seen.copy()
    view = ours[1].detach()[2:4]
    part = view.clone().numpy()
    mine.step()
    np.testing.assert_array_equal(seen, before)
    assert not np.array_equal(ours[0].detach().numpy(), seen)
    assert not np.array_equal(view.numpy(), part)


def test_a_loss_that_waits_is_differentiated_first() -> None:
    w = fg.nn.Parameter(fg.tensor([2.0]))
    mine = optim.SGD([w], lr=0.5)
    w.grad = fg.tensor([1.0])
    mine.step()
    loss = (w * w).sum()
    loss.backward()
    mine.step()
    assert w.item() == pytest.approx(1.5 - 0.5 * (1.0 + 3.0))
    kept = (w * w).sum()
    fg.block_until_ready(kept)
    w.grad = fg.tensor([1.0])
    mine.step()
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        kept.backward()
