"""Hooks around state dicts, extra state, overridden loading: as torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
both = pytest.mark.parametrize("lib", [fgrad, torch], ids=["fgrad", "torch"])


def net(lib: Any) -> Any:
    return lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.Sequential(lib.nn.Linear(3, 1)))


@both
def test_hooks_of_saving(lib: Any) -> None:
    model, seen = net(lib), []
    model[1].register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((m is model[1], prefix, keep)))

    def after(m: Any, state: Any, prefix: str, metadata: Any) -> None:
        seen.append((sorted(state), prefix, metadata["version"]))
        state[prefix + "more"] = 1

    handle = model[1].register_state_dict_post_hook(after)
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.0.weight", "1.0.bias", "1.more"]
    assert seen == [(True, "1.", False), (["0.bias", "0.weight", "1.0.bias", "1.0.weight"], "1.", 1)]
    handle.remove()
    assert "1.more" not in model.state_dict()
    model._register_state_dict_hook(lambda m, state, prefix, metadata: {k: v for k, v in state.items() if "bias" in k})
    assert list(model.state_dict()) == ["0.bias", "1.0.bias"]
    model[0].register_state_dict_post_hook(lambda *a: 3)
    with pytest.raises(RuntimeError, match="must return None"):
        model.state_dict()


@both
def test_hooks_of_loading(lib: Any) -> None:
    model, seen = net(lib), []
    old = {k.replace("1.0.", "1.old."): v * 0 + 2 for k, v in model.state_dict().items()}

    def rename(m: Any, state: Any, prefix: str, metadata: Any, strict: bool, missing: Any, unexpected: Any, errors: Any) -> None:
        seen.append((m is model[1], prefix, strict, missing, unexpected, errors))
        for k in list(state):
            state[k.replace("1.old.", "1.0.")] = state.pop(k)

    with pytest.raises(RuntimeError, match="(?s)Missing key.*1.0.weight|Unexpected key.*1.old.bias"):
        model.load_state_dict(old)
    model[1].register_load_state_dict_pre_hook(rename)
    done = []
    model.register_load_state_dict_post_hook(lambda m, keys: done.append((m is model, list(keys.missing_keys))))
    assert repr(model.load_state_dict(old)) == "<All keys matched successfully>"
    assert seen == [(True, "1.", True, [], [], [])]
    assert done == [(True, [])]
    assert (model[1][0].weight == 2).all().item()
    assert len(old) == 4
    assert "1.old.weight" in old


@both
def test_a_post_hook_may_forgive_names(lib: Any) -> None:
    model = net(lib)
    state = dict(model.state_dict())
    state.pop("0.bias")
    state["extra"] = state["0.weight"]

    def forgive(m: Any, keys: Any) -> None:
        assert list(keys.missing_keys) == ["0.bias"]
        assert list(keys.unexpected_keys) == ["extra"]
        keys.missing_keys.clear()
        keys.unexpected_keys.clear()

    model.register_load_state_dict_post_hook(forgive)
    model.load_state_dict(state)
    model[0].register_load_state_dict_post_hook(lambda m, keys: 3)
    with pytest.raises(AssertionError, match="not expected to return"):
        model.load_state_dict(state)


@both
def test_extra_state_and_overridden_loading(lib: Any) -> None:
    class Counted(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = lib.nn.Linear(1, 1)
            self.count, self.loads = 0, 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

        def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
            self.loads += 1
            if prefix + "legacy" in state_dict:
                state_dict[prefix + "_extra_state"] = state_dict.pop(prefix + "legacy")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    a, b = lib.nn.ModuleList([Counted()]), lib.nn.ModuleList([Counted()])
    a[0].count = 5
    state = a.state_dict()
    assert list(state) == ["0._extra_state", "0.inner.weight", "0.inner.bias"]
    b.load_state_dict(state)
    assert (b[0].count, b[0].loads) == (5, 1)
    legacy = {k.replace("_extra_state", "legacy"): v for k, v in state.items()}
    legacy["0.legacy"] = {"count": 7}
    b.load_state_dict(legacy)
    assert b[0].count == 7
    state.pop("0._extra_state")
    with pytest.raises(RuntimeError, match=r"0\._extra_state"):
        b.load_state_dict(state)
    assert list(b.load_state_dict(state, strict=False).missing_keys) == ["0._extra_state"]
    with pytest.raises(RuntimeError, match="Unexpected"):
        lib.nn.Linear(1, 1).load_state_dict({**lib.nn.Linear(1, 1).state_dict(), "_extra_state": 1})


def test_nothing_changes_when_loading_fails() -> None:
    model = net(fgrad)
    before = [p.tolist() for p in model.parameters()]
    state = {k: v + 1 for k, v in model.state_dict().items()}
    for wrong in ({**state, "1.0.bias": fgrad.ones(2)}, {**state, "x": fgrad.ones(2)}):
        with pytest.raises(RuntimeError):
            model.load_state_dict(wrong)
        assert [p.tolist() for p in model.parameters()] == before


def test_scalars_saved_with_one_axis_and_the_older_weight_norm_load() -> None:
    norm = fgrad.nn.BatchNorm1d(2)
    norm.load_state_dict({**norm.state_dict(), "num_batches_tracked": fgrad.tensor([3])})
    assert norm.num_batches_tracked.item() == 3
    old = fgrad.nn.Sequential(fgrad.nn.utils.weight_norm(fgrad.nn.Linear(2, 3)))
    new = fgrad.nn.Sequential(fgrad.nn.utils.parametrizations.weight_norm(fgrad.nn.Linear(2, 3)))
    new.load_state_dict(old.state_dict())
    np.testing.assert_allclose(new[0].weight.detach().numpy(), old[0].weight.detach().numpy(), rtol=1e-6)
    assert fgrad.nn.Linear(2, 3).to_empty(device="cpu").weight.shape == (3, 2)
