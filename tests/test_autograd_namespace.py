"""autograd.functional, forward_ad, gradcheck, anomaly detection and graph hooks against PyTorch."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # its own forward mode says so


def both(run: Any) -> tuple[Any, Any]:
    """What `run` gives in either library: its result, or its error's class and first line."""
    found = []
    for t in (fgrad, torch):
        try:
            found.append(plain(run(t)))
        except (RuntimeError, TypeError, AssertionError, ValueError) as e:
            kinds = [k for k in (TypeError, AssertionError, RuntimeError, ValueError) if isinstance(e, k)]
            found.append((kinds, str(e).split("\n")[0].replace("fgrad.", "torch.")))
    return found[0], found[1]


def plain(x: Any) -> Any:
    """Trees of tensors as trees of lists."""
    if isinstance(x, tuple | list):
        return [plain(y) for y in x]
    return x.detach().tolist() if hasattr(x, "detach") else x


def close(found: Any, wanted: Any) -> None:
    """The same tree, numbers within rounding; the same error."""
    if isinstance(wanted, tuple):
        assert isinstance(found, tuple), (found, wanted)
        assert found[1] == wanted[1]
        assert set(wanted[0]) <= set(found[0])
        return
    assert not isinstance(found, tuple), found
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], list):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            close(a, b)
        return
    if isinstance(wanted, list) and any(isinstance(w, list) for w in wanted):
        for a, b in zip(found, wanted, strict=True):
            close(a, b)
        return
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def points(t: Any) -> tuple[Any, Any, Any]:
    """A scalar function's argument, a second one, a complex one."""
    return t.tensor([0.3, 0.7]), t.tensor([1.5, -0.2]), t.tensor([0.3 + 1j, -0.5j])


def pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Two results of two arguments."""
    return x * y.sin(), (x * x).sum()


CASES = {
    "vjp": lambda f, x, y, z: f.vjp(pair, (x, y), (y, x.sum())),
    "vjp one": lambda f, x, y, z: f.vjp(lambda a: a.exp().sum(), x),
    "vjp complex": lambda f, x, y, z: f.vjp(lambda a: a * a.exp(), z, z),
    "vjp no vector": lambda f, x, y, z: f.vjp(pair, (x, y)),
    "vjp wrong size": lambda f, x, y, z: f.vjp(pair, (x, y), (y, y)),
    "vjp unused": lambda f, x, y, z: f.vjp(lambda a, b: a, (x, y), x),
    "vjp strict": lambda f, x, y, z: f.vjp(lambda a, b: a * 1, (x, y), x, strict=True),
    "jvp": lambda f, x, y, z: f.jvp(pair, (x, y), (y, x)),
    "jvp one": lambda f, x, y, z: f.jvp(lambda a: a.repeat(3), x[:1]),
    "jvp no vector": lambda f, x, y, z: f.jvp(pair, (x, y)),
    "jvp length": lambda f, x, y, z: f.jvp(pair, (x, y), (x,)),
    "jvp shape": lambda f, x, y, z: f.jvp(lambda a: a, x, x[:1]),
    "jacobian": lambda f, x, y, z: f.jacobian(pair, (x, y)),
    "jacobian one": lambda f, x, y, z: f.jacobian(lambda a: a**2, x),
    "jacobian one of two": lambda f, x, y, z: f.jacobian(lambda a, b: a * b, (x, y)),
    "jacobian two of one": lambda f, x, y, z: f.jacobian(lambda a: (a * a, a.sum()), x),
    "jacobian matrix": lambda f, x, y, z: f.jacobian(lambda a: a[:, None] * a, x),
    "jacobian forward": lambda f, x, y, z: f.jacobian(pair, (x, y), strategy="forward-mode", vectorize=True),
    "jacobian constant": lambda f, x, y, z: f.jacobian(lambda a: a.detach() * 1, x),
    "jacobian strict constant": lambda f, x, y, z: f.jacobian(lambda a: a.detach() * 1, x, strict=True),
    "jacobian strict": lambda f, x, y, z: f.jacobian(lambda a, b: b.exp(), (x, y), strict=True),
    "jacobian number": lambda f, x, y, z: f.jacobian(lambda a: 3, x),
    "jacobian of number": lambda f, x, y, z: f.jacobian(lambda a: a, 3),
    "jacobian of numbers": lambda f, x, y, z: f.jacobian(lambda a, b: a, (x, 3)),
    "jacobian strategy": lambda f, x, y, z: f.jacobian(pair, (x, y), strategy="none"),
    "hessian": lambda f, x, y, z: f.hessian(lambda a: (a**3).sum() * a[0], x),
    "hessian two": lambda f, x, y, z: f.hessian(lambda a, b: (a**2 * b.exp()).sum(), (x, y)),
    "hessian one element": lambda f, x, y, z: f.hessian(lambda a: (a**3).sum().reshape(1), x),
    "hessian forward": lambda f, x, y, z: f.hessian(lambda a: (a**3).sum(), x, vectorize=True, outer_jacobian_strategy="forward-mode"),
    "hessian several": lambda f, x, y, z: f.hessian(lambda a: a * 2, x),
    "hessian tuple": lambda f, x, y, z: f.hessian(lambda a: (a.sum(), a.sum()), x),
    "hessian strict": lambda f, x, y, z: f.hessian(lambda a: a.sum(), x, strict=True),
    "vhp": lambda f, x, y, z: f.vhp(lambda a: (a**3).sum(), x, y),
    "vhp two": lambda f, x, y, z: f.vhp(lambda a, b: (a**3 * b).sum(), (x, y), (y, x)),
    "vhp no vector": lambda f, x, y, z: f.vhp(lambda a: a.sum(), x),
    "hvp": lambda f, x, y, z: f.hvp(lambda a: (a**3).sum() * a[0], x, y),
    "hvp two": lambda f, x, y, z: f.hvp(lambda a, b: (a**3 * b).sum(), (x, y), (y, x)),
    "hvp tuple": lambda f, x, y, z: f.hvp(lambda a: (a, a), x, x),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_functional_is_pytorchs(name: str) -> None:
    close(*both(lambda t: CASES[name](t.autograd.functional, *points(t))))


def test_functional_results_can_be_differentiated() -> None:
    def run(t: Any) -> Any:
        x = t.tensor([0.3, 0.7], requires_grad=True)
        h = t.autograd.functional.hessian(lambda a: (a**4).sum(), x, create_graph=True)
        flat = t.autograd.functional.jacobian(lambda a: a**2, x)
        assert h.requires_grad
        assert not flat.requires_grad
        h.sum().backward()
        return x.grad

    close(*both(run))


def test_dual_tensors_carry_tangents() -> None:
    def run(t: Any) -> Any:
        ad = t.autograd.forward_ad
        x, y, _ = points(t)
        with ad.dual_level():
            a = ad.make_dual(x, y)
            b = ad.make_dual(y, x * 2)
            c = (a * b).sin() + a.sum()
            first = ad.unpack_dual(c)
            assert ad.unpack_dual(x).tangent is None
            found = [first.primal, first.tangent, ad.unpack_dual(a).tangent, ad.unpack_dual(c.detach() * a).primal]
        assert ad.unpack_dual(c).tangent is None
        return found

    close(*both(run))


def test_dual_tensors_under_backward_reads_and_modules() -> None:
    def run(t: Any) -> Any:
        ad = t.autograd.forward_ad
        w = t.tensor([[0.5, -1.0], [2.0, 0.1]], requires_grad=True)
        x, v, _ = points(t)
        with ad.dual_level():
            h = t.tanh(w @ ad.make_dual(x, v))
            h.sum().item()
            moved = ad.unpack_dual((h * h).sum()).tangent
            moved.backward()
        return [moved, w.grad]

    close(*both(run))


@pytest.mark.parametrize("wrong", [
    lambda t, ad: ad.make_dual(t.ones(2), t.ones(2)),
    lambda t, ad: (ad.enter_dual_level(), ad.enter_dual_level()),
    lambda t, ad: (ad.enter_dual_level(), ad.make_dual(t.ones(2), t.ones(3))),
    lambda t, ad: (ad.enter_dual_level(), ad.make_dual(t.arange(2), t.arange(2))),
])  # fmt: skip
def test_wrong_use_of_dual_tensors_is_refused(wrong: Any) -> None:
    for t in (fgrad, torch):
        ad = t.autograd.forward_ad
        with pytest.raises((RuntimeError, ValueError)):
            wrong(t, ad)
        with contextlib.suppress(RuntimeError):
            ad.exit_dual_level()


class Wrong(fgrad.autograd.Function):
    """The square, with the derivative of x."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """x * x."""
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """Wrong by 2x."""
        return g


def test_gradcheck_believes_right_and_refutes_wrong_derivatives() -> None:
    x = fgrad.randn(3, dtype=fgrad.float64, requires_grad=True)
    z = fgrad.randn(3, 2, dtype=fgrad.complex128, requires_grad=True)
    check, again = fgrad.autograd.gradcheck, fgrad.autograd.gradgradcheck

    def f(a: Any, b: Any) -> Any:
        return a[:, None] * b.exp(), a.sin(), b.abs(), a > 0

    assert check(f, (x, z), check_forward_ad=True, check_batched_grad=True, check_grad_dtypes=True)
    assert again(f, (x, z))
    assert again(fgrad.sin, (x,), check_fwd_over_rev=True)
    assert check(lambda a: a.sum(), (fgrad.zeros(0, dtype=fgrad.float64, requires_grad=True),))
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        check(Wrong.apply, (x,))
    assert not check(Wrong.apply, (x,), raise_exception=False)
    assert not again(Wrong.apply, (x,), raise_exception=False)
    with pytest.raises(ValueError, match="at least one input tensor"):
        check(fgrad.sin, (x.detach(),))
    with pytest.warns(UserWarning, match="double precision"):
        check(fgrad.sin, (x.detach().float().requires_grad_(),), raise_exception=False)
    with pytest.raises(AssertionError, match="at least one of"):
        check(fgrad.sin, (x,), check_backward_ad=False)


def test_anomalies_are_found_at_the_users_line() -> None:
    x = fgrad.tensor([0.0, 1.0], requires_grad=True)

    def loss() -> Any:
        h = x.sqrt() * 0  # the line
        return h.sum()

    with fgrad.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match=r"sqrtBackward.*nan values(.|\n)*# the line"):
        loss().backward()
    with fgrad.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="nan values"):
        fgrad.autograd.grad(loss(), x)
    with fgrad.autograd.set_detect_anomaly(True):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"), fgrad.autograd.detect_anomaly(check_nan=False):
        assert fgrad.autograd.anomaly_mode.is_anomaly_enabled()
        loss().backward()
    assert not fgrad.autograd.anomaly_mode.is_anomaly_enabled()
    with warnings.catch_warnings():
        loss().backward()
    assert np.isnan(x.grad.numpy()[0])


def test_hooks_of_several_tensors() -> None:
    def run(t: Any) -> Any:
        a, b = t.tensor([1.0], requires_grad=True), t.tensor([2.0], requires_grad=True)
        every, one = [], []
        h = t.autograd.graph.register_multi_grad_hook((a, b), lambda gs: every.append([g.item() for g in gs]))
        k = t.autograd.graph.register_multi_grad_hook((a, b), lambda g: one.append(g is not None), mode="any")
        (a * b).sum().backward()
        (a * b * 3).sum().backward()
        h.remove()
        k.remove()
        (a * b).sum().backward()
        return [*every, [float(len(one))]]

    close(*both(run))


def test_func_has_pytorchs_complex_convention() -> None:
    def run(t: Any) -> Any:
        z, w = t.tensor([0.3 + 1j, -0.5j]), t.tensor([1.0, 2.0])

        def f(a: Any, b: Any) -> Any:
            return (a * a * (1 + 2j)).real.sum() * b.sum()

        value, back = t.func.vjp(lambda a: (a * a, a.abs()), z)
        return [*t.func.grad(f, (0, 1))(z, w), *t.func.grad_and_value(f)(z, w), *value, *back((z, w))]

    close(*both(run))
