"""Linear algebra: torch.linalg and the top-level names. Inputs are made well-conditioned; what is not unique is compared as a product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rows.row import Of, Row

S, T, W = (2, 3, 3), (2, 4, 3), (2, 3, 4)
HALF = ("bfloat16", "float16")  # torch has kernels for few of them, or computes by another order of products
DISCRETE = ("bool", "uint8", "int32", "int64")
FLAT = (*HALF, *DISCRETE)
INF = float("inf")


def eye(t: Any, x: Any) -> Any:
    return t.eye(x.shape[-1], dtype=x.dtype)


def spd(t: Any, x: Any) -> Any:
    """Hermitian positive definite, away from singular."""
    return x @ x.mH + 2 * eye(t, x) if x.dim() > 1 else x


def far(t: Any, x: Any) -> Any:
    """Away from singular."""
    return x + 4 * eye(t, x)


def apart(t: Any, x: Any) -> Any:
    """With singular values that are far from each other."""
    m, n = x.shape[-2:]
    steps = t.eye(m, n, dtype=x.dtype) * (t.arange(1, n + 1) * 3).to(x.dtype)
    return x + steps


def hermitian(t: Any, x: Any) -> Any:
    return x + x.mH + t.diag(t.arange(x.shape[-1]).to(x.dtype) * 6)


def on(make: Callable[[Any, Any], Any], f: Callable[..., Any]) -> Callable[..., Any]:
    """A row's call: `f(linalg, matrix, *rest)` on a matrix made from the first operand."""
    return lambda t, x, *rest: f(t, make(t, x), *rest)


def row(name: str, make: Any, f: Any, *operands: Any, label: str = "", **more: Any) -> Row:
    more.setdefault("without", HALF)
    more.setdefault("tol", 4.0)
    return Row(name, operands or (S,), call=on(make, f), label=label, **more)


def plain(t: Any, x: Any) -> Any:
    return x


def mirrored(conjugate: bool) -> Callable[[Any, Any], Any]:
    """Symmetric or Hermitian, far from definite."""
    return lambda t, x: x if x.dim() < 2 else x + (x.mH if conjugate else x.mT)


def made(u: Any, s: Any, vh: Any) -> Any:
    return (u[..., : s.shape[-1]] * s.unsqueeze(-2).to(u.dtype)) @ vh[..., : s.shape[-1], :]


def pairs(t: Any, w: Any, v: Any) -> Any:
    """What eigenvectors mean, whatever their phase."""
    return (v * w.unsqueeze(-2).to(v.dtype)) @ v.mH


CHOLESKY = [
    *(row("linalg.cholesky", spd, lambda t, a, u=u: t.linalg.cholesky(a, upper=u), label=str(u)) for u in (False, True)),
    *(row("linalg.cholesky_ex", spd, lambda t, a, u=u: t.linalg.cholesky_ex(a, upper=u, check_errors=True), label=str(u)) for u in (False, True)),
    row("cholesky", spd, lambda t, a: (t.cholesky(a), a.cholesky(upper=True))),
    *(row("cholesky_solve", far, lambda t, a, b, u=u: t.cholesky_solve(b, a.triu() if u else a.tril(), u), S, (2, 3, 2), label=str(u)) for u in (False, True)),
    *(row("cholesky_inverse", spd, lambda t, a, u=u: t.cholesky_inverse(t.linalg.cholesky(a, upper=u), upper=u), label=str(u)) for u in (False, True)),
]  # fmt: skip

