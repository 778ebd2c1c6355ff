"""What the figures say: ratios to the best peer, their geometric mean, the rows behind."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

Result = dict[str, Any]
FACES = {"fgrad": ("torch", "torch.compile"), "fgrad.compile": ("torch.compile",), "fgrad.jit": ("jax.jit",)}  # whom each face is for
PEERS = ("torch", "torch.compile", "jax.jit", "numpy")


def geometric_mean(values: Iterable[float]) -> float:
    """exp(mean(log(values))). Raises ValueError for none."""
    logs = [math.log(v) for v in values]
    if not logs:
        raise ValueError("the geometric mean of nothing")
    return math.exp(math.fsum(logs) / len(logs))


def ratio(results: list[Result], runner: str, peers: Iterable[str], figure: str = "median_ms") -> float | None:
    """A runner's figure divided by the least of those peers that worked; None if either is missing."""
    found = {r["runner"]: r[figure] for r in results if not r["error"]}
    best = min((found[p] for p in peers if p in found), default=None)
    return found[runner] / best if runner in found and best else None


def passes(value: float | None) -> bool:
    """The rule: no slower than the best peer, by the median. A row without a figure does not pass."""
    return value is not None and value <= 1.0


def ratios(results: list[Result], figure: str = "median_ms") -> dict[str, dict[str, float | None]]:
    """Of one row: each face of fgrad that was run, against its own peers and against all."""
    ran = {r["runner"] for r in results}
    return {
        face: {"own": ratio(results, face, own, figure), "all": ratio(results, face, PEERS, figure)}
        for face, own in FACES.items()
        if face in ran
    }


def summary(rows: dict[str, list[Result]]) -> dict[str, Any]:
    """Ratios by row, geometric means by face, and the rows behind: those with a peer that worked and a ratio that does not pass."""
    table = {name: ratios(results) for name, results in rows.items()}
    means: dict[str, float | None] = {}
    behind: dict[str, list[str]] = {}
    for face in FACES:
        for against, peers in (("own", FACES[face]), ("all", PEERS)):
            key = f"{face} / {' or '.join(peers) if against == 'own' else 'best of all'}"
            have = {n: r[face][against] for n, r in table.items() if face in r}
            known = [v for v in have.values() if v is not None]
            means[key] = geometric_mean(known) if known else None
            rivals = [n for n in have if any(r["runner"] in peers and not r["error"] for r in rows[n])]
            behind[key] = [n for n in rivals if not passes(have[n])]
    return {"ratios": table, "geometric_mean": means, "behind": behind}


def show_row(name: str, sizes: dict[str, int], results: list[Result], memory: bool) -> None:
    """One table a row; a runner that failed says why."""
    print(f"\n{name}  {' '.join(f'{k}={v}' for k, v in sizes.items())}")
    head = f"  {'runner':<14}{'min ms':>10}{'median':>10}{'/ own':>8}{'/ best':>8}{'build s':>9}{'first s':>9}{'foreign':>9}"
    print(head + (f"{'peak MB':>10}{'/ own':>8}{'/ best':>8}" if memory else ""))
    times, peaks = ratios(results), ratios(results, "peak_mb")
    for r in results:
        if r["error"]:
            print(f"  {r['runner']:<14}{r['error']}")
            continue
        line = f"  {r['runner']:<14}{r['min_ms']:>10.3f}{r['median_ms']:>10.3f}{pair(times, r['runner'])}"
        line += f"{r['build_s']:>9.2f}{r['first_s']:>9.2f}{r['foreign']:>9.0%}"
        print(line + (f"{r['peak_mb']:>10.0f}{pair(peaks, r['runner'])}" if memory else ""), flush=True)


def pair(found: dict[str, dict[str, float | None]], runner: str) -> str:
    """Both ratios of a face; blanks for a peer."""
    return "".join(f"{'' if v is None else format(v, '.2f'):>8}" for v in found.get(runner, {"own": None, "all": None}).values())


def show_summary(rows: dict[str, list[Result]]) -> None:
    """Ratios row by row, then the geometric means and the rows behind."""
    found = summary(rows)
    print(f"\n{'row':<20}" + "".join(f"{face + ' / ' + a:>18}" for face in FACES for a in ("own", "all")))
    for name, faces in found["ratios"].items():
        values = [faces.get(face, {}).get(a) for face in FACES for a in ("own", "all")]
        print(f"{name:<20}" + "".join(f"{'-' if v is None else format(v, '.2f'):>18}" for v in values))
    print()
    for key, mean in found["geometric_mean"].items():
        behind = found["behind"][key]
        if mean is not None or behind:
            shown = "-" if mean is None else f"{mean:.2f}"
            print(f"{key}: geometric mean {shown}; behind in {len(behind)}: {' '.join(behind) or 'none'}")
