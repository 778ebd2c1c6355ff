"""Linear algebra beyond the table's rows: complex derivatives, errors, named results, sizes that take blocks, transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import test_oracle_table as table
from rows.linalg import ROWS
from rows.row import Of, Row

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]
RNG = np.random.default_rng(0)
COMPLEX = [r for r in ROWS if r.grad and "complex64" not in r.without and not any(isinstance(o, Of) for o in r.operands)]


def derivatives(t: Any, row: Row, second: bool) -> list[Any]:
    xs = [t.tensor(x.astype("complex128")).requires_grad_() for x in row.draw("complex64")]
    number = table.loss(t, row, xs)
    first = t.autograd.grad(number, xs, create_graph=second, allow_unused=True)
    if not second:
        return list(first)
    total = sum((g * g.conj()).real.sum() for g in first if g is not None)
    return [*first, *t.autograd.grad(total, xs, allow_unused=True)]


@pytest.mark.parametrize("row", COMPLEX, ids=lambda r: r.id)
def test_complex_derivatives(row: Row) -> None:
    table.agree(derivatives(fg, row, row.second), derivatives(torch, row, row.second), row, 100)


def test_the_exponential_keeps_its_digits_beside_large_cotangents() -> None:
    """Second derivatives where the first are 1e13: PyTorch halves the matrix away together with the direction."""
    a = fg.tensor(RNG.normal(size=(3, 3)) * 8, dtype=fg.float64)

    def total(x: Any) -> Any:
        g = fg.grad(lambda v: (fg.linalg.matrix_exp(v) ** 2).sum())(x)
        return (g * g).sum()

    h = fg.zeros(3, 3, dtype=fg.float64)
    h[0, 1] = 1e-5
    slope = (total(a + h) - total(a - h)).item() / 2e-5
    assert fg.grad(total)(a)[0, 1].item() == pytest.approx(slope, rel=1e-4)


FAILURES = {
    "inv": (lambda t, a: t.linalg.inv(a), 0.0, "The diagonal element 1 is zero"),
    "solve": (lambda t, a: t.linalg.solve(a, a), 0.0, "The solver failed because the input matrix is singular"),
    "cholesky": (lambda t, a: t.linalg.cholesky(a), -1.0, "the leading minor of order 1 is not positive-definite"),
    "lu_factor": (lambda t, a: t.linalg.lu_factor(a), 0.0, r"U\[1,1\] is zero"),
    "eigh": (lambda t, a: t.linalg.eigh(a), np.nan, "failed to converge"),
    "svd": (lambda t, a: t.linalg.svd(a), np.nan, "non-finite values"),
    "pinv": (lambda t, a: t.linalg.pinv(a), np.inf, "non-finite values"),
    "inv_ex": (lambda t, a: t.linalg.inv_ex(a, check_errors=True), 0.0, "The diagonal element 1 is zero"),
    "solve_ex": (lambda t, a: t.linalg.solve_ex(a, a, check_errors=True), 0.0, "singular"),
    "cholesky_ex": (lambda t, a: t.linalg.cholesky_ex(a, check_errors=True), 0.0, "not positive-definite"),
    "matrix_power": (lambda t, a: t.linalg.matrix_power(a, -1), 0.0, "The diagonal element 1 is zero"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_matrices_without_an_answer_raise_at_once(name: str) -> None:
    call, value, text = FAILURES[name]
    for shape, batch in (((3, 3), ""), ((2, 3, 3), r"\(Batch element 1\): ")):
        x = np.broadcast_to(np.eye(3) * 2.0, shape).copy()
        x[(-1,) * (len(shape) - 2)] = value * np.eye(3)
        for t in (fg, torch):
            with pytest.raises(RuntimeError, match=batch + ".*" + text):
                call(t, t.tensor(x))


@pytest.mark.parametrize("name", FAILURES)
def test_matrices_without_an_answer_raise_from_a_jitted_function(name: str) -> None:
    call, value, text = FAILURES[name]
    f = fg.jit(lambda a: table.flat(call(fg, a))[0] * 2)
    f(fg.eye(3))
    for _ in range(3):
        with pytest.raises(fg.linalg.LinAlgError, match=text):
            f(fg.eye(3) * value).tolist()
    f(fg.eye(3)).tolist()


def test_info_tells_without_raising() -> None:
    x = np.stack([np.eye(3), np.diag([1.0, 0.0, 2.0]), np.diag([1.0, 2.0, -1.0])])
    for name in ("cholesky_ex", "inv_ex", "lu_factor_ex"):
        (ours, theirs) = (getattr(t.linalg, name)(t.tensor(x)).info for t in (fg, torch))
        assert ours.tolist() == theirs.tolist()
        assert str(ours.dtype).endswith("int32")
    assert fg.linalg.solve_ex(fg.tensor(x), fg.ones(3, 3, 1, dtype=fg.float64)).info.tolist() == [0, 2, 0]


def test_results_have_pytorchs_names() -> None:
    a = np.eye(3) * 2
    for f in (
        lambda t, a: t.linalg.svd(a), lambda t, a: t.svd(a), lambda t, a: t.linalg.qr(a), lambda t, a: t.qr(a), lambda t, a: t.linalg.eigh(a),
        lambda t, a: t.linalg.eig(a), lambda t, a: t.linalg.slogdet(a), lambda t, a: t.linalg.lu(a), lambda t, a: t.linalg.lu_factor(a),
        lambda t, a: t.linalg.lu_factor_ex(a), lambda t, a: t.linalg.lstsq(a, a), lambda t, a: t.linalg.cholesky_ex(a), lambda t, a: t.linalg.inv_ex(a),
        lambda t, a: t.linalg.solve_ex(a, a), lambda t, a: t.linalg.ldl_factor(a), lambda t, a: t.linalg.ldl_factor_ex(a), lambda t, a: t.geqrf(a),
        lambda t, a: t.triangular_solve(a, a), lambda t, a: t.lu_unpack(*t.linalg.lu_factor(a)),
    ):  # fmt: skip
        ours, theirs = f(fg, fg.tensor(a)), f(torch, torch.tensor(a))
        assert set(ours._fields) <= set(dir(theirs))
        assert len(ours) == len(theirs)


def test_out_is_written() -> None:
    a = RNG.normal(size=(3, 3)) + 4 * np.eye(3)
    for f in (
        lambda t, a, e: t.linalg.inv(a, out=e()), lambda t, a, e: t.linalg.det(a, out=e()), lambda t, a, e: t.linalg.qr(a, out=(e(), e())),
        lambda t, a, e: t.linalg.slogdet(a, out=(e(), e())), lambda t, a, e: t.linalg.solve(a, a, out=e()), lambda t, a, e: t.linalg.matrix_power(a, 2, out=e()),
        lambda t, a, e: t.linalg.pinv(a, out=e()), lambda t, a, e: t.linalg.norm(a, "nuc", out=e()), lambda t, a, e: t.linalg.multi_dot([a, a], out=e()),
        lambda t, a, e: t.inner(a, a, out=e()), lambda t, a, e: t.addr(a, a[0], a[1], out=e()), lambda t, a, e: t.linalg.vecdot(a, a, out=e()),
    ):  # fmt: skip
        want = table.flat(f(torch, torch.tensor(a), lambda: torch.empty(0, dtype=torch.float64)))
        places = [fg.empty(tuple(w.shape), dtype=fg.float64) for w in want]
        left = iter(places)
        got = table.flat(f(fg, fg.tensor(a), lambda left=left: next(left)))
        for g, p, w in zip(got, places, want, strict=True):
            assert g is p
            np.testing.assert_allclose(p.numpy(), w.numpy(), rtol=1e-9, atol=1e-12)


def test_large_matrices_take_blocks() -> None:
    a = RNG.normal(size=(2, 150, 130))
    p, low, high = fg.linalg.lu(fg.tensor(a))
    np.testing.assert_allclose((p @ low @ high).numpy(), a, atol=1e-11)
    for ours, theirs in zip(fg.linalg.lu_factor_ex(fg.tensor(a)), torch.linalg.lu_factor_ex(torch.tensor(a)), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-10)
    square, b = RNG.normal(size=(200, 200)) / 20 + np.eye(200) * 3, RNG.normal(size=(200, 3))
    for upper in (True, False):
        x = fg.linalg.solve_triangular(fg.tensor(square), fg.tensor(b), upper=upper).numpy()
        np.testing.assert_allclose((np.triu if upper else np.tril)(square) @ x, b, atol=1e-10)


def test_a_zero_on_the_diagonal_of_a_triangle_is_no_error() -> None:
    a, b = np.array([[1.0, 2.0], [0.0, 0.0]]), np.ones((2, 1))
    ours, theirs = (t.linalg.solve_triangular(t.tensor(a), t.tensor(b), upper=True).numpy() for t in (fg, torch))
    np.testing.assert_array_equal(ours, theirs)


def test_vmap_and_jit_of_a_solution() -> None:
    a, b = RNG.normal(size=(4, 3, 3)) + 4 * np.eye(3), RNG.normal(size=(3,))
    got = fg.vmap(lambda m: fg.linalg.solve(m, fg.tensor(b)))(fg.tensor(a))
    np.testing.assert_allclose(got.numpy(), np.linalg.solve(a, np.broadcast_to(b[:, None], (4, 3, 1)))[..., 0], rtol=1e-12)
    slope = fg.jit(fg.grad(lambda m: fg.linalg.slogdet(m).logabsdet.sum()))(fg.tensor(a))
    np.testing.assert_allclose(slope.numpy(), np.linalg.inv(a).swapaxes(-1, -2), rtol=1e-10)


def test_one_bad_matrix_does_not_disturb_its_batch() -> None:
    x = np.stack([np.eye(2) * 4, -np.eye(2)])
    factor, info = fg.linalg.cholesky_ex(fg.tensor(x))
    assert info.tolist() == [0, 1]
    np.testing.assert_allclose(factor[0].numpy(), np.eye(2) * 2)


def test_training_through_a_factorisation() -> None:
    """A Gaussian's negative log likelihood: every step the same in both libraries."""
    x = RNG.normal(size=(50, 3)) @ np.array([[1.0, 0.0, 0.0], [0.7, 0.5, 0.0], [0.0, 0.3, 2.0]])
    losses = []
    for t in (fg, torch):
        w = t.eye(3, dtype=t.float64).requires_grad_()
        optimizer, data, seen = t.optim.SGD([w], lr=0.02), t.tensor(x), []
        for _ in range(12):
            optimizer.zero_grad()
            cov = w @ w.T + 0.1 * t.eye(3, dtype=t.float64)
            low = t.linalg.cholesky(cov)
            z = t.linalg.solve_triangular(low, data.T, upper=False)
            loss = 0.5 * (z * z).sum(0).mean() + low.diagonal().log().sum()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
        losses.append(seen)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)
    assert losses[0][-1] < losses[0][0]


