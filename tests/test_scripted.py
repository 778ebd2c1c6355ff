"""jit.script and trace as PyTorch has them; the flags of backends."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import nn


class Net(nn.Module):
    """Two layers and a branch on a Python flag."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Any, double: bool = False) -> Any:
        """Logits."""
        y = self.second(self.drop(self.first(x).relu()))
        return y * 2 if double else y

    @fgrad.jit.ignore
    def other(self) -> int:
        """Python only."""
        return 3


def test_scripted_functions_run_as_one_program() -> None:
    calls = []

    @fgrad.jit.script
    def f(x: fgrad.Tensor, n: int = 2) -> fgrad.Tensor:
        calls.append(1)
        for _ in range(n):
            x = x * x
        return x

    assert [f(fgrad.tensor(v)).item() for v in (3.0, 2.0)] == [81.0, 16.0]
    assert len(calls) == 1
    assert f(fgrad.tensor(2.0), 1).item() == 4.0
    assert len(calls) == 2
    assert "mul" in f.code
    assert f.graph is f.inlined_graph
    assert isinstance(f, fgrad.jit.ScriptFunction)
    with pytest.raises(ValueError, match="nothing is recorded yet"):
        _ = fgrad.jit.script(lambda x: x).graph


def test_scripted_modules_are_their_modules() -> None:
    net = Net()
    made = fgrad.jit.script(net)
    assert isinstance(made, fgrad.jit.ScriptModule)
    x = fgrad.randn(5, 3)
    made.eval()
    assert not net.training
    np.testing.assert_allclose(made(x).detach().numpy(), net(x).detach().numpy())
    np.testing.assert_allclose(made(x, double=True).detach().numpy(), 2 * net(x).detach().numpy(), rtol=1e-6)
    assert list(made.state_dict()) == list(net.state_dict())
    assert made.other() == 3
    with fgrad.no_grad():
        net.first.weight.zero_()
    np.testing.assert_allclose(made(x).detach().numpy(), net(x).detach().numpy())
    made(x).sum().backward()
    assert net.second.bias.grad.tolist() == [5.0, 5.0]
    assert fgrad.jit.freeze(made) is made
    assert fgrad.jit.optimize_for_inference(made) is made
    with pytest.raises(RuntimeError, match="eval mode"):
        fgrad.jit.freeze(made.train())


def test_traces_are_recorded_at_once_and_again_for_new_types() -> None:
    calls = []

    def f(x: Any, y: Any) -> Any:
        calls.append(1)
        return x @ y, x.sum()

    made = fgrad.jit.trace(f, (fgrad.ones(2, 3), fgrad.ones(3, 2)))
    assert len(calls) == 1
    with fgrad.no_grad():
        assert made(fgrad.ones(2, 3), fgrad.ones(3, 2))[0].tolist() == [[3.0, 3.0], [3.0, 3.0]]
        assert len(calls) == 1
        assert made(fgrad.ones(1, 3), fgrad.ones(3, 1))[1].item() == 3.0
    assert len(calls) == 2
    net = Net().eval()
    traced = fgrad.jit.trace(net, fgrad.ones(1, 3))
    assert traced(fgrad.ones(4, 3)).shape == (4, 2)
    assert fgrad.jit.trace(net, example_kwarg_inputs={"x": fgrad.ones(1, 3), "double": True})(fgrad.ones(1, 3)).shape == (1, 2)
    assert fgrad.jit.trace_module(net, {"forward": fgrad.ones(1, 3), "other": ()})(fgrad.ones(1, 3)).shape == (1, 2)
    with pytest.raises(AttributeError, match="dictionary"):
        fgrad.jit.trace_module(net, [1])
    with pytest.raises(RuntimeError):
        fgrad.jit.trace(net)


def test_control_flow_on_numbers_still_answers() -> None:
    made = fgrad.jit.script(lambda x: x * 2 if x.sum() > 0 else -x)
    assert made(fgrad.tensor([1.0])).tolist() == [2.0]
    assert made(fgrad.tensor([-1.0])).tolist() == [1.0]


