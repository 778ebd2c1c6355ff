"""The CuPy backend without a GPU: every primitive and whole programs on a strict stand-in for the array library."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import fake_cupy
import numpy as np
import pytest
from device_checks import CHECKS, CUDA, close, primitive_agrees
from device_stand_in import stand_in  # noqa: F401  # a fixture that every test here uses
from primitive_case import Case
from primitive_cases import CASES

import fgrad as torch
from fgrad.backends import cupy as backend
from fgrad.backends import devices
from fgrad.errors import DeviceError, MissingError
from fgrad.ir.apply import constant
from fgrad.ir.hash import canonical_hash
from fgrad.ir.json import from_json, to_json
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.types import Device, TensorType
from fgrad.ir.verify import verify
from fgrad.transforms.inline import trace

LACKING = {"airy_ai", "airy_ai_prime", "schur", "hessenberg", "tridiagonal", "pivot_order", "tridiagonal_solve",
           *"dawsn expn spence fresnel_s fresnel_c sine_integral cosine_integral bessel_jv owens_t hyp1f1 hyp2f1 wofz".split()}  # of the CPU only


@pytest.mark.parametrize(("case", "dtype"), [(c, d) for c in CASES for d in c.dtypes()], ids=lambda p: getattr(p, "id", p))
def test_every_primitive_runs_on_the_device_alone(case: Case, dtype: str) -> None:
    if case.name in LACKING:
        with pytest.raises(MissingError, match="CuPy has no such function"):
            primitive_agrees(case, dtype)
    else:
        primitive_agrees(case, dtype)


@pytest.mark.parametrize("check", CHECKS, ids=lambda f: f.__name__)
def test_on_the_stand_in(check: Callable[[], None]) -> None:
    check()


def device_type(*shape: int) -> TensorType:
    return TensorType(shape, "float32", CUDA)


def test_the_program_is_readable() -> None:
    def f(x: Any, w: Any, b: Any) -> Any:
        y = F["matmul"](x, F["transpose"](w, axes=(1, 0))) + b
        return F["reduce_sum"](F["maximum"](y, 0.0) * y, axes=(0,))

    program = backend.Program(trace(f, device_type(2, 3), device_type(4, 3), device_type(4)), {})
    assert program.source == (
        "def program(I):\n"
        "    x0, x1, x2, = I\n"
        "    t1 = cp.matmul(x0, x1.swapaxes(-1, -2))\n"
        "    t1 = cp.add(t1, x2, out=t1)\n"
        "    t2 = cp.maximum(t1, 0.0)\n"
        "    t2 = cp.multiply(t2, t1, out=t2)\n"
        "    del t1\n"
        "    t3 = reduce_sum(cp, None, t2, axes=(0,))\n"
        "    del t2\n"
        "    return [whole(t3, cuda0)]\n"
    )


def test_inspect_shows_the_program_of_the_device() -> None:
    w = torch.ones(3, device="cuda")
    r = torch.inspect(lambda x: (x * w).exp().sum())(torch.ones(2, 3, device="cuda"))
    assert "cp.exp(" in r.program
    assert r.program.rstrip() in str(r)
    assert "pass fuse_groups" not in str(r)
    assert r.peak_bytes >= 24
    assert "program: peak" in str(r)
    data = json.loads(r.to_json())
    assert (data["peak_bytes"], data["arena_bytes"]) == (r.peak_bytes, None)


def test_constants_and_counters_are_made_on_the_device() -> None:
    def f(x: Any) -> Any:
        return F["iota"](shape=(3,), dtype="float32", axis=0, device=CUDA) + x, F["pad"](x, 0.0, low=(1,), high=(0,), interior=(0,))

    program = backend.Program(trace(f, device_type(3)), {})
    (number,) = [x for x in program.run.__globals__.values() if isinstance(x, fake_cupy.ndarray)]
    assert number.shape == ()
    assert "transfer" not in program.source
    close(program([devices.put(np.ones(3, np.float32), CUDA)])[0], np.float32([1, 2, 3]))


def test_host_parts_run_on_the_host() -> None:
    def f(x: Any, y: Any) -> Any:
        there = F["transfer"](x * 2.0, device=CUDA) + y
        back = F["transfer"](there, device=Device("cpu"))
        return F["exp"](back), there, x

    program = backend.Program(trace(f, TensorType((2,), "float32"), device_type(2)), {})
    a, b, c = program([np.float32([1, 2]), devices.put(np.ones(2, np.float32), CUDA)])
    assert isinstance(a, np.ndarray)
    assert isinstance(b, fake_cupy.ndarray)
    close(a, np.exp(np.float32([3, 5])))
    close(c, np.float32([1, 2]))


def test_results_have_memory_of_their_own() -> None:
    def f(x: Any) -> Any:
        y = F["exp"](x)
        turned = F["transpose"](y, axes=(1, 0))
        return x, F["reshape"](x, shape=(6,)), y, turned, F["slice"](y, start=(0, 0), stop=(1, 3), step=(1, 1))

    graph = trace(f, device_type(2, 3))
    for run in (backend.Program(graph, {}), lambda b: backend.interpret(graph, b)):
        x = devices.put(np.ones((2, 3), np.float32), CUDA)
        out = [x, *run([x])]
        for i, a in enumerate(out):
            assert all(not np.may_share_memory(a._a, b._a) for b in out[:i])


def test_what_a_view_shares_is_not_overwritten() -> None:
    def f(x: Any) -> Any:
        y = F["exp"](x)
        copy = F["reshape"](F["transpose"](y, axes=(1, 0)), shape=(6,))
        z = -y
        return z, F["sin"](copy) + F["reshape"](z, shape=(6,))

    x = np.arange(6, dtype=np.float32).reshape(2, 3) / 6
    got = backend.Program(trace(f, device_type(2, 3)), {})([devices.put(x, CUDA)])
    close(got[0], -np.exp(x))
    close(got[1], np.sin(np.exp(x).T.reshape(-1)) - np.exp(x).reshape(-1), 2)


def test_two_devices() -> None:
    a = torch.ones(3, device="cuda:1")
    b = a.to("cuda:0") + 1
    c = (b.to("cuda:1") * a).sum()
    assert (str(b.device), str(c.device), c.item()) == ("cuda:0", "cuda:1", 6.0)
    with pytest.raises(DeviceError, match="different devices"):
        a + b
    for _ in range(3):
        d = (torch.ones(2, device="cuda:1").to("cuda:0") * 2).to("cuda:1") + 1
        assert d.tolist() == [3.0, 3.0]
    assert fake_cupy.CURRENT[0] == 0
    with pytest.raises(DeviceError, match="cuda:2 was asked for, but 2 CUDA devices answer"):
        torch.ones(3, device="cuda:2")


def test_the_cuda_namespace() -> None:
    assert torch.cuda.is_available()
    assert (torch.cuda.device_count(), torch.cuda.current_device(), torch.cuda.get_device_name(1)) == (2, 0, "Stand-in 1")
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() == 0


def test_without_a_driver_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> int:
        raise fake_cupy.CUDARuntimeError("cudaErrorInsufficientDriver")

    monkeypatch.setattr(fake_cupy.cuda.runtime, "getDeviceCount", missing)
    assert not torch.cuda.is_available()
    for f in (lambda: torch.ones(2).cuda(), lambda: torch.zeros(2, device="cuda"), lambda: torch.nn.Linear(2, 2).to("cuda")):
        with pytest.raises(DeviceError, match="no CUDA driver or device answers"):
            f()
    assert torch.ones(2).sum().item() == 2  # nothing half-recorded is left behind


def test_without_cupy_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def need(package: str, extra: str | None = None) -> Any:
        raise MissingError(f"{package} is needed", fix=f'pip install "fgrad[{extra}]"')

    monkeypatch.setattr(devices, "need", need)
    assert torch.cuda.device_count() == 0
    with pytest.raises(DeviceError, match=r"CuPy is not installed\n  fix: pip install .fgrad\[cuda13\]"):
        torch.tensor([1.0]).to("cuda")


def test_nothing_imports_cupy_before_a_device_is_asked_for() -> None:
    code = (
        "import sys, fgrad; x = fgrad.ones(3, requires_grad=True); (x * 2).sum().backward(); fgrad.device('cuda')\n"
        "assert 'cupy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_graphs_on_a_device_print_parse_and_hash() -> None:
    def f(x: Any) -> Any:
        return F["pad"](x, 0.0, low=(1,), high=(0,), interior=(0,)) + constant(np.float32(2), device=CUDA)

    graph = trace(f, device_type(2))
    assert "2.0:float32@cuda:0" in str(graph)
    for again in (parse_graph(str(graph)), from_json(to_json(graph))):
        verify(again)
        assert str(again) == str(graph)
        assert canonical_hash(again) == canonical_hash(graph)
    there, here = (trace(lambda x: -x, TensorType((2,), "float32", d)) for d in (CUDA, Device("cuda:1")))
    assert canonical_hash(there) != canonical_hash(here)
