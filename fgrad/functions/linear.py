"""PyTorch's products of matrices and vectors."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fgrad.eager import casting
from fgrad.eager.casting import full_precision
from fgrad.errors import ShapeError
from fgrad.functions.call import axis_of, compose, same
from fgrad.functions.layouts import USED, sparse
from fgrad.functions.pointwise import add, into, mul
from fgrad.functions.reductions import sum
from fgrad.functions.refusals import no_bools, one_dtype
from fgrad.functions.shape import movedim, reshape, stack, unsqueeze
from fgrad.functions.triangles import diagonal
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.ir.operators import FUNCTIONS
from fgrad.primitives.einsum import contraction, einsum_values

__all__ = [
    "addmm", "addmv", "baddbmm", "bmm", "cross", "dot", "einsum", "kron", "matmul", "mm", "mv", "outer", "tensordot",
    "trace",
]  # fmt: skip


def _matmul_rule(a: Any, b: Any) -> Any:
    return FUNCTIONS["matmul"](a, b)


def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """Matrix product over the last two dimensions, batch dimensions broadcast; 1-d operands are vectors."""
    if USED and sparse(input, other):
        return USED["matmul"](input, other)
    if casting.USED:
        return into(out, product(*casting.lower(input, other)))
    return into(out, product(input, other))


def product(input: Any, other: Any) -> Any:
    """`matmul` in the dtypes that come."""
    one_dtype("matmul", input, other)
    a, b = same((input, other))
    if not a._type.shape or not b._type.shape:
        raise ShapeError(
            f"both arguments to matmul need to be at least 1D, but they are {a._type.ndim}D and {b._type.ndim}D",
            where=caller(), fix="use * for scalars",
        )  # fmt: skip
    inner = a._type.shape[-1], b._type.shape[-2 if b._type.ndim > 1 else 0]
    if inner[0] != inner[1]:
        raise ShapeError(
            f"matmul: inner axes differ in {a._type} @ {b._type} ({inner[0]} != {inner[1]}); mat1 and mat2 shapes "
            "cannot be multiplied", where=caller(), fix="transpose one operand (x.mT) or check the layer widths",
        )  # fmt: skip
    return compose(_matmul_rule, a, b)


def ranked(name: str, *pairs: tuple[Any, int]) -> None:
    """PyTorch's check of the number of dimensions."""
    for x, rank in pairs:
        if x._type.ndim != rank:
            raise ShapeError(f"{name}: expected a {rank}-D tensor, got {x._type}", where=caller(),
                             fix=f"give a tensor with {rank} dimensions, or use matmul")  # fmt: skip


def mm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """(n, m) @ (m, p)."""
    ranked("mm", (input, 2), (mat2, 2))
    return matmul(input, mat2, out=out)


def bmm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """(b, n, m) @ (b, m, p)."""
    ranked("bmm", (input, 3), (mat2, 3))
    return matmul(input, mat2, out=out)


def mv(input: Any, vec: Any, *, out: Any = None) -> Any:
    """(n, m) @ (m,)."""
    ranked("mv", (input, 2), (vec, 1))
    if USED and sparse(input, vec):
        return USED["matmul"](input, vec)
    return into(out, product(*casting.lower(input, vec, on=("cuda",))))


def dot(input: Any, tensor: Any, *, out: Any = None) -> Any:
    """Sum of products of two vectors."""
    ranked("dot", (input, 1), (tensor, 1))
    return into(out, product(input, tensor))


def outer(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """input[i] * vec2[j]."""
    ranked("outer", (input, 1), (vec2, 1))
    return mul(unsqueeze(input, 1), vec2, out=out)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """beta * input + alpha * mat1 @ mat2."""
    (first,) = casting.lower(input)
    if not casting.USED:
        one_dtype("addmm", input, mat1, mat2)
    return add(scaled(first, beta), scaled(mm(mat1, mat2), alpha), out=out)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """beta * input + alpha * batch1 @ batch2."""
    (first,) = casting.lower(input)
    return add(scaled(first, beta), scaled(bmm(batch1, batch2), alpha), out=out)


def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """beta * input + alpha * mat @ vec."""
    (first,) = casting.lower(input, on=("cuda",))
    return add(scaled(first, beta), scaled(mv(mat, vec), alpha), out=out)


def scaled(x: Any, factor: float) -> Any:
    """x * factor, x itself for 1."""
    return x if factor == 1 else mul(x, factor)


def tensordot(a: Any, b: Any, dims: Any = 2, *, out: Any = None) -> Any:
    """Sum of products over `dims`: a number of trailing/leading dimensions, or two lists of dimensions."""
    x, y = same(casting.lower(a, b))
    if isinstance(dims, int):
        left, right = range(x._type.ndim - dims, x._type.ndim), range(dims)
    else:
        left, right = dims
    pairs = (tuple(axis_of(x, d) for d in left), tuple(axis_of(y, d) for d in right))
    return into(out, compose(contraction, x, y, contract=pairs))


def einsum(equation: str, *operands: Any) -> Any:
    """Einstein summation: `einsum("bij,bjk->bik", a, b)`. The order of contraction is opt-einsum's."""
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], tuple | list) else operands
    plain = equation.replace(" ", "")
    if len(given) > 1 and contracts(plain):
        given = casting.lower(*given)
    xs = same(given) if len(given) > 1 else list(given)
    return compose(einsum_values, *xs, equation=plain)


def contracts(equation: str) -> bool:
    """True if an index of two operands is summed over."""
    left, arrow, right = equation.partition("->")
    count = Counter(k for term in left.split(",") for k in set(term) if k.isalpha())
    kept = set(right) if arrow else {k for k in count if left.count(k) == 1}
    return any(n > 1 and k not in kept for k, n in count.items())


@full_precision("cpu")
def trace(input: Any) -> Any:
    """Sum of the diagonal of a matrix."""
    ranked("trace", (input, 2))
    no_bools("trace", input)
    return sum(diagonal(input))


def kron(input: Any, other: Any, *, out: Any = None) -> Any:
    """Kronecker product: block [i, j] of the result is input[i, j] * other; any number of dimensions."""
    n = max(input._type.ndim, other._type.ndim)
    left, right = ((1,) * (n - x._type.ndim) + x._type.shape for x in (input, other))
    wide = mul(reshape(input, tuple(k for d in left for k in (d, 1))), reshape(other, tuple(k for d in right for k in (1, d))))
    return into(out, reshape(wide, tuple(a * b for a, b in zip(left, right, strict=True))))


def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """Cross product along a dimension of length 3 (the first of that length); the others broadcast."""
    one_dtype("cross", input, other)
    shape = broadcast_shapes(input._type.shape, other._type.shape)
    if shape is None or input._type.ndim != other._type.ndim:
        raise ShapeError(f"inconsistent tensors dimensions input: {input._type} other: {other._type}", where=caller(),
                         fix="make every dimension equal or 1")  # fmt: skip
    if dim is None:
        dim = next((i for i, d in enumerate(shape) if d == 3), None)
        if dim is None:
            raise ShapeError(f"no dimension of size 3 in input {input._type}", where=caller(), fix="give vectors of length 3")
    axis = axis_of(input, dim)
    sizes = [x._type.shape[axis] if x._type.ndim else 0 for x in (input, other)]
    if sizes != [3, 3]:
        raise ShapeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}", where=caller(),
                         fix="give vectors of length 3")  # fmt: skip
    a, b = movedim(input, axis, 0), movedim(other, axis, 0)
    parts = [a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3] for i in range(3)]
    return into(out, stack(parts, axis))
