"""torch.linalg, torch.fft and the windows against PyTorch: what is refused, what shares storage, empty operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
NAMESPACES = (torch, fgrad)

SHARING: dict[str, Any] = {
    "roll of nothing": lambda t, x: t.roll(x, 0),
    "roll by a whole turn": lambda t, x: t.roll(x, (3, 2), (0, 1)),
    "fftshift of one": lambda t, x: t.fft.fftshift(x[:1, :1]),
    "matrix_power 1": lambda t, x: t.linalg.matrix_power(x[:, :2], 1),
    "repeat_interleave": lambda t, x: t.repeat_interleave(x, 2, 0),
    "repeat_interleave once": lambda t, x: x.repeat_interleave(1),
    "adaptive_avg_pool1d": lambda t, x: t.nn.functional.adaptive_avg_pool1d(x[None], 3),
    "expand to its shape": lambda t, x: x.expand(2, -1),
    "broadcast_tensors": lambda t, x: t.broadcast_tensors(x, x)[0],
    "linalg.diagonal": lambda t, x: t.linalg.diagonal(x),
    "diagonal above": lambda t, x: x.diagonal(1),
    "diagonal below, turned": lambda t, x: t.diagonal(x, -1, 1, 0),
    "diagonal of three": lambda t, x: t.diagonal(x.reshape(1, 2, 3), 1, 2, 1),
    "diagonal outside": lambda t, x: x.diagonal(7),
}


@pytest.mark.parametrize("name", SHARING)
def test_a_change_of_the_result_reaches_the_operand_where_pytorchs_does(name: str) -> None:
    found = []
    for t in NAMESPACES:
        x = t.arange(6.0).reshape(2, 3)
        y = SHARING[name](t, x)
        y.mul_(10).add_(1)
        found.append((x.tolist(), y.tolist()))
    assert found[0] == found[1]


REFUSED: dict[str, Any] = {
    "matrix_power by a float": lambda t, x: t.linalg.matrix_power(x, 2.0),
    "vander of bools": lambda t, x: t.linalg.vander(x > 0),
    "complex norm of floats": lambda t, x: t.linalg.vector_norm(x, dtype=t.complex128),
    "narrower norm": lambda t, x: t.linalg.matrix_norm(x, dtype=t.float32),
    "vecdot of two dtypes": lambda t, x: t.linalg.vecdot(x, x.float()),
    "vecdot of a number": lambda t, x: t.linalg.vecdot(x, 2),
    "cross of a number": lambda t, x: t.linalg.cross(x, 2),
    "inverse of a number": lambda t, x: t.linalg.inv(2.0),
    "tensorinv of few dimensions": lambda t, x: t.linalg.tensorinv(x[0, 0], ind=1),
    "tensorsolve of two dtypes": lambda t, x: t.linalg.tensorsolve(x, x[0].float()),
    "one dimension as two": lambda t, x: t.linalg.diagonal(x, dim1=-1, dim2=1),
    "fft of -1 points": lambda t, x: t.fft.fft(x, n=-1),
    "irfft of -1 points": lambda t, x: t.fft.irfft(x, n=-1),
    "ifftshift of no dimension": lambda t, x: t.fft.ifftshift(x, dim=()),
    "rfft of no dimension": lambda t, x: t.fft.rfftn(x, dim=()),
    "fftfreq of integers": lambda t, x: t.fft.fftfreq(4, dtype=t.int64),
    "fftfreq of -1 points": lambda t, x: t.fft.fftfreq(-1),
    "window of half precision": lambda t, x: t.signal.windows.hann(4, dtype=t.bfloat16),
    "window of integers": lambda t, x: t.signal.windows.kaiser(4, dtype=t.int64),
    "sparse window": lambda t, x: t.signal.windows.bartlett(4, layout=t.sparse_coo),
    "window of 2.5 points": lambda t, x: t.signal.windows.cosine(2.5),
    "old window of 2.5 points": lambda t, x: t.hann_window(2.5),
    "window of no terms": lambda t, x: t.signal.windows.general_cosine(4, a=[]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_pytorchs(name: str) -> None:
    with pytest.raises(Exception) as asked:  # noqa: PT011  # whatever PyTorch raises
        REFUSED[name](torch, torch.eye(2, dtype=torch.float64))
    with pytest.raises(asked.type):
        REFUSED[name](fgrad, fgrad.eye(2, dtype=fgrad.float64))


SAME: dict[str, Any] = {
    "fftn of a scalar": lambda t: t.fft.fftn(t.tensor(2.0)),
    "ifftn over no dimension": lambda t: t.fft.ifftn(t.ones(2, 3, dtype=t.complex128), dim=()),
    "own length": lambda t: t.fft.fftn(t.arange(6.0).reshape(2, 3), s=(-1, 4)),
    "rfftfreq of no points": lambda t: t.fft.rfftfreq(0),
    "fftfreq by 0": lambda t: t.fft.fftfreq(4, d=0),
    "hstack into": lambda t: t.hstack([t.ones(2), t.zeros(1)], out=t.empty(0)),
    "vstack into": lambda t: t.vstack([t.ones(2), t.zeros(2)], out=t.empty(2, 2)),
    "half window": lambda t: t.kaiser_window(5, dtype=t.bfloat16).float(),
    "half window, symmetric": lambda t: t.hamming_window(5, False, dtype=t.float16, requires_grad=True).float(),
    "window of one": lambda t: t.signal.windows.general_cosine(1, a=[]),
    "info of each matrix": lambda t: t.linalg.solve_ex(t.eye(2), t.ones(3, 2, 2)).info,
    "info of each of two": lambda t: t.linalg.solve_ex(t.eye(2).expand(2, 1, 2, 2), t.ones(3, 2, 2)).info,
    "ldl_solve of nothing": lambda t: t.linalg.ldl_solve(*t.linalg.ldl_factor(t.ones(0, 0)), t.ones(0, 2)),
    "matrix_power 1 of 0 rows": lambda t: t.linalg.matrix_power(t.ones(0, 0), 1),
}


@pytest.mark.parametrize("name", SAME)
def test_results_are_pytorchs(name: str) -> None:
    want, got = SAME[name](torch), SAME[name](fgrad)
    assert str(got.dtype).split(".")[-1] == str(want.dtype).split(".")[-1]
    assert tuple(got.shape) == tuple(want.shape)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-3)


def test_the_first_power_of_a_leaf_is_a_tensor_of_its_own() -> None:
    for t in NAMESPACES:
        x = t.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        y = t.linalg.matrix_power(x, 1)
        assert not y.is_leaf
        assert y.tolist() == x.tolist()
        (y * y).sum().backward()
        assert x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]


def test_derivatives_through_a_changed_diagonal() -> None:
    found = []
    for t in NAMESPACES:
        x = t.arange(12.0).reshape(3, 4).requires_grad_()
        y = x * 1
        y.diagonal(1).mul_(y.diagonal(-1)[0].clone())
        (y * y).sum().backward()
        found.append(x.grad.tolist())
    assert found[0] == found[1]
