"""`python -m benchmarks [ROW ...]`: runs every peer that is installed, interleaved, and prints ratios."""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks import mlp

PAUSE = 0.5  # seconds: thread pools of the runner before go on spinning for a while


class Runner:
    """A worker process of one runner."""

    def __init__(self, row: str, name: str) -> None:
        self.name, self.times, self.peak = name, [], 0.0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", row, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.about = self.read()

    def read(self) -> Any:
        """One answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the worker ended with code {self.process.wait()}")
        return json.loads(line)

    def round(self, steps: int) -> None:
        """Times some steps."""
        assert self.process.stdin is not None
        print(json.dumps({"round": steps}), file=self.process.stdin, flush=True)
        answer = self.read()
        self.times.append(answer["times"])
        self.peak = answer["peak_mb"]

    def close(self) -> None:
        """Ends the worker."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def installed(name: str) -> bool:
    """True if the peer can run here."""
    package = {"torch.compile": "torch", "jax.jit": "optax", "fgrad.jit": "fgrad"}.get(name, name)
    return importlib.util.find_spec(package) is not None


def measure(row: str, names: list[str], rounds: int) -> list[dict[str, Any]]:
    """All runners of one row: losses compared, then rounds in turn."""
    runners = [Runner(row, n) for n in names]
    reference = next((r for r in runners if r.name in ("torch", "numpy")), runners[0])
    for r in runners:
        for a, b in zip(r.about["losses"], reference.about["losses"], strict=True):
            if abs(a - b) > 1e-3 * max(1.0, abs(b)):
                raise SystemExit(f"{row}: {r.name} computes {a}, {reference.name} computes {b}")
    steps = 40 if row.endswith("512") else 150
    for _ in range(rounds):
        for r in runners:
            time.sleep(PAUSE)
            r.round(steps)
    for r in runners:
        r.close()
    return [
        {
            "row": row, "runner": r.name, "first_step_s": r.about["first_step"], "peak_mb": r.peak,
            "min_ms": 1e3 * min(min(t) for t in r.times),
            "median_ms": 1e3 * min(statistics.median(t) for t in r.times),
        }
        for r in runners
    ]  # fmt: skip


def show(rows: list[dict[str, Any]]) -> None:
    """One table a row: milliseconds, and the ratio to the best peer."""
    peers = [r for r in rows if not r["runner"].startswith("fgrad")]
    best = min((r["median_ms"] for r in peers), default=None)
    print(f"\n{rows[0]['row']:<12} {'min ms':>8} {'median':>8} {'/ best peer':>12} {'first step s':>13} {'peak MB':>8}")
    for r in rows:
        ratio = f"{r['median_ms'] / best:.2f}" if best else "-"
        print(f"{r['runner']:<12} {r['min_ms']:>8.3f} {r['median_ms']:>8.3f} {ratio:>12} {r['first_step_s']:>13.2f} {r['peak_mb']:>8.0f}")


def main() -> None:
    """Parses the command line and runs the rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("rows", nargs="*", default=["mlp"], help="row names or their beginnings (default: mlp)")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--runners", nargs="*", choices=[*mlp.RUNNERS, "numpy"], help="default: all that are installed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for row, (_, runners) in mlp.ROWS.items():
        if any(row.startswith(r) for r in options.rows):
            names = [n for n in runners if n in (options.runners or runners) and installed(n)]
            rows = measure(row, names, options.rounds)
            results += rows
            if not options.json:
                show(rows)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
