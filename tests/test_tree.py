"""fgrad.tree under jax.tree's names and keywords."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad
from fgrad import tree

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.oracle


def is_pair(x):
    return isinstance(x, tuple)


CASES = [
    lambda t: t.reduce(lambda a, b: a + b, {"a": 1, "b": [2, None]}),
    lambda t: t.reduce(function=lambda a, b: a + b, tree=[1, 2], initializer=10),
    lambda t: t.reduce(lambda a, b: a + len(b), [(1, 2), (3,)], 0, is_leaf=is_pair),
    lambda t: t.reduce(lambda a, b: b, [], None),
    lambda t: t.all([True, {"a": 1}]),
    lambda t: (t.all([(0,)]), t.all([(0,)], is_leaf=is_pair)),
    lambda t: t.unflatten(treedef=t.structure((1, [2])), leaves=[5, 6]),
    lambda t: t.transpose(t.structure([0, 0]), t.structure({"a": 0, "b": 0}), [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
    lambda t: t.transpose(
        outer_treedef=t.structure([0, 0]), inner_treedef=None, pytree_to_transpose=[{"a": 1, "b": (2, 5)}, {"a": 3, "b": (4, 6)}]
    ),
    lambda t: t.broadcast([1, {"a": 2}], [(1, 1), {"a": [3, None]}]),
    lambda t: t.map(lambda x, y: (x, y), [1, 2], [{"a": 1}, (3, 4)]),
    lambda t: t.flatten([(1, 2), None, {"b": 3, "a": (4,)}], is_pair)[0],
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_as_jax(case):
    assert CASES[case](tree) == CASES[case](jax.tree)


ERRORS = [
    (lambda: tree.reduce(lambda a, b: a, []), TypeError, "empty tree"),
    (lambda: tree.broadcast([1, 2], [1]), ValueError, r"\[\*, \*\]\) is no prefix of .*\[\*\]\)\n  at .*test_tree.py"),
    (lambda: tree.map(lambda a, b: a, {"a": np.ones(9)}, {"b": np.ones(9)}), ValueError,
     r"structure: PyTreeSpec\({'a': \*}\) and PyTreeSpec\({'b': \*}\)\n  at .*test_tree.py:\d+: "),
    (lambda: fgrad.vmap(lambda p: p["a"], in_axes=({"a": 0, "z": 1},))({"a": np.ones(9)}), ValueError,
     r"in_axes=\({'a': 0, 'z': 1},\) does not fit .*\({'a': \*},\)\)\n  at .*test_tree.py:\d+: "),
    (lambda: fgrad.vmap(lambda p: p, out_axes=(0, 1))(np.ones(9)), ValueError, r"out_axes=\(0, 1\) does not fit .*\*\)\n  at "),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_show_structures_and_the_line(case):
    f, kind, text = ERRORS[case]
    with pytest.raises(kind, match=text):
        f()
