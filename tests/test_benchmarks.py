"""The benchmarks' own arithmetic, and two cheap rows run as a user runs them."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import load, measure, report
from benchmarks.__main__ import change, chosen
from benchmarks.faces import digest, drawn
from benchmarks.rows import FAMILIES, ROWS
from benchmarks.rows.row import Row
from benchmarks.runners import RUNNERS

ROOT = Path(__file__).parents[1]
QUICK = measure.Options(rounds=1, quick=True, runners=("fgrad",), changes={})


def run(*arguments: str) -> Any:
    command = [sys.executable, "-m", "benchmarks", *arguments, "--json"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def result(runner: str, median: float = 1.0, error: str = "") -> dict[str, Any]:
    return {"runner": runner, "error": error, "median_ms": median, "peak_mb": 10 * median}


def test_two_rows_run_whole() -> None:
    found = run("dispatch", "adam-1k", "--quick", "--rounds", "1", "--shape", "ops=20", "--runners", "fgrad", "fgrad.jit")
    assert list(found["rows"]) == ["dispatch", "adam-1k"]
    for results in found["rows"].values():
        assert [r["runner"] for r in results] == ["fgrad", "fgrad.jit"]
        for r in results:
            assert r["error"] == ""
            assert 0 < r["min_ms"] <= r["median_ms"]
            assert r["peak_mb"] > 10
            assert min(r[k] for k in ("import_s", "first_s")) > 0
    assert found["summary"]["ratios"]["dispatch"] == {"fgrad": {"own": None, "all": None}, "fgrad.jit": {"own": None, "all": None}}
    assert found["summary"]["geometric_mean"]["fgrad / best of all"] is None
    assert found["machine"]["processors"] > 0


def test_a_runner_that_fails_says_so_and_the_row_goes_on() -> None:
    results = measure.measure(ROWS["dispatch"], QUICK._replace(changes={"n": -1}))
    assert "negative" in results[0]["error"]
    assert "\n" not in results[0]["error"]


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNNERS, "fgrad", RUNNERS["fgrad"]._replace(packages=("no_such_package",)))
    assert measure.measure(ROWS["dispatch"], QUICK)[0]["error"] == "no_such_package is not installed"


@pytest.mark.parametrize(("code", "said"), [(-11, "ended by SIGSEGV"), (3, "ended with code 3")])
def test_an_end_without_a_word_is_described(code: int, said: str) -> None:
    assert said in measure.ending(code)


def test_geometric_mean() -> None:
    assert report.geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    with pytest.raises(ValueError, match="nothing"):
        report.geometric_mean([])


@pytest.mark.parametrize(("value", "passed"), [(0.99, True), (1.0, True), (1.001, False), (None, False)])
def test_pass_rule(value: float | None, passed: bool) -> None:
    assert report.passes(value) is passed


def test_ratios_are_to_the_best_peer_that_worked() -> None:
    results = [
        result("fgrad", 2.0), result("fgrad.jit", 1.0), result("torch", 4.0),
        result("torch.compile", error="it broke"), result("jax.jit", 0.5),
    ]  # fmt: skip
    assert report.ratios(results) == {"fgrad": {"own": 0.5, "all": 4.0}, "fgrad.jit": {"own": 2.0, "all": 2.0}}
    assert report.ratios(results, "peak_mb")["fgrad"] == {"own": 0.5, "all": 4.0}


def test_summary_counts_failures_and_rows_without_peers() -> None:
    rows = {
        "won": [result("fgrad", 1.0), result("torch", 2.0)],
        "lost": [result("fgrad", 8.0), result("torch", 1.0)],
        "failed": [result("fgrad", error="computes 1, not 2"), result("torch", 1.0)],
        "alone": [result("fgrad", 1.0), result("torch", error="torch is not installed")],
        "other": [result("fgrad.jit", 1.0), result("jax.jit", 2.0)],
    }
    found = report.summary(rows)
    key = "fgrad / torch or torch.compile"
    assert found["geometric_mean"][key] == pytest.approx(2.0)
    assert found["behind"][key] == ["lost", "failed"]
    assert found["behind"]["fgrad.jit / jax.jit"] == []


def test_processors_counts_guests_once_and_waiting_as_idle() -> None:
    assert load.processors("cpu  100 1 20 700 50 3 4 2 90 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == (130, 880)


def test_ticks_reads_behind_any_name() -> None:
    fields = "S 1 1 1 0 -1 4194560 100 200 0 0 7 5 3 2 20 0"
    assert load.ticks(f"42 (a ) b (c) {fields}") == 17


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ((100, 50, 1000), (200, 130, 1200), 0.1),
        ((100, 50, 1000), (140, 95, 1200), 0.0),  # ours are read later: no negative share
        ((100, 50, 1000), (100, 50, 1000), 0.0),
        (None, (100, 50, 1000), 0.0),
    ],
)
def test_foreign_share(before: Any, after: Any, share: float) -> None:
    assert load.foreign(before and load.Sample(*before), load.Sample(*after)) == pytest.approx(share)


def test_own_family_is_not_foreign() -> None:
    if load.sample() is None:
        pytest.skip("no /proc")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in load.family(os.getpid())
        assert os.getpid() not in load.family(child.pid)
    finally:
        child.communicate(b"\n")


def test_clean_takes_quiet_rounds_or_the_quietest() -> None:
    assert measure.clean([(0.5, [9.0]), (0.0, [1.0, 2.0]), (0.05, [3.0])]) == [1.0, 2.0, 3.0]
    assert measure.clean([(0.5, [9.0]), (0.3, [1.0])]) == [1.0]


def test_differs() -> None:
    assert measure.differs([[1.0], [2.0]], [[1.0], [2.0001]], 1e-3) == ""
    assert measure.differs([[1.0], [2.1]], [[1.0], [2.0]], 1e-3) == "step 1 computes 2.1, not 2"
    assert measure.differs([[math.nan]], [[1.0]], 1e-3) != ""


def test_a_runner_that_computes_something_else_is_not_timed() -> None:
    measured = [measure.Measured(n) for n in ("fgrad", "torch", "jax.jit")]
    for m, value in zip(measured, (1.5, 1.0, 1.0001)):
        m.about = {"results": [[value]]}
    measure.compare(ROWS["lenet"], measured)
    assert [m.error for m in measured] == ["step 0 computes 1.5, not 1 as torch", "", ""]


def test_digest_sees_permutations() -> None:
    assert digest([1.0, 2.0]) == [1.0, 2.0]
    x = drawn("a", (300, 400))  # more than one block
    assert digest(x) != digest(x[::-1])
    assert digest(x)[0] == pytest.approx(float((x.astype("float64") ** 2).mean() ** 0.5))


def test_table() -> None:
    assert len(ROWS) == sum(len(f.ROWS) for f in FAMILIES)
    for row in ROWS.values():
        assert set(row.quick) <= set(row.sizes), row.name
        assert set(row.without) <= set(RUNNERS), row.name
        assert row.eager, row.name
        assert row.functional or {"jax.jit", "fgrad.jit"} <= set(row.without), row.name


def test_shape_takes_the_changes_it_has() -> None:
    row = Row("r", {"batch": 32, "side": 8}, {"side": 4}, 1, 1)
    assert row.shape(quick=True, changes={"batch": 48, "n": 3}) == {"batch": 48, "side": 4}
    assert row.shape(quick=False, changes={}) == {"batch": 32, "side": 8}


def test_rows_are_chosen_by_beginning_exact_names_first() -> None:
    assert [r.name for r in chosen(["mlp-b1", "resnet"], {})] == ["mlp-b1", "resnet8", "resnet18", "resnet20"]
    assert len(chosen([], {"batch": 3})) == len(ROWS)
    for rows, changes in ((["no-such-row"], {}), (["mlp"], {"layers": 3})):
        with pytest.raises(SystemExit, match="see --list"):
            chosen(rows, changes)


def test_change() -> None:
    assert change("batch=48") == ("batch", 48)
    with pytest.raises(argparse.ArgumentTypeError, match="NAME=NUMBER"):
        change("batch=many")
