"""`fgrad demo` learns in seconds; the IR of its two steps prints, parses, verifies and survives every pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fgrad import tree
from fgrad.__main__ import main
from fgrad.backends.numpy import interpret
from fgrad.backends.numpy.capable import able
from fgrad.demo import cnn, digits, mlp
from fgrad.eager import engine
from fgrad.ir.graph import Graph
from fgrad.ir.hash import canonical_hash, same
from fgrad.ir.json import from_json, to_json
from fgrad.ir.parse import parse_graph
from fgrad.ir.text import format_graph
from fgrad.ir.verify import verify
from fgrad.passes.fuse import fuse
from fgrad.passes.pipeline import NUMPY
from fgrad.settings import use

ROOT = Path(__file__).resolve().parent.parent
PASSES: list[Callable[[Graph], Graph]] = [*NUMPY, lambda graph: fuse(graph, able)]


@pytest.mark.slow
def test_demo_trains_both_networks_and_writes_the_report(tmp_path: Path) -> None:
    report, start = tmp_path / "report.txt", time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "fgrad", "demo", "--quiet", "--report", str(report)],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # its threads wait by spinning: that would time the other tests
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert time.perf_counter() - start < 20
    accuracies = [float(a) for a in re.findall(r"test accuracy (\d\.\d+)", run.stdout)]
    assert len(accuracies) == 2
    assert min(accuracies) >= 0.97
    assert str(report) in run.stdout
    text = report.read_text()
    for part in ("graph cnn_step(", "graph mlp_step(", "pass share: ", "conv_dw", "cnn.py:"):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--epochs", "0"], "at least 1"), (["--epochs", "x"], "at least 1"), (["--report", "/nowhere/x"], "/nowhere/x")]
)
def test_wrong_arguments_are_refused_before_training(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        main(["demo", *arguments])
    assert e.value.code == 2
    assert message in capsys.readouterr().err


def silent(items: Any, text: str) -> Any:
    return items


def steps() -> dict[str, tuple[Graph, list[Any]]]:
    """Both training steps with the buffers they read, after some training."""
    seen: list[tuple[Graph, list[Any]]] = []
    original = engine.run_once

    def keep(graph: Graph, buffers: Any, donated: Any) -> Any:
        seen.append((graph, [np.array(b) for b in buffers]))  # copies: the step overwrites what it donates
        return original(graph, buffers, donated)

    engine.run_once = keep  # type: ignore[assignment]
    try:
        # numbers that do not depend on when a kernel arrives: rounding decides which of two nearly equal numbers a window's largest is
        with use(kernels="tiled"):
            *_, captured = cnn.train(digits.load(), 1, silent, lambda line: None)
    finally:
        engine.run_once = original  # type: ignore[assignment]
    *_, arguments = mlp.train(digits.load(), 2, silent, lambda line: None)
    found = next((g, b) for g, b in reversed(seen) if g is captured.graph)
    return {"cnn": found, "mlp": (mlp.step.graph(*arguments), [np.asarray(x) for x in tree.leaves(arguments)])}


@pytest.fixture(scope="module")
def both() -> dict[str, tuple[Graph, list[Any]]]:
    return steps()


names = pytest.mark.parametrize("name", ["cnn", "mlp"])


@names
def test_the_step_is_whole(name: str, both: Any) -> None:
    graph, _ = both[name]
    prims = {v.prim.name for v in graph.values()}
    expected = {"cnn": {"conv", "conv_dw", "conv_dx", "window_max", "random_bits"}, "mlp": {"dot_general", "gather", "scatter"}}
    assert expected[name] <= prims, prims
    verify(graph)
    assert len(graph.values()) > 100


@names
def test_every_form_reads_back_to_the_same_graph(name: str, both: Any) -> None:
    graph, buffers = both[name]
    expected = interpret(graph, buffers)
    for again in (parse_graph(format_graph(graph)), from_json(to_json(graph))):
        verify(again)
        assert same(again, graph)
        assert canonical_hash(again) == canonical_hash(graph)
        for a, b in zip(interpret(again, buffers), expected, strict=True):
            np.testing.assert_array_equal(a, b)


@names
@pytest.mark.parametrize("prefix", range(len(PASSES) + 1))
def test_every_prefix_of_the_passes_computes_the_same_numbers(name: str, prefix: int, both: Any) -> None:
    graph, buffers = both[name]
    expected = interpret(graph, buffers)
    before = len(graph.values())
    for step in PASSES[:prefix]:
        graph = step(graph)
    verify(graph)
    assert same(parse_graph(format_graph(graph)), graph)
    if prefix == len(PASSES):
        assert len(graph.values()) < before / 2
    for i, (a, b) in enumerate(zip(interpret(graph, buffers), expected, strict=True)):
        assert a.dtype == b.dtype
        scale = float(np.abs(b).max(initial=0)) if b.dtype.kind == "f" else 0.0
        # with channels last, sums of 4,096 terms run in another order; the gradient of a bias before batch norm is such a sum, and 0
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * scale + 2e-6, err_msg=f"output {i}")
