"""Draws that fill a tensor: the distributions against SciPy's (Kolmogorov & Smirnov), the rest against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad as fg

stats = pytest.importorskip("scipy.stats")
N = 20_000
CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "exponential": (lambda x: x.exponential_(2.0), stats.expon(scale=0.5)),
    "cauchy": (lambda x: x.cauchy_(1.0, 0.5), stats.cauchy(1.0, 0.5)),
    "log_normal": (lambda x: x.log_normal_(0.5, 0.25), stats.lognorm(0.25, scale=np.exp(0.5))),
    "uniform": (lambda x: x.uniform_(-1, 3), stats.uniform(-1, 4)),
    "normal": (lambda x: x.normal_(1, 2), stats.norm(1, 2)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_continuous_draws_follow_their_distribution(name: str, dtype: str) -> None:
    fg.manual_seed(3)
    draw, law = CASES[name]
    x = fg.empty(N, dtype=getattr(fg, dtype))
    assert draw(x) is x
    values = x.double().numpy()
    if "16" in dtype:
        values = values + np.random.default_rng(0).uniform(-0.5, 0.5, N) * np.spacing(np.abs(values).astype("float16")).astype(float)
        assert stats.kstest(values, law.cdf).statistic < 0.05
    else:
        assert stats.kstest(values, law.cdf).pvalue > 1e-3
    assert np.isfinite(values).all() or name == "cauchy"


def test_geometric_draws_count_trials() -> None:
    fg.manual_seed(0)
    x = fg.empty(N).geometric_(0.3).numpy()
    assert x.min() == 1
    found = np.bincount(x.astype(int), minlength=12)[1:12] / N
    np.testing.assert_allclose(found, stats.geom(0.3).pmf(np.arange(1, 12)), atol=0.01)


def test_whole_numbers_are_even_and_in_range() -> None:
    fg.manual_seed(0)
    x = fg.empty(N, dtype=fg.int64).random_(-3, 5).numpy()
    assert (x.min(), x.max()) == (-3, 4)
    assert stats.chisquare(np.bincount(x + 3)).pvalue > 1e-3
    assert set(fg.empty(100).random_(4).tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert fg.empty(100, dtype=fg.float16).random_().max() < 2**11


@pytest.mark.parametrize("bad", [lambda x: x.exponential_(0.0), lambda x: x.geometric_(1.5), lambda x: x.cauchy_(0, -1), lambda x: x.log_normal_(0, -1),
                                 lambda x: x.long().exponential_()])  # fmt: skip
def test_bad_parameters_are_refused_and_nothing_is_written(bad: Callable[[Any], Any]) -> None:
    x = fg.full((3,), 7.0)
    with pytest.raises(RuntimeError):
        bad(x)
    assert x.tolist() == [7, 7, 7]


def test_draws_repeat_with_the_seed() -> None:
    fg.manual_seed(5)
    a = fg.empty(10).exponential_()
    fg.manual_seed(5)
    assert fg.equal(a, fg.empty(10).exponential_())
