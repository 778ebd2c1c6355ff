"""The programs in the functional style that test_programs_jax runs, and the data they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

R = np.random.default_rng(12)
PROGRAMS: list[Any] = []


def program(f: Any) -> Any:
    PROGRAMS.append(f)
    return f


def f4(*shape: int) -> Any:
    return R.normal(size=shape).astype("f4")


FEATURES, LABELS = f4(40, 3), (f4(40) > 0)


def numbers(tree: Any) -> list[Any]:
    return [np.asarray(x) for x in jax.tree.leaves(tree)]
