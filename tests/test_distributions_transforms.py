"""Transforms, constraints and the registry between them against torch."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
LIBRARIES = (fgrad, torch)

VECTOR = [[0.3, -1.2, 2.0], [0.1, 0.4, -0.6]]
ABOVE = [[0.3, 1.2, 2.0], [0.1, 0.4, 0.6]]
MATRIX = [[[0.3, 5.0], [-0.2, -1.0]], [[0.0, 1.0], [0.7, 0.2]]]
Make = Callable[[Any, Any], Any]  # (transforms, tensor) -> transform
TRANSFORMS: list[tuple[Make, Any]] = [
    (lambda x, p: x.ExpTransform(), VECTOR), (lambda x, p: x.PowerTransform(p(2.0)), ABOVE), (lambda x, p: x.PowerTransform(p([-1.0, 0.5, 3.0])), ABOVE),
    (lambda x, p: x.SigmoidTransform(), VECTOR), (lambda x, p: x.SoftplusTransform(), VECTOR), (lambda x, p: x.TanhTransform(), VECTOR),
    (lambda x, p: x.AbsTransform(), ABOVE), (lambda x, p: x.AffineTransform(1.0, -2.0), VECTOR), (lambda x, p: x.AffineTransform(p(0.5), p([1.0, -2.0, 3.0])), VECTOR),
    (lambda x, p: x.AffineTransform(0, 3, event_dim=1), VECTOR), (lambda x, p: x.AffineTransform(0, p([1.0, -2.0, 3.0]), event_dim=1), VECTOR),
    (lambda x, p: x.SoftmaxTransform(), VECTOR), (lambda x, p: x.StickBreakingTransform(), VECTOR), (lambda x, p: x.LowerCholeskyTransform(), MATRIX),
    (lambda x, p: x.PositiveDefiniteTransform(), MATRIX), (lambda x, p: x.CorrCholeskyTransform(), VECTOR),
    (lambda x, p: x.ReshapeTransform((3,), (1, 3)), VECTOR), (lambda x, p: x.ReshapeTransform((2, 3), (6,)), VECTOR),
    (lambda x, p: x.IndependentTransform(x.ExpTransform(), 1), VECTOR), (lambda x, p: x.IndependentTransform(x.AffineTransform(1.0, p(2.0)), 2), VECTOR),
    (lambda x, p: x.ComposeTransform([x.ExpTransform(), x.AffineTransform(1.0, 2.0)]), VECTOR), (lambda x, p: x.ComposeTransform([]), VECTOR),
    (lambda x, p: x.ComposeTransform([x.AffineTransform(1.0, 2.0), x.StickBreakingTransform()]), VECTOR),
    (lambda x, p: x.ComposeTransform([x.ReshapeTransform((3,), (3, 1)), x.SigmoidTransform()]), VECTOR),
    (lambda x, p: x.identity_transform, VECTOR), (lambda x, p: x.ExpTransform().inv, ABOVE), (lambda x, p: x.ComposeTransform([x.ExpTransform(), x.AffineTransform(0.0, 2.0)]).inv, ABOVE),
    (lambda x, p: x.CatTransform([x.ExpTransform(), x.AffineTransform(1.0, 2.0)], dim=-1, lengths=[1, 2]), VECTOR),
    (lambda x, p: x.CatTransform([x.ExpTransform(), x.SigmoidTransform()], dim=0), VECTOR),
    (lambda x, p: x.StackTransform([x.ExpTransform(), x.AffineTransform(1.0, 2.0), x.TanhTransform()], dim=-1), VECTOR),
    (lambda x, p: x.StackTransform([x.ExpTransform(), x.SigmoidTransform()]), VECTOR),
]  # fmt: skip


def attempt(f: Callable[[], Any]) -> Any:
    try:
        return f()
    except (NotImplementedError, ValueError, TypeError) as e:
        return next(c for c in (NotImplementedError, TypeError, ValueError) if isinstance(e, c))


def shown(x: Any) -> Any:
    return repr(x).replace("torch.", "").replace("fgrad.", "")


def parameter(t: Any) -> Callable[[Any], Any]:
    return lambda x: t.tensor(x, dtype=t.float64)


@pytest.mark.parametrize("case", range(len(TRANSFORMS)))
def test_values_slopes_and_shapes(case: int) -> None:
    make, data = TRANSFORMS[case]
    found = []
    for t in LIBRARIES:
        transform = make(t.distributions.transforms, parameter(t))
        x = t.tensor(data, dtype=t.float64, requires_grad=True)
        y = transform(x)
        back = transform.inv(y)
        slope = attempt(lambda transform=transform, x=x, y=y: transform.log_abs_det_jacobian(x, y))
        (y * y).sum().backward(retain_graph=True)
        grads = [x.grad.numpy().copy()]
        if not isinstance(slope, type):
            x.grad = None
            if slope.requires_grad:
                slope.sum().backward()
                grads.append(x.grad.numpy())
            grads.append(slope.detach().numpy())
        facts = [attempt(lambda transform=transform, n=n: shown(getattr(transform, n))) for n in ("bijective", "event_dim", "domain", "codomain", "inv")]
        facts.append(attempt(lambda transform=transform: float(t.as_tensor(transform.sign).sum())))
        facts += [isinstance(slope, type) and slope, tuple(transform.forward_shape(x.shape)), tuple(transform.inverse_shape(y.shape)), shown(transform)]
        found.append((y.detach().numpy(), back.detach().numpy(), grads, facts))
    ours, theirs = found
    np.testing.assert_allclose(ours[0], theirs[0], 1e-12, 1e-12)
    np.testing.assert_allclose(ours[1], theirs[1], 1e-9, 1e-9)
    for a, b in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(a, b, 1e-9, 1e-9)
        assert a.shape == b.shape
    assert ours[3] == theirs[3]


@pytest.mark.parametrize("case", range(len(TRANSFORMS)))
def test_equality_copies_and_caches(case: int) -> None:
    make, data = TRANSFORMS[case]
    found = []
    for t in LIBRARIES:
        a, b = (make(t.distributions.transforms, parameter(t)) for _ in range(2))
        cached = attempt(lambda a=a: a.with_cache(1))
        kept = None
        if not isinstance(cached, type):
            x = t.tensor(data, dtype=t.float64)
            kept = (cached.inv(cached(x)) is x, cached(x) is cached(x))
        other = t.distributions.AffineTransform(9.0, 9.0)
        equal = "CorrCholesky" in repr(a) or attempt(lambda a=a, b=b: bool(a == b))  # PyTorch left equality out there
        found.append((equal, bool(a == other), kept, a.inv.inv is a))
    assert found[0] == found[1]
    copied = pickle.loads(pickle.dumps(copy.deepcopy(a := fgrad.distributions.AffineTransform(1.0, 2.0).inv)))
    assert copied == a


CONSTRAINTS: list[tuple[Make, Any]] = [
    (lambda c, p: c.boolean, [0.0, 1.0, 0.5]), (lambda c, p: c.one_hot, [[0.0, 1.0], [1.0, 1.0], [0.5, 0.5]]),
    (lambda c, p: c.nonnegative_integer, [-1.0, 0.0, 2.0, 1.5]), (lambda c, p: c.positive_integer, [-1.0, 0.0, 2.0, 1.5]),
    (lambda c, p: c.integer_interval(1, 3), [0.0, 1.0, 3.0, 2.5, 4.0]), (lambda c, p: c.real, [1.0, float("nan"), float("inf")]),
    (lambda c, p: c.positive, [-1.0, 0.0, 1.0]), (lambda c, p: c.nonnegative, [-1.0, 0.0, 1.0]), (lambda c, p: c.greater_than(0.5), [0.5, 0.6]),
    (lambda c, p: c.greater_than_eq(p([0.5, 0.7])), [0.5, 0.6]), (lambda c, p: c.less_than(0.5), [0.5, 0.4]), (lambda c, p: c.unit_interval, [-0.1, 0.0, 1.0, 1.1]),
    (lambda c, p: c.interval(p(1.0), 2), [0.9, 1.0, 2.0, 2.1]), (lambda c, p: c.half_open_interval(0.0, 1.0), [-0.1, 0.0, 1.0]),
    (lambda c, p: c.real_vector, [[1.0, 2.0], [1.0, float("nan")]]), (lambda c, p: c.simplex, [[0.2, 0.8], [0.2, 0.7], [1.2, -0.2]]),
    (lambda c, p: c.multinomial(4), [[1.0, 3.0], [2.0, 3.0], [-1.0, 3.0]]), (lambda c, p: c.lower_triangular, [[[1.0, 0.0], [2.0, -1.0]], [[1.0, 0.5], [0.0, 1.0]]]),
    (lambda c, p: c.lower_cholesky, [[[1.0, 0.0], [2.0, 1.0]], [[1.0, 0.0], [2.0, -1.0]]]), (lambda c, p: c.corr_cholesky, [[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.6, 0.7]]]),
    (lambda c, p: c.square, [[[1.0, 0.0], [0.6, 0.8]]]), (lambda c, p: c.square, [[[1.0, 0.0]]]), (lambda c, p: c.symmetric, [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 2.0], [2.1, 1.0]]]),
    (lambda c, p: c.positive_semidefinite, [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]]), (lambda c, p: c.positive_definite, [[[2.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]]),
    (lambda c, p: c.independent(c.positive, 2), [[[1.0, 2.0]], [[1.0, -1.0]]]), (lambda c, p: c.cat([c.positive, c.unit_interval], -1, [1, 2]), [[1.0, 0.5, 2.0], [-1.0, 0.1, 0.2]]),
    (lambda c, p: c.stack([c.positive, c.unit_interval], -1), [[1.0, 0.5], [-1.0, 1.1]]), (lambda c, p: c.MixtureSameFamilyConstraint(c.positive), [1.0, -1.0]),
    (lambda c, p: c.dependent, [1.0]),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CONSTRAINTS)))
def test_constraints_and_their_transforms(case: int) -> None:
    make, data = CONSTRAINTS[case]
    found = []
    for t in LIBRARIES:
        c = make(t.distributions.constraints, parameter(t))
        facts = [shown(c), *(attempt(lambda c=c, n=n: getattr(c, n)) for n in ("is_discrete", "event_dim")), t.distributions.constraints.is_dependent(c)]
        value = t.tensor(data, dtype=t.float64)
        checked = attempt(lambda c=c, value=value: c.check(value))
        facts.append(checked if isinstance(checked, type) else checked.tolist())
        for registry in (t.distributions.biject_to, t.distributions.transform_to):
            transform = attempt(lambda c=c, registry=registry: registry(c))
            facts.append(shown(transform))
            if not isinstance(transform, type):
                x = t.tensor(np.linspace(-1.0, 1.0, value.numel()).reshape(value.shape), dtype=t.float64)
                if shown(transform) == "CorrCholeskyTransform()":
                    x = x[..., 0, :1]
                y = transform(x)
                facts.append(y.numpy().round(9).tolist())
                assert t is torch or bool(c.check(y).all())
        found.append(facts)
    assert found[0] == found[1]


def test_a_constraint_of_ones_own_is_registered() -> None:
    c, x = fgrad.distributions.constraints, fgrad.distributions.transforms

    class Even(c.Constraint):
        def check(self, value: Any) -> Any:
            return value % 2 == 0

    assert Even().check(fgrad.tensor([2.0, 3.0])).tolist() == [True, False]
    with pytest.raises(NotImplementedError, match="Even"):
        fgrad.distributions.transform_to(Even())
    fgrad.distributions.transform_to.register(Even)(lambda c: x.AffineTransform(0.0, 2.0))
    assert fgrad.distributions.transform_to(Even())(fgrad.tensor(3.0)).item() == 6.0
    with pytest.raises(TypeError, match="Constraint"):
        fgrad.distributions.transform_to.register(int, lambda c: None)


WRONG = [
    lambda d, t: d.AbsTransform().sign, lambda d, t: d.AbsTransform().log_abs_det_jacobian(t.ones(1), t.ones(1)), lambda d, t: d.ReshapeTransform((2,), (3,)),
    lambda d, t: d.CorrCholeskyTransform().inverse_shape((3, 4)), lambda d, t: d.CorrCholeskyTransform().forward_shape((4,)), lambda d, t: d.AffineTransform(0, 1, cache_size=2),
    lambda d, t: d.StickBreakingTransform().forward_shape(()), lambda d, t: d.LowerCholeskyTransform().log_abs_det_jacobian(t.ones(2, 2), t.ones(2, 2)),
    lambda d, t: d.constraints.dependent.check(t.ones(1)), lambda d, t: d.constraints.dependent.event_dim, lambda d, t: d.constraints.independent(d.constraints.real, 2).check(t.ones(1)),
    lambda d, t: d.ReshapeTransform((2,), (2, 1)).forward_shape((3,)), lambda d, t: hash(d.ExpTransform()),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_errors_are_of_torchs_classes(case: int) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        WRONG[case](torch.distributions, torch)
    with pytest.raises(theirs.type):
        WRONG[case](fgrad.distributions, fgrad)


def test_triangles_as_vectors() -> None:
    for diag in (-2, -1, 0, 1):
        ours, theirs = fgrad.distributions.utils, torch.distributions.utils
        m = np.arange(18.0).reshape(2, 3, 3)
        v = ours.tril_matrix_to_vec(fgrad.tensor(m), diag)
        assert v.tolist() == theirs.tril_matrix_to_vec(torch.tensor(m), diag).tolist()
        if diag <= 0:
            assert ours.vec_to_tril_matrix(v, diag).tolist() == theirs.vec_to_tril_matrix(torch.tensor(v.numpy()), diag).tolist()
    with pytest.raises(ValueError, match="diag"):
        fgrad.distributions.utils.tril_matrix_to_vec(fgrad.ones(2, 2), 5)
    with pytest.raises(ValueError, match="4"):
        fgrad.distributions.utils.vec_to_tril_matrix(fgrad.ones(4))


def test_a_flow_of_ones_own_is_a_module_too() -> None:
    found = []
    for t in LIBRARIES:
        d = t.distributions

        class Planar(d.Transform, t.nn.Module):  # type: ignore[misc, name-defined]  # of either library
            domain = codomain = d.constraints.real_vector
            bijective = True

            def __init__(self, weight: Any, shift: Any) -> None:
                super().__init__(cache_size=1)
                self.weight, self.shift = t.nn.Parameter(weight), t.nn.Parameter(shift)

            def __hash__(self) -> int:
                return id(self)

            def _call(self, x: Any) -> Any:
                return x + self.shift * t.tanh(x @ self.weight)[..., None]

            def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
                slope = (1 - t.tanh(x @ self.weight) ** 2)[..., None] * self.weight
                return (1 + slope @ self.shift).abs().log()

        flow = Planar(t.tensor([0.3, 0.5]), t.tensor([0.2, -0.1]))
        base = d.Independent(d.Normal(t.zeros(2), t.ones(2)), 1)
        whole = d.TransformedDistribution(base, [flow, d.AffineTransform(1.0, 2.0, event_dim=1, cache_size=1)])
        y = whole.rsample((5,))
        assert whole.log_prob(y).shape == (5,)  # by the cache: the flow has no inverse
        with pytest.raises(NotImplementedError):
            whole.log_prob(y + 1)
        x = t.tensor([[0.4, -1.0], [2.0, 0.1]])
        z = flow(x)
        slope = flow.log_abs_det_jacobian(x, z)
        (z.sum() + slope.sum()).backward()
        found.append([z.tolist(), slope.tolist(), flow.weight.grad.tolist(), flow.shift.grad.tolist(), [shown(whole.support)], [n for n, _ in flow.named_parameters()]])
    for ours, theirs in zip(*found, strict=True):
        assert ours == (pytest.approx(np.array(theirs), rel=1e-5) if isinstance(theirs[0], list | float) else theirs)