def test_programs_are_saved_and_loaded(tmp_path: Any) -> None:
    net = Net().eval()
    made = fgrad.jit.script(net)
    x, wide = fgrad.randn(5, 3), fgrad.randn(2, 3)
    wanted = [made(x), made(wide, double=True)]
    path = tmp_path / "net.fg"
    made.save(path)
    again = fgrad.jit.load(path)
    np.testing.assert_array_equal(again(x).detach().numpy(), wanted[0].detach().numpy())
    np.testing.assert_array_equal(again(wide, double=True).detach().numpy(), wanted[1].detach().numpy())
    assert set(again.state_dict()) == set(net.state_dict())
    assert again.eval() is again
    assert len(list(again.parameters())) == 4
    assert "dot_general" in str(again.graph)
    x.requires_grad_()
    again(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), fgrad.autograd.grad(net(x).sum(), x)[0].numpy(), rtol=1e-5)
    with pytest.raises(ValueError, match=r"no recording for \(tensor 0 float32\[7,3\]\)"):
        again(fgrad.randn(7, 3))
    with pytest.raises(ValueError, match="nothing is recorded"):
        fgrad.jit.save(fgrad.jit.script(lambda a: a), path)
    with pytest.raises(ValueError, match="eval"):
        fgrad.jit.save(fgrad.jit.trace(Net().train(), x.detach()), path)
    fgrad.save({"a": 1}, path)
    with pytest.raises(ValueError, match="no recorded program"):
        fgrad.jit.load(path)
    trees = fgrad.jit.trace(lambda d, k: {"sum": d["a"] + k, "both": (d["a"], 3)}, ({"a": fgrad.ones(2)}, 2))
    trees.save(path)
    found = fgrad.jit.load(path)({"a": fgrad.tensor([1.0, 5.0])}, 2)
    assert found["sum"].tolist() == [3.0, 7.0]
    assert found["both"][1] == 3


def test_annotations_are_accepted() -> None:
    jit = fgrad.jit
    assert jit.annotate(list[int], [1]) == [1]
    assert jit.isinstance([1], list[int])
    assert not jit.isinstance([1], (int, dict))
    assert not jit.is_scripting()
    assert not jit.is_tracing()
    assert jit.wait(jit.fork(lambda a, b: a + b, 1, b=2)) == 3
    assert jit.export(len) is len
    assert jit.unused(len) is len
    assert jit.ignore(drop=True)(len) is len
    assert jit.script(Net) is not None
    assert jit.Attribute(3, int).value == 3
    with jit.optimized_execution(True), jit.strict_fusion():
        pass


def test_flags_of_backends_are_kept() -> None:
    backends = fgrad.backends
    cudnn = importlib.import_module("fgrad.backends.cudnn")
    assert cudnn is backends.cudnn
    backends.cudnn.benchmark = True
    assert cudnn.benchmark
    with cudnn.flags(enabled=True, deterministic=True):
        assert cudnn.deterministic
        assert not cudnn.benchmark
    assert cudnn.benchmark
    cudnn.benchmark = False
    assert cudnn.version() is None
    assert not any(m.is_available() for m in (cudnn, backends.mps, backends.mkl, backends.mkldnn, backends.openmp))
    assert not backends.mps.is_built()
    backends.cuda.matmul.allow_tf32 = True
    with backends.cuda.sdp_kernel(enable_flash=False):
        assert not backends.cuda.flash_sdp_enabled()
    backends.cuda.enable_math_sdp(False)
    assert not backends.cuda.math_sdp_enabled()
    backends.cuda.enable_math_sdp(True)
    with backends.mkldnn.flags(enabled=False):
        assert not backends.mkldnn.enabled
    assert backends.opt_einsum.is_available()
    assert backends.opt_einsum.get_opt_einsum().contract_path
    assert backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
    assert backends.quantized.engine in backends.quantized.supported_engines
