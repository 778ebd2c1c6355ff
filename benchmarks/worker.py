"""One runner alone in its process: answers lines of JSON on stdin with lines of JSON on stdout."""

from __future__ import annotations

import json
import resource
import sys
import time

from benchmarks import mlp

WARM = 60  # steps before anything is timed; native kernels arrive meanwhile


def main() -> None:
    """Serves `{"losses": n}` and `{"round": steps}` until stdin closes."""
    row, runner = sys.argv[1:3]
    start = time.perf_counter()
    size, runners = mlp.ROWS[row]
    step = runners[runner](size)
    first = step(0)
    ready = time.perf_counter() - start
    losses = [first] + [step(i) for i in range(1, 10)]
    for i in range(10, WARM):
        step(i)
    time.sleep(1.0)
    for i in range(10):
        step(i)
    reply = {"first_step": ready, "losses": losses}
    print(json.dumps(reply), flush=True)
    for line in sys.stdin:
        n = json.loads(line)["round"]
        times = []
        for i in range(20):
            step(i)
        for i in range(n):
            t = time.perf_counter()
            step(i)
            times.append(time.perf_counter() - t)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"times": times, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