SYSTEMS = [
    row("linalg.solve", far, lambda t, a, b: t.linalg.solve(a, b), S, (2, 3, 2)),
    row("linalg.solve", far, lambda t, a, b: t.linalg.solve(a, b), S, (2, 3), label="vectors", empty=False),
    row("linalg.solve", far, lambda t, a, b: t.linalg.solve(a, b), S, (3,), label="vector", empty=False),
    row("linalg.solve", far, lambda t, a, b: t.linalg.solve(a, b, left=False), S, (5, 1, 2, 3), label="right", empty=False),
    row("linalg.solve_ex", far, lambda t, a, b: t.linalg.solve_ex(a, b, check_errors=True), S, (2, 3, 2)),
    row("linalg.inv", far, lambda t, a: (t.linalg.inv(a), t.inverse(a), a.inverse())),
    row("linalg.inv_ex", far, lambda t, a: t.linalg.inv_ex(a)),
    *(row("linalg.solve_triangular", far, lambda t, a, b, o=o: t.linalg.solve_triangular(a, b, **o), S, (2, 3, 3),
          label=" ".join(f"{k}={v}" for k, v in o.items()))
      for o in ({"upper": u, "left": left, "unitriangular": unit} for u in (True, False) for left in (True, False) for unit in (True, False))),
    row("linalg.solve_triangular", far, lambda t, a, b: t.linalg.solve_triangular(a, b, upper=True), (3, 3), (4, 1, 3, 2), label="batch", empty=False),
    *(row("triangular_solve", far, lambda t, a, b, o=o: tuple(t.triangular_solve(b, a, *o)), S, (2, 3, 2), label=str(o))
      for o in ((), (False,), (True, True), (False, True, True))),
    row("linalg.tensorinv", far, lambda t, a: t.linalg.tensorinv(a.reshape(2, 2, 4)), (4, 4), empty=False),
    row("linalg.tensorinv", far, lambda t, a: t.linalg.tensorinv(a.reshape(4, 2, 2), ind=1), (4, 4), label="1", empty=False),
    row("linalg.tensorsolve", far, lambda t, a, b: t.linalg.tensorsolve(a.reshape(6, 2, 3), b), (6, 6), (6,), empty=False),
    row("linalg.tensorsolve", far, lambda t, a, b: t.linalg.tensorsolve(a.reshape(6, 2, 3).movedim(0, 1), b, dims=(0, 2)), (6, 6), (6,), label="dims", empty=False),
]  # fmt: skip

DETERMINANTS = [
    row("linalg.det", plain, lambda t, a: (t.linalg.det(a), t.det(a), a.det())),
    row("linalg.det", plain, lambda t, a: t.linalg.det(a @ t.tensor([[1, 2, 0], [2, 4, 0], [0, 1, 1]]).to(a.dtype)), (3, 3), label="singular", second=False, empty=False),
    row("linalg.slogdet", far, lambda t, a: (*t.linalg.slogdet(a), *t.slogdet(a), *a.slogdet())),
    row("linalg.slogdet", far, lambda t, a: t.linalg.slogdet(-a), label="negative"),
    row("logdet", far, lambda t, a: (t.logdet(a), a.logdet())),
]  # fmt: skip

FACTORS = [
    *(row("linalg.qr", apart, lambda t, a, m=m: t.linalg.qr(a, m), s, label=f"{m}{s}", grad=not (m == "complete" and s == T))
      for m in ("reduced", "complete") for s in (S, T, W)),
    row("linalg.qr", apart, lambda t, a: t.linalg.qr(a, "r"), T, label="r", grad=False),
    row("qr", apart, lambda t, a: (*t.qr(a), *a.qr(True)), T),
    row("geqrf", apart, lambda t, a: t.geqrf(a), T, grad=False),
    *(row("linalg.householder_product", plain, lambda t, a, tau: t.linalg.householder_product(a, tau), (2, 4, 3), k, label=str(k), empty=False) for k in ((2, 3), (2, 2))),
    *(row("ormqr", plain, lambda t, a, tau, c, o=o: t.ormqr(a, tau, c if o[0] else c.mT, *o), (2, 4, 3), (2, 3), (2, 4, 2), label=str(o), empty=False)
      for o in ((True, False), (True, True), (False, False), (False, True))),
    *(row("linalg.eigh", hermitian, lambda t, a, u=u: (t.linalg.eigh(a, u)[0], pairs(t, *t.linalg.eigh(a, u))), label=u) for u in ("L", "U")),
    *(row("linalg.eigvalsh", hermitian, lambda t, a, u=u: t.linalg.eigvalsh(a, UPLO=u), label=u) for u in ("L", "U")),
    row("linalg.eig", hermitian, lambda t, a: (lambda w, v: (w, v.abs() ** 2, (v * w.unsqueeze(-2)) @ t.linalg.inv(v)))(*t.linalg.eig(a)), (3, 3), tol=40.0),
    row("linalg.eigvals", apart, lambda t, a: t.linalg.eigvals(a), (3, 3)),
    *(row("linalg.svd", apart, lambda t, a, f=f: (lambda u, s, vh: (s, made(u, s, vh), u[..., : s.shape[-1]].abs() ** 2, vh[..., : s.shape[-1], :].abs() ** 2))(*t.linalg.svd(a, full_matrices=f)),
          s, label=f"{f}{s}", tol=40.0) for f in (True, False) for s in (S, T, W)),
    row("linalg.svdvals", apart, lambda t, a: t.linalg.svdvals(a), T, tol=20.0),
    row("svd", apart, lambda t, a: (lambda u, s, v: (s, made(u, s, v.mH)))(*t.svd(a)), T, tol=40.0),
    row("svd", apart, lambda t, a: a.svd(some=True, compute_uv=False), T, label="values", grad=False),
    *(row("linalg.lu", apart, lambda t, a: t.linalg.lu(a), s, label=str(s)) for s in (S, T, W)),
    *(row("linalg.lu_factor", apart, lambda t, a: (*t.linalg.lu_factor(a), *t.linalg.lu_factor_ex(a, check_errors=True)), s, label=str(s)) for s in (S, T, W)),
    row("lu", apart, lambda t, a: (*t.lu(a), *t.lu(a, get_infos=True), *a.lu())),
    *(row("lu_unpack", apart, lambda t, a: t.lu_unpack(*t.linalg.lu_factor(a)), s, label=str(s)) for s in (S, T, W)),
    *(row("lu_unpack", apart, lambda t, a, o=o: t.lu_unpack(*t.linalg.lu_factor(a), *o), label=str(o), grad=o[0]) for o in ((True, False), (False, True))),
    *(row("linalg.lu_solve", far, lambda t, a, b, o=o: t.linalg.lu_solve(*t.linalg.lu_factor(a), b, **o), S, (2, 3, 3), label=str(tuple(o.values())))
      for o in ({"left": left, "adjoint": adj} for left in (True, False) for adj in (True, False))),
    row("lu_solve", far, lambda t, a, b: (t.lu_solve(b, *t.linalg.lu_factor(a)), b.lu_solve(*t.linalg.lu_factor(a))), S, (2, 3, 2)),
]  # fmt: skip