@pytest.mark.parametrize("name", ["det", "inv", "cholesky", "qr", "svd", "eigh", "matrix_exp", "lu_factor", "vector_norm"])
def test_integers_and_half_precision_are_refused_as_pytorch_does(name: str) -> None:
    f = getattr(fg.linalg, name)
    with pytest.raises(RuntimeError, match="Expected a floating point or complex tensor as input. Got Long"):
        f(fg.ones(3, 3, dtype=fg.int64))
    if name not in ("matrix_exp", "vector_norm"):
        with pytest.raises(RuntimeError, match="Low precision dtypes not supported. Got Half"):
            f(fg.ones(3, 3, dtype=fg.float16))


def test_random_projections_find_the_largest_singular_values() -> None:
    a = RNG.normal(size=(40, 12)) @ np.diag(10.0 ** -np.arange(12)) @ RNG.normal(size=(12, 30))
    for m in (a, a.T):
        u, s, v = fg.svd_lowrank(fg.tensor(m), q=8)
        np.testing.assert_allclose(s[:4].numpy(), np.linalg.svd(m)[1][:4], rtol=1e-6)
        np.testing.assert_allclose((u * s @ v.mT).numpy(), m, atol=1e-4)
    u, s, v = fg.pca_lowrank(fg.tensor(a), q=4)
    np.testing.assert_allclose(s[:2].numpy(), np.linalg.svd(a - a.mean(0))[1][:2], rtol=1e-6)


