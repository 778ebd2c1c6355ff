"""Parametrisations: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

from typing import Any

from fgrad.functions.algebra import qr, vdot
from fgrad.functions.creation import eye, randn, zeros_like
from fgrad.functions.decompositions import geqrf, householder_product
from fgrad.functions.gradmode import no_grad
from fgrad.functions.linalg import matrix_exp, solve
from fgrad.functions.linear import mv
from fgrad.functions.pointwise import where
from fgrad.functions.shape import cat
from fgrad.functions.tensor import Tensor
from fgrad.nn.functional.normalisation import normalize
from fgrad.nn.functional.padding import pad
from fgrad.nn.module import Module
from fgrad.nn.utils.parametrize import register_parametrization
from fgrad.nn.utils.spectral_norm import as_matrix, check_iterations, output_axis, unit
from fgrad.nn.utils.weight_norm import norm_except

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def tensor_of(module: Any, name: str) -> Any:
    """The tensor at a name; ValueError if there is none."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


class _WeightNorm(Module):
    """g v / |v|."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """The weight."""
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Any) -> Any:
        """Its norms and itself."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """A tensor as g v / |v|: original0 = g, the norms along all axes but `dim` (None: of the whole), original1 = v.

    Source: Salimans and Kingma 2016, arXiv:1602.07868.

    >>> import fgrad
    >>> sorted(weight_norm(fgrad.nn.Linear(3, 2)).state_dict())
    ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def renamed(state: Any, prefix: str, *rest: Any) -> None:
        """States of the older form, with name_g and name_v, load too."""
        for i, end in enumerate("gv"):
            if f"{prefix}{name}_{end}" in state:
                state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(f"{prefix}{name}_{end}")

    module._register_load_state_dict_pre_hook(renamed)
    return module


class _SpectralNorm(Module):
    """W over u . (W v), u and v from power iteration; a vector over its length."""

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        n = weight.ndim
        if not -n <= dim < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but got {dim})")
        check_iterations(n_power_iterations)
        self.dim, self.eps, self.n_power_iterations = dim % n, eps, n_power_iterations
        if n > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            self.register_buffer("_u", unit(matrix.shape[0], weight, eps))
            self.register_buffer("_v", unit(matrix.shape[1], weight, eps))
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Any, steps: int) -> None:
        with no_grad():
            for _ in range(steps):
                self._u.copy_(normalize(mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(mv(matrix.mH, self._u), dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Any:
        """The weight over its norm; in training after a few steps of iteration."""
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        return weight / vdot(self._u.clone(), mv(matrix, self._v.clone()))

    def right_inverse(self, value: Any) -> Any:
        """Itself: it is normalised when read."""
        return value


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> Any:
    """A tensor over its largest singular value, followed by n_power_iterations steps of power iteration per access in training.

    dim: the axis that becomes the matrix's rows (default: output channels).  15 steps are taken at once.
    Source: Miyato et al. 2018, arXiv:1802.05957.
    """
    weight = tensor_of(module, name)
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, output_axis(module, dim), eps))


def orthonormal(q: Any) -> Any:
    """Columns made orthonormal, with the signs that a positive diagonal of R asks for."""
    full, r = qr(q)
    d = r.diagonal(dim1=-2, dim2=-1)
    return full * (d / d.abs() if d.is_complex() else where(d < 0, -1.0, 1.0).to(q.dtype)).unsqueeze(-2)


def is_orthonormal(q: Any) -> bool:
    """True within rounding."""
    n, k = q.shape[-2:]
    eps = 10 * n * {"float32": 1.2e-7, "complex64": 1.2e-7}.get(str(q.dtype).rsplit(".", 1)[-1], 2.3e-16)
    return bool(((q.mH @ q - eye(k, dtype=q.dtype, device=q.device)).abs() <= eps).all().item())


class _Orthogonal(Module):
    """Orthonormal columns (or rows, of a wide matrix) from any matrix."""

    def __init__(self, weight: Any, orthogonal_map: str, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:  # noqa: N803  # PyTorch's name
        """The orthogonal matrix of a free one."""
        wide = X.shape[-2] < X.shape[-1]
        x = X.mT if wide else X
        if self.orthogonal_map == "householder":
            below = x.tril(-1)
            tau = 2.0 / (1.0 + (below * below).sum(dim=-2))
            signs = x.detach().diagonal(dim1=-2, dim2=-1).trunc()
            q = householder_product(below, tau) * signs.unsqueeze(-2)
        else:
            q = self._rotation(x)
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if wide else q

    def _rotation(self, x: Any) -> Any:
        """Of a tall matrix: columns of exp(A) or of (I - A/2)^-1 (I + A/2), A skew from its lower triangle."""
        n, k = x.shape[-2:]
        low = x.tril()
        low = pad(low, (0, n - k)) if n != k else low
        skew = low - low.mH
        if self.orthogonal_map == "matrix_exp":
            q = matrix_exp(skew)
        else:
            one = eye(n, dtype=skew.dtype, device=skew.device)
            q = solve(one - 0.5 * skew, one + 0.5 * skew)
        return q[..., :k]

    def right_inverse(self, Q: Any) -> Any:  # noqa: N803  # PyTorch's name
        """The free matrix of an orthogonal one; with a base, that becomes the base and the free matrix -I."""
        if Q.shape != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}.")
        wide = Q.shape[-2] < Q.shape[-1]
        q = (Q.mT if wide else Q).detach()
        with no_grad():
            if "base" not in self._buffers:
                free = self._reflections(q)
                return free.mT if wide else free
            self.base = self._completed(q)
            return zeros_like(Q) - eye(*Q.shape[-2:], dtype=Q.dtype, device=Q.device)

    def _completed(self, q: Any) -> Any:
        n, k = q.shape[-2:]
        if n == k:
            return q.clone() if is_orthonormal(q) else orthonormal(q)
        return orthonormal(cat([q, randn(*q.shape[:-1], n - k, dtype=q.dtype, device=q.device)], -1))

    def _reflections(self, q: Any) -> Any:
        if self.orthogonal_map != "householder":
            raise NotImplementedError("It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                                      "use_trivialization=False.")  # fmt: skip
        a, tau = geqrf(q)
        signs = a.diagonal(dim1=-2, dim2=-1).sign()
        signs = where(tau == 0.0, -signs, signs)  # an unused reflection turns the sign
        return _with_diagonal(a, signs)


def _with_diagonal(a: Any, d: Any) -> Any:
    """A tall matrix with another diagonal."""
    mask = eye(*a.shape[-2:], dtype=a.dtype, device=a.device)
    return a * (1 - mask) + mask * d.unsqueeze(-2)


def orthogonal(module: Any, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True) -> Any:
    """A matrix (or a batch of them) with orthonormal columns, rows if it is wide.

    orthogonal_map: "matrix_exp" exp(A), "cayley" (I - A/2)^-1 (I + A/2), A skew, or "householder", a product of
    reflections; None: matrix_exp where square or complex, else householder.  use_trivialization: the map is taken around
    the last value assigned (a buffer `base`).  Raises ValueError for fewer than 2 axes or another map.
    Source: Lezcano-Casado 2019, arXiv:1909.09501.
    """
    weight = tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    chosen = orthogonal_map
    if chosen is None:
        chosen = "matrix_exp" if weight.shape[-2] == weight.shape[-1] or weight.is_complex() else "householder"
    if chosen not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    return register_parametrization(module, name, _Orthogonal(weight, chosen, use_trivialization), unsafe=True)
