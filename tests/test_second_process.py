"""What a second process finds on disk: kernels that need no compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")
ROOT = Path(__file__).resolve().parent.parent
TRAIN = """
import gc, sys
gc.set_threshold(int(sys.argv[1]))
import fgrad as fg
from fgrad import nn, optim
from fgrad.backends.numpy import jit, sizes
llvm = jit.need("llvmlite.binding")
emitted, optimised = [], []
made, builder = sizes.object_of, llvm.create_pass_builder
sizes.object_of = lambda text: (emitted.append(1), made(text))[1]  # LLVM made machine code
llvm.create_pass_builder = lambda *a: (optimised.append(1), builder(*a))[1]
fg.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 4))
optimizer = optim.Adam(model.parameters(), lr=1e-2)
x, y = fg.randn(32, 8), fg.arange(32) % 4
with fg.settings(kernels="native"):
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        loss.item()
print(len(emitted), len(optimised), loss.item().hex())
"""


def train(folder: Path | None, threshold: int = 700) -> tuple[int, int, str]:
    """(machine codes made, modules optimised, last loss) of a fresh process; the threshold of the collector moves objects about."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FGRAD_CACHE_DIR": "" if folder is None else str(folder)}
    run = subprocess.run([sys.executable, "-c", TRAIN, str(threshold)], capture_output=True, text=True, check=True, env=env)
    emitted, optimised, loss = run.stdout.split()
    return int(emitted), int(optimised), loss


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    first, second = train(tmp_path), train(tmp_path)
    assert first[0] >= 1
    assert first[1] >= 1
    assert second[:2] == (0, 0)
    assert second[2] == first[2]
    assert [train(tmp_path, n)[:2] for n in (1, 5, 300)] == [(0, 0)] * 3  # text must not depend on where objects lie
    off = train(None)
    assert off[1] >= 1
    assert off[2] == first[2]


def test_corrupt_entries_are_made_again(tmp_path: Path) -> None:
    first = train(tmp_path)
    entries = sorted(tmp_path.glob("*.o"))
    assert len(entries) == first[0]
    data = entries[0].read_bytes()
    for broken in (b"", data[: len(data) // 2], data[:-1] + bytes([data[-1] ^ 1]), b"\0" * len(data)):
        entries[0].write_bytes(broken)
        again = train(tmp_path)
        assert again[0] == 1
        assert again[2] == first[2]
        assert entries[0].read_bytes() != broken
    assert train(tmp_path)[:2] == (0, 0)