LDL = [
    *(row("linalg.ldl_factor", mirrored(h), lambda t, a, h=h: (*t.linalg.ldl_factor(a, hermitian=h), *t.linalg.ldl_factor_ex(a, hermitian=h)), (2, n, n),
          label=f"{h}{n}", grad=False, tol=20.0, without=FLAT) for h in (False, True) for n in (2, 3, 7)),
    *(row("linalg.ldl_solve", mirrored(h), lambda t, a, b, h=h: t.linalg.ldl_solve(*t.linalg.ldl_factor(a, hermitian=h), b, hermitian=h), (2, n, n), (2, n, 2),
          label=f"{h}{n}", grad=False, tol=100.0, without=FLAT, empty=False) for h in (False, True) for n in (2, 3, 7)),
]  # fmt: skip

NORMS = [
    *(Row("linalg.vector_norm", (W,), (p, d), {"keepdim": k}, label=f"{p}{d}{k}", grad=p != 0, distinct=True, without=DISCRETE, tol=2.0)
      for p in (2, 1, 0, 3, 0.5, INF, -INF, -1) for d, k in ((None, False), (1, True), ((0, -1), False))),
    *(Row("linalg.matrix_norm", (W,), (p,), {"dim": d, "keepdim": k}, label=f"{p}{d}{k}", distinct=True, without=FLAT if p in ("nuc", 2, -2) else DISCRETE, tol=20.0)
      for p in ("fro", "nuc", 1, -1, 2, -2, INF, -INF) for d, k in (((-2, -1), False), ((2, 0), True))),
    *(Row("linalg.norm", ((3, 4),), (p,), label=str(p), distinct=True, without=FLAT, tol=20.0) for p in (None, "fro", "nuc", 1, 2, -INF)),
    *(Row("linalg.norm", ((5,),), (p,), label=f"vector {p}", distinct=True, without=DISCRETE) for p in (None, 1, 2, 3, INF)),
    Row("linalg.norm", (W,), (2, 1, True), label="dim", without=DISCRETE),
    *(Row("linalg.vector_norm", ((4,),), call=lambda t, x, p=p: t.linalg.vector_norm(x * 0, p), label=f"{p} of zeros", second=False, without=DISCRETE) for p in (0.5, 1, 1.5, 2, 3, INF)),
    *(Row("linalg.vector_norm", ((4,),), call=lambda t, x, p=p: t.linalg.vector_norm(x * (t.arange(4) % 2).to(x.dtype), p), label=f"{p} of some zeros", second=False,
          without=DISCRETE) for p in (0.5, 1, 1.5, 2, 3)),
    Row("linalg.norm", (W,), ("nuc", (0, 2)), label="dims", without=FLAT, tol=20.0),
    Row("linalg.norm", (W,), call=lambda t, x: t.linalg.norm(x, dtype=t.complex128 if x.is_complex() else t.float64), label="dtype", without=DISCRETE),
    *(row("linalg.cond", apart, lambda t, a, p=p: t.linalg.cond(a, p), label=str(p), tol=40.0, grad=p in (None, 2, -2, "nuc")) for p in (None, 2, -2, "fro", "nuc", 1, -1, INF, -INF)),
    row("linalg.cond", apart, lambda t, a: t.linalg.cond(a), T, label="tall", tol=40.0),
    row("linalg.matrix_rank", apart, lambda t, a: (t.linalg.matrix_rank(a), t.linalg.matrix_rank(a @ a.mT, atol=30.0), t.linalg.matrix_rank(a, rtol=0.5)), W, grad=False),
    row("linalg.matrix_rank", hermitian, lambda t, a: (t.linalg.matrix_rank(a, hermitian=True), t.linalg.matrix_rank(a, 3.0, True)), label="hermitian", grad=False),
    row("linalg.matrix_rank", apart, lambda t, a, c: t.linalg.matrix_rank(a, atol=c.abs().double(), rtol=t.tensor(0.1)), W, Of((2,), "float64", 1, 9), label="tensors",
        grad=False, empty=False, without=(*HALF, "complex64")),
    *(row("linalg.pinv", apart, lambda t, a: t.linalg.pinv(a), s, label=str(s), tol=20.0) for s in (S, T, W)),
    row("linalg.pinv", apart, lambda t, a: (t.linalg.pinv(a, atol=1e-3), t.linalg.pinv(a, rtol=1e-3), t.linalg.pinv(a, 1e-2), t.pinverse(a), a.pinverse(1e-3)), T, label="tolerance", tol=20.0),
    row("linalg.pinv", hermitian, lambda t, a: t.linalg.pinv(a, hermitian=True), label="hermitian", tol=20.0),
    row("linalg.pinv", plain, lambda t, a, b: t.linalg.pinv(a @ b, rtol=1e-4), (4, 2), (2, 3), label="low rank", tol=400.0, empty=False),
]  # fmt: skip

