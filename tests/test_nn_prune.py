"""nn.utils.prune against torch: masks, training, errors; state dicts go both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import MAKERS, X2, every_layer, same_state, to_ours, train_both

import fgrad
from fgrad.nn.utils import prune

torch = pytest.importorskip("torch")
their_prune = pytest.importorskip("torch.nn.utils.prune")
pytestmark = pytest.mark.oracle

PRUNERS: dict[str, Callable[[Any, Any], Any]] = {
    "identity": lambda p, m: p.identity(m, "weight"),
    "l1": lambda p, m: p.l1_unstructured(m, "weight", amount=0.3),
    "l1 count": lambda p, m: p.l1_unstructured(m, "weight", amount=4),
    "l1 twice": lambda p, m: p.l1_unstructured(p.l1_unstructured(m, "weight", amount=0.3), "weight", amount=0.5),
    "ln": lambda p, m: p.ln_structured(m, "weight", amount=2, n=2, dim=0),
    "ln 1": lambda p, m: p.ln_structured(m, "weight", amount=0.4, n=1, dim=1),
    "ln inf": lambda p, m: p.ln_structured(m, "weight", amount=0.4, n=float("inf"), dim=-1),
    "ln then l1": lambda p, m: p.l1_unstructured(p.ln_structured(m, "weight", amount=2, n=2, dim=0), "weight", amount=0.3),
    "l1 then ln": lambda p, m: p.ln_structured(p.l1_unstructured(m, "weight", amount=0.5), "weight", amount=1, n=2, dim=0),
    "bias": lambda p, m: p.l1_unstructured(m, "bias", amount=1),
}


@every_layer
@pytest.mark.parametrize("how", PRUNERS)
def test_pruning_trains_as_torchs(kind: str, how: str) -> None:
    make, x = MAKERS[kind]
    ours, theirs = make(fgrad.nn), make(torch.nn)
    ours.load_state_dict(to_ours(theirs.state_dict()))
    PRUNERS[how](prune, ours), PRUNERS[how](their_prune, theirs)
    assert {k: v.numpy().tolist() for k, v in ours.state_dict().items() if "mask" in k} == {
        k: v.numpy().tolist() for k, v in theirs.state_dict().items() if "mask" in k
    }
    train_both(ours, theirs, x)
    assert prune.is_pruned(ours)
    name = "bias" if how == "bias" else "weight"
    prune.remove(ours, name), their_prune.remove(theirs, name)
    assert not prune.is_pruned(ours)
    same_state(ours, theirs, 1e-4)


def test_pruning_by_scores_masks_and_over_several_modules() -> None:
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    ours = fgrad.nn.Sequential(fgrad.nn.Linear(3, 4), fgrad.nn.Linear(4, 2))
    ours.load_state_dict(to_ours(theirs.state_dict()))
    scores = np.random.default_rng(4).standard_normal((4, 3)).astype(np.float32)
    prune.L1Unstructured.apply(ours[0], "weight", 5, fgrad.tensor(scores))
    their_prune.l1_unstructured(theirs[0], "weight", 5, importance_scores=torch.tensor(scores))
    for _ in range(2):
        prune.global_unstructured([(m, "weight") for m in ours], prune.L1Unstructured, amount=0.3)
        their_prune.global_unstructured([(m, "weight") for m in theirs], their_prune.L1Unstructured, amount=0.3)
        same_state(ours, theirs)
    mask = np.array([1, 0], np.float32)
    prune.custom_from_mask(ours[1], "bias", fgrad.tensor(mask)), their_prune.custom_from_mask(theirs[1], "bias", torch.tensor(mask))
    train_both(ours, theirs, X2)


def test_random_pruning_takes_as_many_as_asked() -> None:
    a = prune.random_unstructured(fgrad.nn.Linear(6, 5), "weight", amount=0.4)
    assert int((a.weight_mask == 0).sum()) == 12
    prune.random_unstructured(a, "weight", amount=6)
    assert int((a.weight_mask == 0).sum()) == 18
    b = prune.random_structured(fgrad.nn.Linear(6, 5), "weight", amount=2, dim=1)
    assert int((b.weight_mask.sum(0) == 0).sum()) == 2
    assert int((b.weight == 0).sum()) == 10
    assert prune.RandomUnstructured(2).prune(fgrad.ones(4)).sum().item() == 2


@pytest.mark.parametrize(("error", "call"), [
    (ValueError, lambda p, lib: p.l1_unstructured(lib.nn.Linear(2, 2), "weight", 1.5)),
    (ValueError, lambda p, lib: p.l1_unstructured(lib.nn.Linear(2, 2), "weight", -1)),
    (ValueError, lambda p, lib: p.l1_unstructured(lib.nn.Linear(2, 2), "weight", 5)),
    (TypeError, lambda p, lib: p.l1_unstructured(lib.nn.Linear(2, 2), "weight", "a")),
    (ValueError, lambda p, lib: p.ln_structured(lib.nn.Linear(2, 2), "bias", 1, 2, 0)),
    (IndexError, lambda p, lib: p.ln_structured(lib.nn.Linear(2, 2), "weight", 1, 2, 2)),
    (ValueError, lambda p, lib: p.remove(lib.nn.Linear(2, 2), "weight")),
    (TypeError, lambda p, lib: p.global_unstructured([(lib.nn.Linear(2, 2), "weight")], p.LnStructured, amount=1, n=2)),
    (TypeError, lambda p, lib: p.PruningContainer(3, 3)),
])  # fmt: skip
def test_pruning_refuses_what_torch_refuses(error: type[Exception], call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(error):
        call(their_prune, torch)
    with pytest.raises(error):
        call(prune, fgrad)


def test_a_failed_pruning_changes_nothing() -> None:
    m = fgrad.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="smaller than"):
        prune.l1_unstructured(m, "weight", 5)
    assert list(m.state_dict()) == ["weight", "bias"]
