"""What users see: names, docstrings, their examples, the README's code, and what `import fgrad` costs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fgrad

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ["fgrad", "fgrad.distributions", "fgrad.fft", "fgrad.func", "fgrad.lax", "fgrad.linalg", "fgrad.nn", "fgrad.nn.functional", "fgrad.numpy", "fgrad.optim", "fgrad.profiler", "fgrad.random", "fgrad.special",
         "fgrad.utils.data"]  # fmt: skip
every_room = pytest.mark.parametrize("room", ROOMS)


def constants_classes_functions(name: str) -> tuple[int, str]:
    """The order of names in a list written by hand (ruff's RUF022): CONSTANTS, Classes, functions, numbers by value."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, re.sub(r"\d+", lambda m: m[0].zfill(6), name)


@every_room
def test_all_is_sorted_and_complete(room: str) -> None:
    module = importlib.import_module(room)
    listed = list(module.__all__)
    assert len(set(listed)) == len(listed)
    assert listed in (sorted(listed), sorted(listed, key=constants_classes_functions))
    for name in listed:
        assert getattr(module, name) is not None or name in ("newaxis", "None")
    assert set(listed) <= set(dir(module))
    public = {
        name
        for name, x in vars(module).items()
        if not name.startswith("_") and not isinstance(x, types.ModuleType) and getattr(x, "__module__", "").startswith("fgrad.")
    }
    assert public - set(listed) - INTERNAL == set()


INTERNAL = {"dtype_of"}  # of fgrad.ir, used by a room's own __getattr__


def documented(room: str) -> Iterator[tuple[str, Any]]:
    module = importlib.import_module(room)
    for name in module.__all__:
        x = getattr(module, name)
        if inspect.isclass(x) or inspect.isroutine(x):
            yield name, x
        if inspect.isclass(x):
            for own, f in vars(x).items():
                if not own.startswith("_") and (inspect.isfunction(f) or isinstance(f, property)):
                    yield f"{name}.{own}", f


@every_room
def test_every_public_name_has_a_docstring(room: str) -> None:
    missing = [name for name, x in documented(room) if not (inspect.getdoc(x) or "").strip()]
    assert missing == []


def modules() -> list[str]:
    found = pkgutil.walk_packages([str(Path(fgrad.__file__).parent)], "fgrad.")
    return [m.name for m in found if not m.name.endswith("__main__") and not m.name.startswith("fgrad.backends.cupy")]


def test_the_examples_in_docstrings_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    attempted = 0
    for name in ["fgrad", *modules()]:
        module = importlib.import_module(name)
        found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        assert found.failed == 0, name
        attempted += found.attempted
    assert attempted > 40


def test_the_readmes_code_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    whole = [b for b in blocks if "import" in b and ("for " in b or "def " in b)]
    assert len(whole) >= 2
    scopes = []
    for block in whole:
        scope: dict[str, Any] = {"__name__": "readme"}
        exec(compile(block, "README.md", "exec"), scope)
        scopes.append(scope)
    assert (tmp_path / "model.safetensors").is_file()
    assert scopes[0]["loss"].item() < 0.6
    jitted = next(s for s in scopes if "step" in s)
    assert float(jitted["value"]) < 0.6
    torch = scopes[0]["torch"]  # the fragments take these names for granted
    face = {**scopes[0], "criterion": torch.nn.CrossEntropyLoss()}
    for block in [b for b in blocks if b not in whole]:
        exec(compile(block, "README.md", "exec"), face if "criterion" in block else jitted)


SLOW = "llvmlite ml_dtypes networkx optree opt_einsum safetensors tqdm cupy jax torch".split()


def python(code: str, tmp_path: Path) -> str:
    """What a fresh interpreter prints; bytecode is kept, as for any installed package."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return run.stdout.strip()


def test_import_brings_no_slow_package_in(tmp_path: Path) -> None:
    code = f"import sys, fgrad; fgrad.ones(3).sum().item(); print([m for m in {SLOW} if m in sys.modules])"
    assert python(code, tmp_path) == "[]"


@pytest.mark.slow
def test_import_takes_little_more_than_numpy(tmp_path: Path) -> None:
    code = "import time, numpy; t = time.perf_counter(); import fgrad; print(time.perf_counter() - t)"
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        pytest.skip("the machine is busy")
    assert min(float(python(code, tmp_path)) for _ in range(6)) <= 0.15  # the first one compiles


def test_every_test_file_can_be_read_without_the_oracles() -> None:
    """README's `pytest` has neither torch nor jax: their tests skip."""
    peers = {"torch", "jax", "optax", "tensorboard", "scipy", "sklearn"}
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        guarded: set[str] = set()
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import):
                named = {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                named = {(node.module or "").split(".")[0]}
            else:
                text = ast.unparse(node)
                guarded |= {p for p in peers if f"importorskip('{p}" in text}
                continue
            assert not (named & peers) - guarded, f"{file.name}:{node.lineno} imports {named} unguarded"