LEAST = [
    *(row("linalg.lstsq", apart, lambda t, a, b, d=d: t.linalg.lstsq(a, b, driver=d), s, (*s[:-1], 2), label=f"{d}{s}", tol=40.0, jit=False, grad=d == "gelsd", empty=False)
      for d in ("gels", "gelsy", "gelsd", "gelss", None) for s in (S, T, W)),
    row("linalg.lstsq", apart, lambda t, a, b: t.linalg.lstsq(a, b, 1e-3, driver="gels").solution, T, (2, 4), label="vectors", tol=40.0, empty=False),
]  # fmt: skip

FUNCTIONS = [
    row("linalg.matrix_exp", plain, lambda t, a: (t.linalg.matrix_exp(a), t.matrix_exp(a), a.matrix_exp()), tol=10.0),
    row("linalg.matrix_exp", plain, lambda t, a: t.linalg.matrix_exp(a * 2), label="large", tol=40.0),
    row("linalg.matrix_exp", plain, lambda t, a: t.linalg.matrix_exp(a * 1e-3), label="small", tol=10.0),
    *(row("linalg.matrix_power", far, lambda t, a, n=n: (t.linalg.matrix_power(a, n), t.matrix_power(a, n), a.matrix_power(n)), label=str(n), tol=20.0, grad=n != 0,
          without=FLAT if n < 0 else HALF) for n in (0, 1, 2, 5, -1, -3)),
    row("linalg.multi_dot", plain, lambda t, a, b, c: t.linalg.multi_dot([a, b, c]), (2, 5), (5, 3), (3, 4), without=("bool", *HALF), empty=False),
    row("linalg.multi_dot", plain, lambda t, a, b, c: t.linalg.multi_dot([a, b, c]), (5,), (5, 3), (3,), label="vectors", without=("bool", *HALF), empty=False),
    row("chain_matmul", plain, lambda t, a, b, c: t.chain_matmul(a, b, c), (2, 5), (5, 3), (3, 4), without=("bool", *HALF), empty=False),
    *(Row("linalg.vander", ((2, 3),), options={"N": n}, label=str(n), without=("bool",), tol=4.0) for n in (None, 2, 5)),
    *(Row("vander", ((4,),), options=o, label=str(o), grad=False, without=("bool", *HALF), tol=4.0, empty=False) for o in ({}, {"N": 3}, {"N": 6, "increasing": True})),
    Row("linalg.vecdot", ((2, 3, 4), (3, 4))),
    Row("linalg.vecdot", ((2, 3, 4), (2, 3, 4)), options={"dim": 1}, label="dim"),
    Row("linalg.cross", ((2, 4, 3), (1, 4, 3)), without=("bool",), empty=False),
    Row("linalg.cross", ((2, 3, 4), (2, 3, 4)), options={"dim": 1}, label="dim", without=("bool",), empty=False),
    Row("cross", ((2, 3, 4), (2, 3, 4)), without=("bool",), empty=False),
    Row("linalg.diagonal", ((2, 3, 4),)),
    Row("linalg.diagonal", ((2, 3, 4),), options={"offset": 1, "dim1": 0, "dim2": 2}, label="dims", empty=False),
    Row("linalg.matmul", ((2, 3, 4), (4, 2)), without=("bool", *HALF)),
]  # fmt: skip

