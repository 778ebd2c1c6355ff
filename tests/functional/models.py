"""Programs that train and compute: the library is an argument."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from functional.registry import FEATURES, program


@program
def learning_to_learn(jx: Any, np_: Any) -> Any:
    def model(p: Any, x: Any) -> Any:
        return np_.tanh(x[:, None] * p["a"] + p["b"]) @ p["c"]

    def loss(p: Any, x: Any, y: Any) -> Any:
        return np_.mean((model(p, x) - y) ** 2)

    def inner(p: Any, x: Any, y: Any) -> Any:
        return jx.tree.map(lambda p, g: p - 0.1 * g, p, jx.grad(loss)(p, x, y))

    def outer(p: Any, xs: Any, ys: Any) -> Any:
        return np_.mean(jx.vmap(lambda x, y: loss(inner(p, x[:4], y[:4]), x[4:], y[4:]))(xs, ys))

    xs = np_.asarray(FEATURES[:, 0].reshape(5, 8))
    p = jx.tree.map(np_.asarray, {"a": FEATURES[:6, 0], "b": FEATURES[:6, 1], "c": FEATURES[:6, 2]})
    return jx.jit(jx.value_and_grad(outer))(p, xs, np_.sin(xs * 2))


@program
def a_neural_ode(jx: Any, np_: Any) -> Any:
    def field(p: Any, y: Any) -> Any:
        return np_.tanh(y @ p[0]) @ p[1]

    def rk4(p: Any, y: Any, dt: float) -> Any:
        k1 = field(p, y)
        k2 = field(p, y + dt / 2 * k1)
        k3 = field(p, y + dt / 2 * k2)
        return y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + field(p, y + dt * k3))

    def end(p: Any) -> Any:
        y, _ = jx.lax.scan(lambda y, _: (rk4(p, y, 0.1), None), np_.ones((2, 3)), None, length=20)
        return np_.sum(y**2)

    p = (np_.asarray(FEATURES[:3]), np_.asarray(FEATURES[3:6]))
    return jx.jit(jx.value_and_grad(end))(p)


@program
def a_gaussian_process(jx: Any, np_: Any) -> Any:
    x, y = np_.asarray(FEATURES[:12, 0]), np_.sin(np_.asarray(FEATURES[:12, 0]) * 2)

    def kernel(p: Any, a: Any, b: Any) -> Any:
        return np_.exp(p["scale"]) * np_.exp(-((a[:, None] - b[None]) ** 2) / (2 * np_.exp(p["width"])))

    def evidence(p: Any) -> Any:
        k = kernel(p, x, x) + np_.exp(p["noise"]) * np_.eye(12)
        low = jx.scipy.linalg.cholesky(k, lower=True)
        alpha = jx.scipy.linalg.cho_solve((low, True), y)
        return -0.5 * y @ alpha - np_.sum(np_.log(np_.diag(low)))

    p = {"scale": np_.array(0.1), "width": np_.array(-0.3), "noise": np_.array(-2.0)}
    t = np_.linspace(-1.0, 1.0, 4)
    k = kernel(p, x, x) + np_.exp(p["noise"]) * np_.eye(12)
    mean = kernel(p, t, x) @ jx.scipy.linalg.solve(k, y, assume_a="pos")
    whole = jx.scipy.stats.multivariate_normal.logpdf(y, np_.zeros(12), k)
    return jx.jit(jx.value_and_grad(evidence))(p), mean, whole, jx.jacfwd(evidence)(p)


@program
def hamiltonian_steps(jx: Any, np_: Any) -> Any:
    norm = jx.scipy.stats.norm

    def log_density(q: Any) -> Any:
        return norm.logpdf(q[0], 0.5, 2.0) + norm.logpdf(q[1], q[0] ** 2, 0.5) + jx.scipy.stats.t.logpdf(q[2], 4.0)

    def leap(state: Any, _: Any) -> Any:
        q, p = state
        p = p + 0.05 * jx.grad(log_density)(q)
        q = q + 0.1 * p
        p = p + 0.05 * jx.grad(log_density)(q)
        return (q, p), -log_density(q) + 0.5 * p @ p

    starts = np_.asarray(FEATURES[:4]) * 0.5
    return jx.jit(jx.vmap(lambda q: jx.lax.scan(leap, (q, q[::-1]), None, length=15)))(starts)


@program
def a_kalman_filter(jx: Any, np_: Any) -> Any:
    a, h = np_.array([[1.0, 0.1], [0.0, 1.0]]), np_.array([[1.0, 0.0]])

    def likelihood(q: Any, r: Any) -> Any:
        def step(carry: Any, z: Any) -> Any:
            m, p = a @ carry[0], a @ carry[1] @ a.T + q * np_.eye(2)
            s = (h @ p @ h.T)[0, 0] + r
            gain = (p @ h.T)[:, 0] / s
            gap = z - (h @ m)[0]
            return (m + gain * gap, p - np_.outer(gain, gain) * s), -0.5 * (gap**2 / s + np_.log(s))

        (m, _), parts = jx.lax.scan(step, (np_.zeros(2), np_.eye(2)), np_.asarray(FEATURES[:, 0]))
        return parts.sum() + 0 * m.sum()

    return jx.jit(jx.value_and_grad(likelihood, argnums=(0, 1)))(0.1, 0.5)


@program
def clusters(jx: Any, np_: Any) -> Any:
    points = np_.asarray(FEATURES)

    def step(centres: Any, _: Any) -> Any:
        far = jx.vmap(lambda x: np_.sum((centres - x) ** 2, axis=-1))(points)
        nearest = np_.argmin(far, axis=1)
        total = jx.ops.segment_sum(points, nearest, 4)
        count = jx.ops.segment_sum(np_.ones(len(points)), nearest, 4)
        return np_.where(count[:, None] > 0, total / np_.maximum(count, 1)[:, None], centres), far.min(1).mean()

    return jx.lax.scan(step, points[:4], None, length=8)


@program
def escape_times_and_life(jx: Any, np_: Any) -> Any:
    def escapes(c: Any) -> Any:
        return jx.lax.while_loop(lambda s: (np_.abs(s[0]) < 2) & (s[1] < 40), lambda s: (s[0] ** 2 + c, s[1] + 1), (c * 0, 0))[1]

    grid = (np_.linspace(-2, 0.6, 9)[None] + 1j * np_.linspace(-1.2, 1.2, 7)[:, None]).astype("complex64")

    def live(board: Any, _: Any) -> Any:
        n = sum(np_.roll(board, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
        return ((n == 3) | ((board == 1) & (n == 2))).astype("int32"), n.sum()

    board = np_.zeros((8, 8), "int32").at[np_.array([0, 1, 2, 2, 2]), np_.array([1, 2, 0, 1, 2])].set(1)
    return jx.jit(jx.vmap(jx.vmap(escapes)))(grid), jx.lax.scan(live, board, None, length=6)


@program
def vectors_of_trees_and_minima(jx: Any, np_: Any) -> Any:
    p = {"w": np_.asarray(FEATURES[:3, :2]), "b": np_.zeros(2)}
    flat, unravel = jx.flatten_util.ravel_pytree(p)

    def loss(v: Any) -> Any:
        q = unravel(v)
        return np_.mean((FEATURES @ q["w"] + q["b"] - np_.asarray(FEATURES[:, :2]) * 2) ** 2)

    found = jx.scipy.optimize.minimize(loss, flat, method="BFGS")
    return flat, jx.hessian(loss)(flat), np_.round(found.x, 3), found.fun < 1e-6


Tree = namedtuple("Tree", ["left", "value", "right"])


@program
def trees_all_the_way(jx: Any, np_: Any) -> Any:
    t = Tree(Tree(None, np_.ones(2), None), {"a": [np_.zeros(3), (1.0, 2.0)]}, None)
    doubled = jx.tree.map(lambda x: x * 2 + 1, t)
    both = jx.tree.map(lambda x, y: x - y, doubled, t)
    total = jx.tree.reduce(lambda a, b: a + np_.sum(b), both, 0.0)
    turned = jx.tree.transpose(jx.tree.structure([0, 0]), jx.tree.structure((0, 0)), [(1, 2), (3, 4)])
    names = [jx.tree_util.keystr(k) for k, _ in jx.tree_util.tree_leaves_with_path(t)]
    g = jx.jit(jx.grad(lambda t: sum(np_.sum(x**2) for x in jx.tree.leaves(t))))(t)
    return both, total, turned, len(names), names[0] == ".left.value", g, jx.tree.all((True, False))


@program
def spectra_and_filters(jx: Any, np_: Any) -> Any:
    x = np_.asarray(FEATURES[:32, 0])
    kernel = np_.hanning(5) if hasattr(np_, "hanning") else None
    smooth = jx.scipy.signal.convolve(x, kernel / kernel.sum(), mode="same")
    power = np_.abs(np_.fft.rfft(x)) ** 2
    g = jx.grad(lambda x: np_.sum(np_.abs(np_.fft.rfft(x * x)) ** 2))(x)
    return smooth, power, g, jx.scipy.fft.dct(x), jx.image.resize(x.reshape(4, 8), (8, 4), "bilinear"), jx.scipy.special.logsumexp(x)


@program
def complex_derivatives(jx: Any, np_: Any) -> Any:
    z = np_.array([1.0 + 0.5j, -0.3 + 2j]).astype("complex64")
    g = jx.vmap(jx.grad(lambda z: np_.sin(z) * z**2, holomorphic=True))(z)
    r = jx.grad(lambda z: np_.sum(np_.abs(z) ** 2 * np_.real(np_.exp(z))))(z)
    return g, r, jx.jvp(np_.exp, (z,), (z * 1j,))
