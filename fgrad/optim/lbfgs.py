"""L-BFGS: steps along a limited-memory estimate of Newton's direction, with a strong Wolfe line search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from fgrad.errors import ArgumentError, DtypeError
from fgrad.functions.shape import cat
from fgrad.ir.apply import caller
from fgrad.optim.optimizer import Optimizer, at_least_zero


class Point(NamedTuple):
    """A step length tried by a line search: the loss there, the gradient, and its slope along the direction."""

    t: float
    loss: float
    grad: Any
    slope: float


class LBFGS(Optimizer):
    """p += t d, d = -H g with H estimated from the last `history_size` changes of the gradient.

    step(closure) makes up to max_iter iterations with up to max_eval evaluations (None: max_iter * 5 / 4), and stops when the
    largest |g| is at most tolerance_grad or the change of p or the loss below tolerance_change. line_search_fn: None (t = lr) or
    "strong_wolfe". One group of real parameters. Raises ArgumentError otherwise.
    Source: Nocedal & Wright 2006, algorithms 7.4, 3.5 and 3.6; PyTorch's LBFGS.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense, and a second group."""
        at_least_zero(lr=group["lr"])
        if self.param_groups:
            raise ArgumentError("LBFGS doesn't support per-parameter options (parameter groups)", where=caller(),
                                fix="give one list of parameters")  # fmt: skip
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ArgumentError(f"line_search_fn {group['line_search_fn']!r}: only 'strong_wolfe' is supported", where=caller(),
                                fix='use None or "strong_wolfe"')  # fmt: skip
        if any(p.is_complex() for p in group["params"]):
            raise DtypeError("LBFGS here takes real parameters", where=caller(), fix="optimise torch.view_as_real of them")

    def _run(self, closure: Callable[[], Any] | None) -> Any:
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        group = self.param_groups[0]
        params = group["params"]
        state = self.state[params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = self._evaluate(closure)
        search = Search(params, lambda: float(self._evaluate(closure)))
        loss, g = float(first), gradient(params)
        evaluations = 1
        state["func_evals"] += 1
        if largest(g) <= group["tolerance_grad"]:
            return first
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, g, group["history_size"])
            before, lr = loss, float(group["lr"])
            t = min(1.0, 1.0 / float(g.abs().sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(g.dot(d))
            state.update(prev_flat_grad=g, prev_loss=loss, d=d, t=t)
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"]:
                (t, loss, g, _), used = search.wolfe(Point(0.0, loss, g, slope), t, d, group["max_eval"] - evaluations)
            search.move(search.start(), t, d)
            if not group["line_search_fn"] and i < group["max_iter"]:
                loss, g, used = search.loss(), gradient(params), 1
            state["t"] = t
            evaluations += used
            state["func_evals"] += used
            still = largest(d * t) <= group["tolerance_change"] or abs(loss - before) < group["tolerance_change"]
            if evaluations >= group["max_eval"] or largest(g) <= group["tolerance_grad"] or still:
                break
        return first

    @staticmethod
    def _direction(state: dict[str, Any], g: Any, size: int) -> Any:
        """-H g by the two-loop recursion, after the last step has joined the history."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y.dot(s)
        if float(ys) > 1e-10:
            if len(changes) == size:
                for history in (changes, steps, ro):
                    history.pop(0)
            changes.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        q, shares = -g, []
        state["al"] = [None] * size
        for change, step, r in zip(reversed(changes), reversed(steps), reversed(ro), strict=True):
            shares.append(step.dot(q) * r)
            q = q - change * shares[-1]
        d = q * state["H_diag"]
        for change, step, r, share in zip(changes, steps, ro, reversed(shares), strict=True):
            d = d + step * (share - change.dot(d) * r)
        return d


class Search:
    """Parameters along a direction."""

    def __init__(self, params: list[Any], loss: Callable[[], float]) -> None:
        self.params, self.loss = params, loss

    def start(self) -> list[Any]:
        """The parameters as they are."""
        return [p.clone() for p in self.params]

    def move(self, origin: list[Any], t: float, d: Any) -> None:
        """Sets the parameters to origin + t d."""
        at = 0
        for p, x in zip(self.params, origin, strict=True):
            p.copy_(x + d[at : at + p.numel()].view_as(p) * t)
            at += p.numel()

    def at(self, origin: list[Any], t: float, d: Any) -> Point:
        """Loss and gradient at origin + t d; the parameters are where they were afterwards."""
        self.move(origin, t, d)
        try:
            loss, g = self.loss(), gradient(self.params)
        finally:
            for p, x in zip(self.params, origin, strict=True):
                p.copy_(x)
        return Point(t, loss, g, float(g.dot(d)))

    def wolfe(self, zero: Point, t: float, d: Any, most: int, c1: float = 1e-4, c2: float = 0.9,
              tolerance: float = 1e-9) -> tuple[Point, int]:  # fmt: skip
        """(the point found, evaluations): loss <= loss0 + c1 t slope0 and |slope| <= -c2 slope0, in at most about `most` trials."""
        origin, most = self.start(), max(most, 0)
        bracket, tries, done = self._bracket(origin, zero, t, d, most, c1, c2)
        used = tries + 1
        stuck = False
        size = largest(d)
        while not done and tries < most:
            low, high = sorted(bracket, key=lambda p: p.loss)
            if abs(high.t - low.t) * size < tolerance:
                break
            t, stuck = inside(cubic(bracket[0], bracket[1]), bracket, stuck)
            new = self.at(origin, t, d)
            used, tries = used + 1, tries + 1
            if new.loss > zero.loss + c1 * t * zero.slope or new.loss >= low.loss:
                bracket = [new if p is high else p for p in bracket]
                continue
            done = abs(new.slope) <= -c2 * zero.slope
            if not done and new.slope * (high.t - low.t) >= 0:
                bracket = [low if p is high else new for p in bracket]
            else:
                bracket = [new if p is low else p for p in bracket]
        return min(bracket, key=lambda p: p.loss), used

    def _bracket(self, origin: list[Any], zero: Point, t: float, d: Any, most: int, c1: float,
                 c2: float) -> tuple[list[Point], int, bool]:  # fmt: skip
        """Two points with an acceptable one between them, or one that is acceptable."""
        before, here = zero, self.at(origin, t, d)
        for tries in range(most):
            if here.loss > zero.loss + c1 * here.t * zero.slope or (tries > 1 and here.loss >= before.loss):
                return [before, here], tries, False
            if abs(here.slope) <= -c2 * zero.slope:
                return [here], tries, True
            if here.slope >= 0:
                return [before, here], tries, False
            bounds = here.t + 0.01 * (here.t - before.t), here.t * 10
            before, here = here, self.at(origin, cubic(before, here, bounds), d)
        return [zero, here], most, False


def cubic(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """The least point within bounds of the cubic through two points; their middle if it has none."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    left, right = (a, b) if a.t <= b.t else (b, a)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(t, low), high)


def inside(t: float, bracket: list[Point], stuck: bool) -> tuple[float, bool]:
    """A trial moved a tenth of the bracket inwards if it, or it again, lies too near an end; whether it lies near one now."""
    low, high = sorted(p.t for p in bracket)
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if stuck or t >= high or t <= low:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True


def gradient(params: list[Any]) -> Any:
    """All gradients as one vector; zeros where there is none."""
    return cat([(p.detach() * 0 if p.grad is None else p.grad.detach()).reshape(-1) for p in params])


def largest(x: Any) -> float:
    """The largest |x|."""
    return float(x.abs().max())