PRODUCTS = [
    Row("addbmm", ((3, 4), (2, 3, 5), (2, 5, 4)), options={"beta": 2, "alpha": 3}, without=("bool", *HALF), empty=False),
    Row("addr", ((3, 4), (3,), (4,)), options={"beta": 2, "alpha": 3}, without=("bool", "uint8"), empty=False),
    Row("inner", ((2, 3, 4), (5, 4)), without=("bool", *HALF), empty=False),
    Row("inner", ((3,), (5,)), call=lambda t, a, b: t.inner(a[0], b), label="number", without=("bool",), empty=False),
    Row("vdot", ((4,), (4,)), without=("bool", *HALF)),
    Row("ger", ((3,), (4,))),
    Row("kron", ((2, 3), (4, 2))),
    Row("kron", ((2, 3, 1), (2,)), label="ranks"),
    row("block_diag", plain, lambda t, a, b, c: t.block_diag(a, b, c), (2, 3), (2,), (), without=(), empty=False),
    *(Row("cdist", ((2, 4, 3), (2, 5, 3)), options={"p": p}, label=str(p), without=(*DISCRETE, "complex64"), tol=4.0, grad=p != 0, second=False) for p in (2.0, 1.0, 0.0, 3.0, INF)),
    Row("cdist", ((4, 3), (2, 5, 3)), options={"compute_mode": "donot_use_mm_for_euclid_dist"}, label="mode", without=(*DISCRETE, "complex64"), tol=4.0, second=False),
    *(Row("cov", ((3, 5),), options={"correction": k}, label=str(k), without=("bool", *HALF), tol=4.0, empty=False) for k in (1, 0)),
    Row("cov", ((5,),), label="vector", without=("bool", *HALF), tol=4.0, empty=False),
    Row("cov", ((3, 5), Of((5,), low=1, high=4), Of((5,), "float64", 0.5, 2)), call=lambda t, x, f, a: t.cov(x, fweights=f, aweights=a.to(x.real.dtype if x.is_complex() else x.dtype)),
        label="weights", without=FLAT, tol=4.0, empty=False),
    Row("corrcoef", ((3, 5),), without=("bool", *HALF), tol=10.0, empty=False),
    row("svd_lowrank", plain, lambda t, a, b: (lambda u, s, v: made(u, s, v.mH))(*t.svd_lowrank(a @ b, q=3)), (6, 2), (2, 5), tol=40.0, jit=False, empty=False, grad=False, without=FLAT),
    row("svd_lowrank", plain, lambda t, a, b, c: (lambda u, s, v: made(u, s, v.mH))(*t.svd_lowrank(a @ b + c, q=3, niter=1, M=c)), (4, 2), (2, 5), (5,), label="M", tol=40.0, jit=False,
        empty=False, grad=False, without=FLAT),
    row("pca_lowrank", plain, lambda t, a, b: (lambda u, s, v: made(u, s, v.mH))(*t.pca_lowrank(a @ b)), (6, 2), (2, 5), tol=40.0, jit=False, empty=False, grad=False, without=FLAT),
]  # fmt: skip

ROWS = [*CHOLESKY, *SYSTEMS, *DETERMINANTS, *FACTORS, *LDL, *NORMS, *LEAST, *FUNCTIONS, *PRODUCTS]
