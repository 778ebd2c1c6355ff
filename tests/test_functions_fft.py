"""torch.fft and complex numbers on the PyTorch face, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5)).astype("float32")
Z = (X + 1j * RNG.normal(size=X.shape)).astype("complex64")
INPUTS = {"float32": X, "float64": X.astype("float64"), "complex64": Z, "complex128": Z.astype("complex128"), "int64": (9 * X).astype("int64")}
TRANSFORMS = [n for n in fg.fft.__all__ if "freq" not in n and "shift" not in n]
LINE = ({}, {"norm": "ortho"}, {"norm": "forward"}, {"n": 6, "dim": 1}, {"n": 3, "dim": 0}, {"n": 1})
PLANE = ({}, {"norm": "ortho"}, {"norm": "forward"}, {"s": (4, 7), "dim": (0, 2)}, {"s": (3, 3)}, {"dim": (1, 0)}, {"s": (-1, 4)})


def agree(got: Any, want: Any, tol: float = 1e-5) -> None:
    a, b = got.detach().numpy(), want.detach().resolve_conj().resolve_neg().numpy()
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol * max(1.0, float(np.abs(b).max(initial=0))))


@pytest.mark.parametrize("dtype", INPUTS)
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_match_torch(name: str, dtype: str) -> None:
    a = INPUTS[dtype]
    ours, theirs = getattr(fg.fft, name), getattr(torch.fft, name)
    for options in PLANE if name.endswith(("2", "n")) else LINE:
        try:
            want = theirs(torch.tensor(a), **options)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                ours(fg.tensor(a), **options)
        else:
            agree(ours(fg.tensor(a), **options), want)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("complex_input", [False, True])
def test_gradients_match_torch(name: str, complex_input: bool) -> None:
    if complex_input and name.startswith(("rfft", "ihfft")):
        pytest.skip("of floats")
    grads = []
    for t in (fg, torch):
        x = t.tensor(Z if complex_input else X, requires_grad=True)
        y = getattr(t.fft, name)(x)
        (y.abs() * t.arange(y.numel()).reshape(y.shape)).sum().backward()
        grads.append(x.grad)
    agree(*grads, tol=1e-4)


@pytest.mark.parametrize("bad", [{"n": 0}, {"norm": "other"}, {"dim": 7}])
def test_errors_are_torchs(bad: dict[str, Any]) -> None:
    with pytest.raises((RuntimeError, IndexError)) as theirs:
        torch.fft.fft(torch.tensor(X), **bad)
    with pytest.raises(theirs.type):
        fg.fft.fft(fg.tensor(X), **bad)


def test_repeated_dims_are_refused() -> None:
    with pytest.raises(RuntimeError, match="unique"):
        fg.fft.fftn(fg.tensor(X), dim=(0, 0))


@pytest.mark.parametrize("n", [1, 4, 5])
def test_frequencies_and_shifts_match_torch(n: int) -> None:
    agree(fg.fft.fftfreq(n, 0.5), torch.fft.fftfreq(n, 0.5))
    agree(fg.fft.rfftfreq(n, dtype=fg.float64), torch.fft.rfftfreq(n, dtype=torch.float64))
    for dim in (None, 1, (0, -1)):
        agree(fg.fft.fftshift(fg.tensor(X), dim), torch.fft.fftshift(torch.tensor(X), dim))
        agree(fg.fft.ifftshift(fg.tensor(X), dim), torch.fft.ifftshift(torch.tensor(X), dim))


COMPLEX: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "real": lambda t, z, x, y: t.real(z),
    "imag": lambda t, z, x, y: z.imag,
    "conj": lambda t, z, x, y: z.conj() * z,
    "conj_physical": lambda t, z, x, y: t.conj_physical(z),
    "angle": lambda t, z, x, y: t.angle(z),
    "angle real": lambda t, z, x, y: t.angle(x),
    "complex": lambda t, z, x, y: t.complex(x, y),
    "complex broadcast": lambda t, z, x, y: t.complex(x, y[0]),
    "polar": lambda t, z, x, y: t.polar(x.abs(), y),
    "view_as_real": lambda t, z, x, y: t.view_as_real(z),
    "view_as_complex": lambda t, z, x, y: t.view_as_complex(t.stack([x, y], -1)),
    "H": lambda t, z, x, y: z[0].H @ z[0],
    "mH": lambda t, z, x, y: z.mH,
    "adjoint": lambda t, z, x, y: z.adjoint(),
    "abs": lambda t, z, x, y: z.abs(),
    "mul": lambda t, z, x, y: z * x + y,
    "div": lambda t, z, x, y: x / z,
    "exp": lambda t, z, x, y: (z * 1j).exp(),
    "log": lambda t, z, x, y: z.log(),
    "pow": lambda t, z, x, y: z**3,
    "sqrt": lambda t, z, x, y: z.sqrt(),
    "tanh": lambda t, z, x, y: z.tanh(),
    "sum": lambda t, z, x, y: z.sum(0),
    "prod": lambda t, z, x, y: z.prod(1),
    "cumsum": lambda t, z, x, y: z.cumsum(1),
    "to complex": lambda t, z, x, y: x.to(t.complex64) * z,
    "reciprocal": lambda t, z, x, y: z.reciprocal(),
    "sgn": lambda t, z, x, y: z / z.abs(),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_functions_and_their_gradients_match_torch(name: str) -> None:
    results, grads = [], []
    for t in (fg, torch):
        z, x, y = (t.tensor(a, requires_grad=True) for a in (Z, X, X[::-1].copy()))
        out = COMPLEX[name](t, z, x, y)
        results.append(out)
        weights = t.arange(out.numel()).reshape(out.shape) / 7
        if out.is_complex():
            out.backward(t.complex(weights, weights.flip(0)))
        else:
            out.backward(weights)
        grads.append([v.grad for v in (z, x, y)])
    agree(*results)
    for a, b in zip(*grads, strict=True):
        if b is None:
            assert a is None
        else:
            agree(a, b, tol=1e-4)


def test_a_complex_loss_is_refused_as_torch_does() -> None:
    z = fg.tensor(Z, requires_grad=True)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for real scalar outputs"):
        (z * z).sum().backward()


def test_hooks_and_grad_see_torchs_convention() -> None:
    seen, grads = [], []
    for t in (fg, torch):
        z = t.tensor(Z, requires_grad=True)
        w = z * (2 + 3j)
        w.register_hook(lambda g: seen.append(g) or g * 1j)
        (w.real.sum() + (w.imag**2).sum()).backward()
        grads.append(z.grad)
        (other,) = t.autograd.grad((z.conj() * z).real.sum(), z)
        grads.append(other)
    agree(*seen, tol=1e-4)
    agree(grads[0], grads[2], tol=1e-4)
    agree(grads[1], grads[3], tol=1e-4)
