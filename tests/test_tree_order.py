"""The order of dicts in results: JAX's face sorts keys as jax does, PyTorch's keeps the order of insertion as torch does."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import tree

jax = pytest.importorskip("jax")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
Pair = namedtuple("Pair", "x y")


def shape_of(x: Any) -> Any:
    """A tree's containers and the order of its keys."""
    if isinstance(x, dict):
        return type(x).__name__, [(k, shape_of(v)) for k, v in x.items()], getattr(x, "default_factory", None)
    return (type(x).__name__, [shape_of(v) for v in x]) if isinstance(x, list | tuple) else None


def params(make: Any) -> Any:
    return {"w": make([1.0, 2.0]), "b": [make([3.0, 4.0]), {"z": make([0.5, 1.0]), "a": make([5.0, 6.0])}]}


def product(p: Any) -> Any:
    return p["w"] * p["b"][0] * p["b"][1]["z"] * p["b"][1]["a"]


def out(p: Any) -> Any:
    return {"z": product(p), "c": [{"q": p["w"], "d": p["w"]}]}


def keys(p: Any) -> Any:
    """What a function sees of its argument."""
    return {f"{i}{k}": p["w"].sum() for i, k in enumerate([*p, *p["b"][1]])}


CASES = [
    lambda t, p: t.grad(lambda p: product(p).sum())(p),
    lambda t, p: t.vmap(lambda p: p)(p),
    lambda t, p: t.vmap(out)(p),
    lambda t, p: t.vmap(keys)(p),
    lambda t, p: t.vmap(t.grad(product))(p),
    lambda t, p: t.vmap(t.vmap(out, 0), 0)(p) if p["w"].ndim > 1 else None,
    lambda t, p: t.grad(lambda p: (product(p).sum(), out(p)), has_aux=True)(p),
    lambda t, p: (t.vjp(out, p)[0], t.vjp(out, p)[1](out(p))),
    lambda t, p: t.vjp(lambda p: (product(p), keys(p)), p, has_aux=True)[2],
    lambda t, p: t.jvp(out, (p,), (p,)),
    lambda t, p: t.jacrev(out)(p),
    lambda t, p: t.jacfwd(out)(p),
    lambda t, p: t.hessian(lambda p: product(p).sum())(p),
    lambda t, p: (t.linearize(out, p)[0], t.linearize(out, p)[1](p)),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_transforms_order_dicts_as_their_models(case: int) -> None:
    f = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about linearize
        wanted = shape_of(f(torch.func, params(torch.tensor)))
    assert shape_of(f(fgrad.func, params(fgrad.tensor))) == wanted
    assert shape_of(f(fgrad, params(fnp.array))) == shape_of(f(jax, params(jax.numpy.array)))


def test_jit_sorts_as_jax() -> None:
    for f in (out, keys):
        assert shape_of(fgrad.jit(f)(params(fnp.array))) == shape_of(jax.jit(f)(params(jax.numpy.array)))


TREE = {
    "w": 1,
    "b": (2, {"z": 3, "a": defaultdict(int, {"q": 1, "c": 2})}),
    "o": OrderedDict(p=1, k=Pair({"u": 1, "d": 3}, None)),
}
PER_KEY = {"w": {"z": 1, "c": 3}, "b": {"z": 4, "c": 6}}
TREES = [
    lambda t: t.map(lambda x: x + 1, TREE),
    lambda t: t.map(lambda x, y: x + y, TREE, TREE),
    lambda t: t.unflatten(t.structure(TREE), t.leaves(TREE)),
    lambda t: t.broadcast({"w": 1, "b": 2}, {"w": (0, {"z": 1, "a": 1}), "b": 2}),
    lambda t: t.transpose(t.structure({"w": 0, "b": 0}), t.structure({"z": 0, "c": 0}), PER_KEY),
    lambda t: t.transpose(t.structure({"w": 0, "b": 0}), None, PER_KEY),
]


@pytest.mark.parametrize("case", range(len(TREES)))
def test_trees_are_sorted_as_jax(case: int) -> None:
    assert shape_of(TREES[case](tree)) == shape_of(TREES[case](jax.tree))
    assert TREES[case](tree) == TREES[case](jax.tree)


def test_restore_and_flatten_ordered_keep_the_order() -> None:
    assert shape_of(tree.restore(*reversed(tree.flatten(TREE)))) == shape_of(TREE)
    leaves, spec = tree.flatten_ordered({"w": 1, "b": 2})
    assert leaves == [1, 2]
    assert spec != tree.flatten_ordered({"b": 2, "w": 1})[1]


def test_compiled_functions_see_the_order_of_each_call(tmp_path: Any) -> None:
    stacked = fgrad.compile(lambda d: {"z": fgrad.stack(list(d.values())), "a": 1})
    x, y = fgrad.tensor(1.0), fgrad.tensor(2.0)
    for _ in range(2):
        assert stacked({"w": x, "b": y})["z"].tolist() == [1.0, 2.0]
        assert stacked({"b": y, "w": x})["z"].tolist() == [2.0, 1.0]
    assert list(stacked({"b": y, "w": x})) == ["z", "a"]
    program = fgrad.jit.trace(lambda d: {"z": d["w"] - d["b"], "a": d["b"]}, ({"w": x, "b": y},))
    fgrad.jit.save(program, tmp_path / "p")
    loaded = fgrad.jit.load(tmp_path / "p")
    for given in ({"w": x, "b": y}, {"b": y, "w": x}):
        found = loaded(given)
        assert (list(found), found["z"].item()) == (["z", "a"], -1.0)
    with pytest.raises(ValueError, match="no recording for"):
        loaded({"w": x})
    with pytest.raises(ValueError, match="no recording for"):
        loaded({"w": x, "b": y, "c": y})


def test_stacked_states_keep_the_order_of_the_module() -> None:
    models = [fgrad.nn.Sequential(fgrad.nn.Linear(2, 3), fgrad.nn.BatchNorm1d(3)) for _ in range(2)]
    theirs = [torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)) for _ in range(2)]
    assert [list(d) for d in fgrad.func.stack_module_state(models)] == [list(d) for d in torch.func.stack_module_state(theirs)]