def test_old_in_place_and_argument_errors() -> None:
    x = fg.ones(2, 3)
    x.addr_(fg.ones(2), fg.ones(3), alpha=2).addmm_(fg.ones(2, 4), fg.ones(4, 3))
    assert x.tolist() == [[7.0] * 3] * 2
    for call in (
        lambda t: t.linalg.svd(t.eye(3), driver="gesvd"), lambda t: t.linalg.lu(t.eye(3), pivot=False), lambda t: t.linalg.qr(t.eye(3), "x"),
        lambda t: t.linalg.eigh(t.eye(3), "X"), lambda t: t.linalg.matrix_norm(t.eye(3), 3), lambda t: t.linalg.cond(t.eye(3), "x"),
        lambda t: t.linalg.multi_dot([t.eye(3)]), lambda t: t.linalg.lstsq(t.eye(3), t.eye(3), driver="x"), lambda t: t.linalg.tensorinv(t.eye(3), 0),
        lambda t: t.linalg.solve(t.eye(3), t.ones(4, 1)), lambda t: t.linalg.solve(t.eye(3), t.ones(3, 1, dtype=t.float64)), lambda t: t.cdist(t.ones(2), t.ones(2)),
        lambda t: t.linalg.vander(t.ones(2), N=1), lambda t: t.inner(t.ones(2), t.ones(3)), lambda t: t.linalg.norm(t.ones(2, 2, 2), 2), lambda t: t.cov(t.ones(2, 2, 2)),
    ):  # fmt: skip
        for t in (fg, torch):
            with pytest.raises(RuntimeError):
                call(t)


