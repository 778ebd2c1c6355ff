"""Sparse COO and CSR tensors against PyTorch's: forms, operations, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning", "ignore:.*beta state:UserWarning")

INDICES = [[0, 1, 1, 1, 3], [2, 0, 2, 2, 1]]
VALUES = [3.0, 4.0, 5.0, -6.0, 0.5]


def numbers(x: Any) -> Any:
    """Any result as an array, with its layout and shape."""
    if isinstance(x, tuple | list):
        return [numbers(y) for y in x]
    if not hasattr(x, "layout"):
        return x
    dense = x.detach().to_dense() if repr(x.layout) not in ("torch.strided", "fgrad.strided") else x.detach()
    return repr(x.layout).split(".")[1], tuple(x.shape), str(dense.dtype).split(".")[1], np.asarray(dense.numpy()).tolist()


def compare(run: Any) -> None:
    """The same results, in the same layouts, in either library."""
    found, wanted = numbers(run(fgrad)), numbers(run(torch))
    check(found, wanted)


def check(found: Any, wanted: Any) -> None:
    """Trees of results within rounding."""
    if isinstance(wanted, list):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            check(a, b)
    elif isinstance(wanted, tuple) and len(wanted) == 4:
        assert found[:3] == wanted[:3]
        np.testing.assert_allclose(found[3], wanted[3], rtol=1e-5, atol=1e-6)
    else:
        assert found == wanted


def coo(t: Any, values: Any = None, dtype: str = "float32") -> Any:
    """A 4 by 3 matrix with one place named twice."""
    v = t.tensor(VALUES, dtype=getattr(t, dtype)) if values is None else values
    return t.sparse_coo_tensor(t.tensor(INDICES), v, (4, 3))


def hybrid(t: Any) -> Any:
    """Two sparse dimensions, one dense."""
    return t.sparse_coo_tensor([[0, 2, 2], [1, 0, 0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (3, 2, 2))


def dense(t: Any, *shape: int) -> Any:
    """Numbers in a shape."""
    return t.arange(float(np.prod(shape))).reshape(shape) - 3


OPERATIONS = {
    "itself": lambda t: [coo(t), hybrid(t), t.sparse_coo_tensor((2, 3)), t.sparse_coo_tensor([[0, 2]], [1.0, 2.0])],
    "coalesce": lambda t: [coo(t).coalesce().indices(), coo(t).coalesce().values(), hybrid(t).coalesce().values()],
    "facts": lambda t: [coo(t).is_coalesced(), coo(t)._nnz(), coo(t).sparse_dim(), hybrid(t).dense_dim(), coo(t).is_sparse, coo(t).ndim,
                        coo(t).size(1), coo(t).numel(), t.ones(2).is_sparse, coo(t).is_floating_point()],
    "to_dense": lambda t: [coo(t).to_dense(), hybrid(t).to_dense(), coo(t, dtype="float64").to_dense()],
    "to_sparse": lambda t: [dense(t, 2, 3).to_sparse(), dense(t, 2, 3).to_sparse(1), t.zeros(2, 2).to_sparse(), dense(t, 5).to_sparse()],
    "dtypes": lambda t: [coo(t).double(), coo(t).to(t.int64), coo(t, dtype="int64"), coo(t).clone(), coo(t).detach(), coo(t).cpu()],
    "transpose": lambda t: [coo(t).t(), coo(t).transpose(0, -1), hybrid(t).transpose(0, 1)],
    "sum": lambda t: [coo(t).sum(), t.sum(coo(t)), t.sparse.sum(coo(t), 0), t.sparse.sum(coo(t), [0, 1]), t.sparse.sum(hybrid(t), -1),
                      t.sparse.sum(hybrid(t), [0, 2]), t.sparse.sum(hybrid(t), dtype=t.float64)],
    "scalars": lambda t: [coo(t) * 2, 2.5 * coo(t), coo(t) / 4, -coo(t), coo(t).neg(), t.mul(coo(t), 3), t.div(coo(t), 2)],
    "add": lambda t: [coo(t) + coo(t), coo(t) - coo(t).t().t(), t.add(coo(t), coo(t), alpha=2), dense(t, 4, 3) + coo(t),
                      t.add(dense(t, 4, 3), coo(t), alpha=-1), coo(t).add(coo(t)), hybrid(t) + hybrid(t)],
    "mul": lambda t: [coo(t) * coo(t), coo(t) * dense(t, 4, 3), dense(t, 4, 3) * coo(t), coo(t) * dense(t, 4, 3).to_sparse(),
                      coo(t) * t.sparse_coo_tensor((4, 3))],
    "products": lambda t: [coo(t) @ dense(t, 3, 2), t.mm(coo(t), dense(t, 3, 2)), t.sparse.mm(coo(t), dense(t, 3, 2)), coo(t) @ dense(t, 3),
                           t.mv(coo(t), dense(t, 3)), dense(t, 2, 4) @ coo(t), coo(t).mm(dense(t, 3, 1)), t.matmul(coo(t), dense(t, 3, 0))],
    "sparse products": lambda t: [coo(t) @ coo(t).t(), t.sparse.mm(coo(t).t(), coo(t)), coo(t) @ t.sparse_coo_tensor((3, 2))],
    "addmm": lambda t: [t.addmm(dense(t, 4, 2), coo(t), dense(t, 3, 2), beta=0.5, alpha=2), t.sparse.addmm(dense(t, 4, 2), coo(t), dense(t, 3, 2))],
    "named products": lambda t: [t.spmm(coo(t), dense(t, 3, 2)), t.hspmm(coo(t), dense(t, 3, 2)), t.smm(coo(t), dense(t, 3, 2)),
                                 t.sspaddmm(coo(t), coo(t), dense(t, 3, 3), beta=2, alpha=0.5)],
    "softmax": lambda t: [t.sparse.softmax(coo(t), 1), t.sparse.softmax(coo(t), 0), t.sparse.log_softmax(coo(t), 1), t.sparse.softmax(hybrid(t), 2),
                          t.sparse.softmax(coo(t), 1, dtype=t.float64)],
    "zero keeping": lambda t: [coo(t).abs(), coo(t).sin(), coo(t).tanh(), coo(t).relu(), coo(t).sign(), coo(t).expm1(), coo(t).pow(2), coo(t) ** 2,
                               coo(t).abs().sqrt(), coo(t).floor(), coo(t).deg2rad(), coo(t).erf()],
    "select": lambda t: [coo(t)[1], coo(t)[-1], coo(t).select(1, 2), hybrid(t)[2], hybrid(t).select(2, 1), coo(t)[2]],
    "index_select": lambda t: [coo(t).index_select(0, t.tensor([1, 3, 1])), coo(t).index_select(1, t.tensor([2])),
                               hybrid(t).index_select(2, t.tensor([1]))],
    "mask": lambda t: [dense(t, 4, 3).sparse_mask(coo(t).coalesce())],
    "csr": lambda t: [coo(t).to_sparse_csr(), coo(t).to_sparse_csr().crow_indices(), coo(t).to_sparse_csr().col_indices(),
                      coo(t).to_sparse_csr().values(), dense(t, 2, 3).to_sparse_csr(), t.sparse_csr_tensor([0, 2, 3], [0, 1, 0], [1.0, 2.0, 3.0]),
                      coo(t).to_sparse_csr().to_sparse_coo(), dense(t, 2, 2).to_sparse(layout=t.sparse_csr)],
    "csr operations": lambda t: [coo(t).to_sparse_csr() @ dense(t, 3, 2), coo(t).to_sparse_csr() @ dense(t, 3), coo(t).to_sparse_csr() * 2,
                                 coo(t).to_sparse_csr() + coo(t).to_sparse_csr(), dense(t, 2, 4) @ coo(t).to_sparse_csr(),
                                 t.addmm(dense(t, 4, 2), coo(t).to_sparse_csr(), dense(t, 3, 2)), coo(t).to_sparse_csr().sum(),
                                 coo(t).to_sparse_csr().sin(), coo(t).to_sparse_csr().double(), -coo(t).to_sparse_csr()],
    "sampled": lambda t: [t.sparse.sampled_addmm(coo(t).to_sparse_csr(), dense(t, 4, 2), dense(t, 2, 3), beta=0.5, alpha=2.0)],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operations_are_pytorchs(name: str) -> None:
    compare(OPERATIONS[name])


LOSSES = {
    "to_dense": lambda t, s, d: (s.to_dense() ** 2).sum(),
    "mm": lambda t, s, d: (t.sparse.mm(s, d) ** 2).sum(),
    "mm left": lambda t, s, d: ((d.t() @ s.t()) ** 2).sum(),
    "sum": lambda t, s, d: s.sum() ** 2 + (t.sparse.sum(s, 0).to_dense() ** 2).sum(),
    "product of two": lambda t, s, d: (t.sparse.mm(s, s.t()).to_dense() ** 2).sum(),
    "softmax": lambda t, s, d: (t.sparse.softmax(s, 1).to_dense() ** 2).sum(),
    "arithmetic": lambda t, s, d: ((s * 2 + s).to_dense() ** 3).sum(),
    "coalesce": lambda t, s, d: (s.coalesce().values() ** 3).sum(),
    "addmm": lambda t, s, d: (t.addmm(d.sum(), s, d) ** 2).sum(),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradients_reach_values_and_dense_operands(name: str) -> None:
    def run(t: Any) -> Any:
        v, d = t.tensor(VALUES, requires_grad=True), dense(t, 3, 2).requires_grad_()
        LOSSES[name](t, coo(t, v), d).backward()
        return [v.grad, d.grad]

    compare(run)


@pytest.mark.parametrize("name", ["to_dense", "mm", "softmax", "arithmetic"])
def test_sparse_leaves_get_sparse_gradients(name: str) -> None:
    def run(t: Any) -> Any:
        s = t.sparse_coo_tensor(INDICES, VALUES, (4, 3), requires_grad=True)
        d = dense(t, 3, 2)
        LOSSES[name](t, s, d).backward()
        found = [s.grad.coalesce().to_dense(), s.requires_grad, s.is_leaf]
        s.grad = None
        assert s.grad is None
        return found

    compare(run)


def test_second_derivatives() -> None:
    def run(t: Any, matrix: Any) -> Any:
        v = t.tensor(VALUES, requires_grad=True)
        (g,) = t.autograd.grad((matrix(v) ** 3).sum(), v, create_graph=True)
        (g**2).sum().backward()
        return v.grad

    found = run(fgrad, lambda v: coo(fgrad, v).to_dense())
    wanted = run(torch, lambda v: torch.zeros(4, 3).index_put(tuple(torch.tensor(INDICES)), v, accumulate=True))
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5)


def test_a_graph_network_trains_as_in_pytorch() -> None:
    def run(t: Any) -> Any:
        t.manual_seed(0)
        w = (dense(t, 3, 2) / 10).requires_grad_()
        a = t.sparse_coo_tensor([[0, 1, 2, 3, 0, 1], [1, 0, 3, 2, 0, 1]], [0.5, 0.5, 1.0, 1.0, 0.5, 0.5], (4, 4))
        x = dense(t, 4, 3) / 5
        opt, losses = t.optim.SGD([w], lr=0.1), []
        for _ in range(5):
            opt.zero_grad()
            loss = t.nn.functional.cross_entropy(t.sparse.mm(a, x @ w), t.tensor([0, 1, 0, 1]))
            loss.backward()
            opt.step()
            losses.append(loss)
        return losses

    compare(run)


def test_printing_is_pytorchs() -> None:
    for make in (coo, hybrid, lambda t: coo(t).to_sparse_csr(), lambda t: coo(t).coalesce(),
                 lambda t: t.sparse_coo_tensor([[0]], [1.0], requires_grad=True)):  # fmt: skip
        assert repr(make(fgrad)).replace("fgrad.", "torch.") == repr(make(torch))
    assert isinstance(fgrad.sparse_coo, fgrad.layout)
    assert fgrad.ones(2).layout is fgrad.strided


WRONG = {
    "uncoalesced values": lambda t: coo(t).values(),
    "uncoalesced indices": lambda t: coo(t).indices(),
    "nnz": lambda t: t.sparse_coo_tensor([[0, 1]], [1.0], (2,)),
    "indices": lambda t: t.sparse_coo_tensor([0, 1], [1.0, 2.0]),
    "dims": lambda t: t.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2, 3)),
    "large": lambda t: t.sparse_coo_tensor([[0, 5]], [1.0, 2.0], (2,), check_invariants=True),
    "negative": lambda t: t.sparse_coo_tensor([[0, -1]], [1.0, 2.0], (2,), check_invariants=True),
    "add dense": lambda t: coo(t) + dense(t, 4, 3),
    "add shapes": lambda t: coo(t) + coo(t).t(),
    "mm shapes": lambda t: coo(t) @ dense(t, 4, 3),
    "exp": lambda t: t.exp(coo(t)),
    "crow": lambda t: t.sparse_csr_tensor([0, 2, 4], [0, 1, 0], [1.0, 2.0, 3.0], check_invariants=True),
    "t": lambda t: hybrid(t).t(),
    "index": lambda t: coo(t)[7],
    "mask": lambda t: dense(t, 3, 3).sparse_mask(coo(t)),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_use_is_refused(name: str) -> None:
    for t in (fgrad, torch):
        with pytest.raises((RuntimeError, IndexError)):
            WRONG[name](t)
