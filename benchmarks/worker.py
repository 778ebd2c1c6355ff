"""One runner alone in its process: answers lines of JSON on stdin with lines of JSON on stdout."""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.runners import RUNNERS

WARM_STEPS, WARM_SECONDS, SETTLE = 60, (6.0, 0.5), (1.0, 0.5)  # before anything is timed; native kernels arrive meanwhile. The second: --quick
ROUND_SECONDS = (0.5, 0.1)


def peak_mb() -> float:
    """Most memory this process held: ru_maxrss would start at the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Session:
    """A row as this process runs it: built, compared, warmed, timed."""

    def __init__(self, row: str, runner: str, sizes: dict[str, int], quick: bool) -> None:
        start = time.perf_counter()
        for package in RUNNERS[runner].packages:
            importlib.import_module(package)
        imported = time.perf_counter()
        faces, rows = (importlib.import_module(f"benchmarks.{m}") for m in ("faces", "rows"))
        self.row, self.quick = rows.ROWS[row], quick
        if self.row.settings and runner.startswith("fgrad"):
            importlib.import_module("fgrad.settings").replace(**self.row.settings)
        begun = time.perf_counter()
        self.face = faces.face(runner)
        self.step = getattr(self.row, RUNNERS[runner].source)(self.face, **sizes)
        built = time.perf_counter()
        self.results = [faces.digest(self.run(0))]
        ready = time.perf_counter()
        self.seconds = {"import_s": imported - start, "build_s": built - begun, "first_s": ready - built}
        self.results += [faces.digest(self.run(i)) for i in range(1, self.row.checks)]
        self.seconds["checks_s"] = time.perf_counter() - built

    def run(self, i: int) -> Any:
        """One step, waited for."""
        result = self.step(i)
        self.face.wait(result)
        return result

    def warm(self) -> None:
        """Steps until code is compiled and caches are full."""
        end = time.perf_counter() + WARM_SECONDS[self.quick]
        for i in range(WARM_STEPS):
            self.run(i)
            if i >= 2 and time.perf_counter() > end:
                break
        time.sleep(SETTLE[self.quick])  # kernels compiled in the background
        self.run(0)

    def times(self, steps: int) -> list[float]:
        """Seconds of each step: so many, and more until the round is long enough for /proc to tell who was busy."""
        for i in range(min(20, steps // 4)):
            self.run(i)
        taken: list[float] = []
        end = time.perf_counter() + ROUND_SECONDS[self.quick]
        while len(taken) < steps or time.perf_counter() < end:
            t = time.perf_counter()
            self.run(len(taken))
            taken.append(time.perf_counter() - t)
        return taken


def main() -> None:
    """Says what it computed, then serves `{"round": steps}` until stdin closes."""
    told = json.loads(sys.argv[1])
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    try:
        session = Session(**told)
        if session.row.timed == "step":
            session.warm()
        reply: dict[str, Any] = {"results": session.results, **session.seconds, "peak_mb": peak_mb()}
        print(json.dumps(reply), file=answers, flush=True)
        for line in sys.stdin:
            reply = {"times": session.times(json.loads(line)["round"]), "peak_mb": peak_mb()}
            print(json.dumps(reply), file=answers, flush=True)
    except Exception as error:  # noqa: BLE001  # whatever it was, the row goes on without this runner
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        place = f" ({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})" if where else ""
        said = str(error).strip().splitlines() or [""]
        print(json.dumps({"error": f"{type(error).__name__}: {said[0][:300]}{place}"}), file=answers, flush=True)


if __name__ == "__main__":
    main()