def test_errors_come_at_once_in_functions_that_record_with_numbers() -> None:
    with pytest.raises(fg.linalg.LinAlgError, match="singular"):
        fg.grad(lambda a: fg.linalg.inv(a).sum())(fg.zeros(2, 2))
    x = fg.zeros(2, 2, requires_grad=True)
    with pytest.raises(fg.linalg.LinAlgError, match="test_functions_linalg.py"):
        fg.linalg.solve(x * 2, fg.ones(2))
    assert (x + 1).sum().item() == 4  # nothing else is disturbed


@pytest.mark.parametrize("options", [{"k": 2}, {"k": 2, "largest": False}, {"k": 1, "B": True}, {}, {"X": True}], ids=str)
def test_lobpcg_finds_what_torchs_does(options: dict[str, Any]) -> None:
    r = np.random.default_rng(0)
    a, b = r.normal(size=(2, 2, 9, 9))
    data = {"B": b @ b.swapaxes(-1, -2) + 9 * np.eye(9), "X": r.normal(size=(2, 9, 2))}
    found = []
    for t in (fg, torch):
        given = {k: t.tensor(data[k]) if k in data else v for k, v in options.items()}
        values, vectors = t.lobpcg(t.tensor(a + a.swapaxes(-1, -2)), niter=500, tol=1e-12, **given)
        found.append((values.numpy(), np.abs(vectors.numpy())))  # signs are free
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)
    for t in (fg, torch):
        with pytest.raises(ValueError, match="3 x"):
            t.lobpcg(t.eye(9), k=4)
        with pytest.raises(AssertionError):
            t.lobpcg(t.ones(3, 4))
