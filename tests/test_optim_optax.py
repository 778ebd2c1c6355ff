"""The pure optimisers against optax: ten steps on a pytree, inside jit and outside, compiled once."""

import re
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import optim

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
pytest.importorskip("optax.contrib")

from optax_pairs import agree, both, exact, gradients, run, start  # noqa: E402, F401


def no_bias(params: Any) -> Any:
    return {"w": True, "deep": [False, True]}


def schedule(T: Any) -> Any:
    return T.warmup_cosine_decay_schedule(0.0, 0.1, 3, 9)


def label(v: Any) -> str:
    """A parameter as text without addresses: every worker must collect the same names."""
    return re.sub(r"<(\S+) (\S+) at 0x\w+>", r"\2", str(v))[:60]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}), ("sgd", {"momentum": 0.9}), ("sgd", {"momentum": 0.9, "nesterov": True, "accumulator_dtype": "float32"}),
    ("adam", {}), ("adam", {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-4}), ("adam", {"nesterov": True}),
    ("adamw", {}), ("adamw", {"weight_decay": 0.3, "mask": no_bias}), ("adamw", {"mask": {"w": True, "deep": False}}),
    ("nadam", {}), ("nadamw", {"weight_decay": 0.1}), ("adamax", {}), ("adamaxw", {"weight_decay": 0.1}), ("amsgrad", {}),
    ("amsgrad", {"bias_correction_mu": False, "bias_correction_nu": False}), ("adabelief", {}), ("adabelief", {"nesterov": True}),
    ("adan", {}), ("adan", {"weight_decay": 0.1}), ("radam", {}), ("radam", {"threshold": 4.5, "b2": 0.9, "eps_root": 1e-3}),
    ("radam", {"nesterov": True, "b2": 0.8}), ("yogi", {}), ("novograd", {}), ("novograd", {"weight_decay": 0.1}), ("lion", {}),
    ("lion", {"weight_decay": 0.1, "mask": no_bias}), ("lamb", {}), ("lamb", {"weight_decay": 0.1}), ("lars", {}),
    ("lars", {"weight_decay": 0.1, "weight_decay_mask": no_bias, "trust_ratio_mask": no_bias, "nesterov": True}), ("fromage", {}),
    ("rmsprop", {}), ("rmsprop", {"centered": True, "momentum": 0.9, "initial_scale": 1.0}),
    ("rmsprop", {"eps_in_sqrt": False, "bias_correction": True, "momentum": 0.5, "nesterov": True}),
    ("rmsprop", {"centered": True, "bias_correction": True, "eps_in_sqrt": False, "initial_scale": 2.0}), ("adagrad", {}),
    ("adadelta", {}), ("adadelta", {"weight_decay": 0.1, "rho": 0.5}), ("rprop", {}), ("sm3", {}), ("adafactor", {}),
    ("adafactor", {"min_dim_size_to_factor": 2, "momentum": 0.9, "weight_decay_rate": 0.1, "decay_offset": -3}),
    ("adafactor", {"min_dim_size_to_factor": 4, "clipping_threshold": None, "multiply_by_parameter_scale": False}),
    ("sign_sgd", {}), ("signum", {}), ("optimistic_gradient_descent", {"alpha": 0.5, "beta": 0.7}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), CASES, ids=label)
def test_ten_steps_as_optax(name: str, options: dict[str, Any]) -> None:
    mine, theirs = both(name, 0.02, **options)
    want = run(theirs, optax, start(), jax.jit)
    agree(run(mine, optim, start()), want)
    agree(run(mine, optim, start(), fgrad.jit), want)


def test_muon_as_optax() -> None:
    mine, theirs = both("muon", 0.02, weight_decay=0.1)
    agree(run(mine, optim, start()), run(theirs, optax, start(), jax.jit), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lion", "fromage", "adafactor", "rmsprop"])
def test_learning_rate_schedules(name: str) -> None:
    mine, theirs = getattr(optim, name)(schedule(optim)), getattr(optax, name)(schedule(optax))
    want = run(theirs, optax, start(), jax.jit)
    agree(run(mine, optim, start()), want)
    agree(run(mine, optim, start(), fgrad.jit), want)


TRANSFORMS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("clip", (0.5,), {}), ("clip_by_global_norm", (1.5,), {}), ("clip_by_global_norm", (1e3,), {}), ("clip_by_block_rms", (0.5,), {}),
    ("adaptive_grad_clip", (0.1,), {}), ("adaptive_grad_clip", (0.1,), {"axis": -1}), ("centralize", (), {}),
    ("normalize_by_update_norm", (2.0,), {}), ("scale", (-0.3,), {}), ("add_decayed_weights", (0.1, no_bias), {}),
    ("trace", (0.9, True), {}), ("ema", (0.9,), {}), ("ema", (0.9, False), {}), ("apply_every", (3,), {}), ("set_to_zero", (), {}),
    ("keep_params_nonnegative", (), {}), ("zero_nans", (), {}), ("identity", (), {}), ("scale_by_sign", (), {}),
    ("scale_by_trust_ratio", (), {"min_norm": 0.5, "trust_coefficient": 0.1, "eps": 0.01}), ("scale_by_param_block_norm", (), {}),
    ("scale_by_param_block_rms", (2.0,), {}), ("freeze", ({"w": True, "deep": [False, True]},), {}), ("scale_by_yogi", (), {"eps_root": 1e-2}),
    ("add_decayed_weights", (lambda count: 0.1 * (count + 1),), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options"), TRANSFORMS, ids=label)
def test_transforms_as_optax(name: str, args: Any, options: Any) -> None:
    mine, theirs = both(name, *args, **options)
    small = [optim.chain(mine, optim.scale(0.1)), optax.chain(theirs, optax.scale(0.1))]
    want = run(small[1], optax, start(), jax.jit)
    agree(run(small[0], optim, start()), want)
    agree(run(small[0], optim, start(), fgrad.jit), want)


def compose_of(T: Any, kind: str) -> Any:
    parts = {"a": T.adam(0.1), "b": T.sgd(0.05, momentum=0.9)}
    if kind == "masked":
        return T.chain(T.masked(T.scale_by_adam(), {"w": True, "deep": [False, True]}), T.scale(-0.1))
    if kind == "multi_transform":
        return T.multi_transform(parts, {"w": "a", "deep": "b"} if T is optim else {"w": "a", "deep": ["b", "b"]})
    if kind == "labels":
        return T.partition(parts, lambda params: jax.tree.map(lambda p: "a" if p.ndim > 1 else "b", params))
    if kind == "selective":
        return T.selective_transform(T.adam(0.1), freeze_mask={"w": False, "deep": [True, False]})
    if kind == "named":
        return T.named_chain(("one", T.clip(0.5)), ("two", T.adam(0.1)))
    if kind == "steps":
        return T.MultiSteps(T.adam(0.1), 3).gradient_transformation()
    if kind == "sum":
        return T.MultiSteps(T.sgd(0.1), lambda n: 2, use_grad_mean=False)
    if kind == "conditional":
        return T.conditionally_transform(T.scale(-0.1), lambda step: step % 2 == 0)
    if kind == "conditional_mask":
        return T.chain(T.conditionally_mask(T.adam(0.1), lambda step: step > 3))
    return T.inject_hyperparams(T.adamw, static_args="mask")(T.linear_schedule(0.1, 0.0, 5), b1=0.8, weight_decay=0.2, mask=no_bias)


@pytest.mark.parametrize(
    "kind", ["masked", "multi_transform", "labels", "selective", "named", "steps", "sum", "conditional", "conditional_mask", "inject"]
)
def test_combinations_as_optax(kind: str) -> None:
    mine, theirs = compose_of(optim, kind), compose_of(optax, kind)
    want = run(theirs, optax, start(), jax.jit)
    agree(run(mine, optim, start()), want)
    agree(run(mine, optim, start(), fgrad.jit), want)


def test_injected_numbers_are_read_and_replaced() -> None:
    mine, theirs = optim.inject_hyperparams(optim.sgd)(0.1, momentum=0.9), optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9)
    out = []
    for opt, T, jit in ((mine, optim, fgrad.jit), (theirs, optax, jax.jit)):
        params, state = start(), opt.init(start())
        step = jit(opt.update)
        for i, g in enumerate(gradients()):
            state.hyperparams["learning_rate"] = state.hyperparams["learning_rate"] * 0 + 0.1 / (i + 1)
            updates, state = step(g, state, params)
            params = T.apply_updates(params, updates)
        out.append(params)
        assert set(state.hyperparams) == {"learning_rate", "momentum"}
    agree(*out)


def test_not_finite_gradients_are_passed_over() -> None:
    ends = []
    for T, J in ((optim, fgrad), (optax, jax)):
        opt = T.apply_if_finite(T.adam(0.1), 2)
        params, state = start(), opt.init(start())
        step, seen = J.jit(opt.update), []
        for i, g in enumerate(gradients()):
            if i in (1, 4, 5):
                g["w"][0, 0] = (np.nan, np.inf)[i % 2]
            updates, state = step(g, state, params)
            params = T.apply_updates(params, updates)
            seen.append((int(state.notfinite_count), bool(state.last_finite), int(state.total_notfinite)))
        ends.append((params, seen))
    assert ends[0][1] == ends[1][1]
    agree(ends[0][0], ends[1][0])


def test_small_steps_skip_what_is_not_finite() -> None:
    out = []
    for T, J in ((optim, fgrad), (optax, jax)):
        opt = T.MultiSteps(T.sgd(0.1), 2, should_skip_update_fn=T.skip_not_finite)
        params, state = start(), opt.init(start())
        done, step = [], J.jit(opt.update)
        for i, g in enumerate(gradients()):
            if i in (1, 4):
                g["w"][0, 0] = np.nan
            updates, state = step(g, state, params)
            params = T.apply_updates(params, updates)
            done.append((bool(opt.has_updated(state)), bool(state.skip_state["should_skip"])))
        out.append((params, done))
    assert out[0][1] == out[1][1]
    agree(out[0][0], out[1][0])


def test_lookahead_as_optax() -> None:
    out = []
    for T in (optim, optax):
        opt = T.lookahead(T.adam(0.1), 3, 0.5, reset_state=True)
        params = T.LookaheadParams.init_synced(start())
        state = opt.init(params)
        for g in gradients():
            updates, state = opt.update(g, state, params)
            params = T.apply_updates(params, updates)
        out.append((params.fast, params.slow))
    agree(*out)


def test_zero_nans_says_where() -> None:
    opt = optim.zero_nans()
    g = {"a": jnp.array([1.0, np.nan]), "b": jnp.ones(2)}
    updates, state = opt.update(g, opt.init(g))
    assert np.asarray(updates["a"]).tolist() == [1.0, 0.0]
    assert {k: bool(v) for k, v in state.found_nan.items()} == {"a": True, "b": False}


def test_noisy_sgd_has_the_variance_asked_for() -> None:
    params = {"w": jnp.zeros(20000)}
    opt = optim.noisy_sgd(1.0, eta=0.25, gamma=1.0, key=4)
    state, seen = opt.init(params), []
    for _ in range(2):
        updates, state = opt.update(params, state)
        seen.append(np.asarray(updates["w"]))
    assert abs(seen[0].std() - 0.5) < 0.01
    assert abs(seen[1].std() - 0.5 / 2**0.5) < 0.01
    assert abs(np.corrcoef(seen)[0, 1]) < 0.03


def test_incremental_and_periodic_updates() -> None:
    new, old = start(), gradients()[0]
    agree(optim.incremental_update(new, old, 0.1), optax.incremental_update(new, old, 0.1))
    for n in (4, 5):
        agree(optim.periodic_update(new, old, n, 5), optax.periodic_update(new, old, np.int32(n), 5))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("name", ["adam", "adamw", "lion", "rmsprop", "lamb"])
def test_parameters_keep_their_dtype(name: str, dtype: str) -> None:
    params = jax.tree.map(lambda p: jnp.asarray(p).astype(dtype), start())
    opt = getattr(optim, name)(0.02)
    state, first = opt.init(params), [p.dtype for p in fgrad.tree.leaves(params)]
    kinds = [x.dtype for x in fgrad.tree.leaves(state)]
    for g in gradients():
        updates, state = opt.update(g, state, params)
        params = optim.apply_updates(params, updates)
    assert [p.dtype for p in fgrad.tree.leaves(params)] == first
    assert [x.dtype for x in fgrad.tree.leaves(state)] == kinds
    want = run(getattr(optax, name)(0.02), optax, start(), jax.jit)
    for p, w in zip(fgrad.tree.leaves(params), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(np.asarray(p.astype("float32")), w, rtol=0.05, atol=0.05)


def test_mu_dtype_is_that_of_the_state() -> None:
    opt = optim.adam(0.1, mu_dtype="bfloat16")
    params = start()
    _, state = opt.update(gradients()[0], opt.init(params), params)
    assert state[0].mu["w"].dtype.name == "bfloat16"
    assert state[0].nu["w"].dtype.name == "float32"


@pytest.mark.parametrize("name", ["adamw", "lamb", "radam", "adafactor"])
def test_one_program_for_all_steps(name: str) -> None:
    opt, params, traced = getattr(optim, name)(schedule(optim)), start(), []

    @fgrad.jit
    def step(params: Any, state: Any, g: Any) -> Any:
        traced.append(1)
        updates, state = opt.update(g, state, params)
        return optim.apply_updates(params, updates), state

    params = jax.tree.map(jnp.asarray, params)
    state = opt.init(params)
    for g in gradients():
        params, state = step(params, state, jax.tree.map(jnp.asarray, g))
    assert len(traced) == 1


def test_hyperparameters_are_arguments_of_update() -> None:
    params, g = start(), gradients()[0]
    opt = optim.adamw(0.1)
    given, _ = opt.update(g, opt.init(params), params, learning_rate=0.3, b1=0.5, weight_decay=0.2)
    bound = optim.adamw(0.3, b1=0.5, weight_decay=0.2)
    agree(given, bound.update(g, bound.init(params), params)[0])


def test_asgd_as_torch() -> None:
    torch = pytest.importorskip("torch")

    params = start()
    leaves = [torch.nn.Parameter(torch.tensor(p)) for p in jax.tree.leaves(params)]
    theirs = torch.optim.ASGD(leaves, lr=0.1, lambd=0.01, t0=4)
    opt = optim.asgd(0.1, lambd=0.01, t0=4)
    state = opt.init(params)
    for g in gradients():
        for p, x in zip(leaves, jax.tree.leaves(g), strict=True):
            p.grad = torch.tensor(x)
        theirs.step()
        updates, state = opt.update(g, state, params)
        params = optim.apply_updates(params, updates)
    agree(params, [p.detach().numpy() for p in leaves])
    agree(state.ax, [theirs.state[p]["ax"].numpy() for p in leaves])


def test_gradients_flow_through_the_learning_rate() -> None:
    w, target = np.float32([1.0, 2.0]), np.float32([0.5, -1.0])

    def outer(T: Any, J: Any, np_: Any) -> Any:
        def loss(p: Any) -> Any:
            return np_.sum((p - target) ** 2)

        def after(lr: Any) -> Any:
            opt = T.adam(lr)
            p, state = np_.asarray(w), opt.init(np_.asarray(w))
            for _ in range(3):
                updates, state = opt.update(J.grad(loss)(p), state, p)
                p = T.apply_updates(p, updates)
            return loss(p)

        return J.grad(after)(0.1)

    np.testing.assert_allclose(np.asarray(outer(optim, fgrad, jnp)), outer(optax, jax, jax.numpy), rtol=1e-4)


def test_errors_say_what_to_do() -> None:
    params = start()
    with pytest.raises(fgrad.errors.ArgumentError, match="needs the parameters"):
        optim.adamw(0.1).update(params, optim.adamw(0.1).init(params))
    with pytest.raises(fgrad.errors.ArgumentError, match="no transform for the labels"):
        optim.partition({"a": optim.sgd(0.1)}, {"w": "a", "deep": "c"}).init(params)
    with pytest.raises(fgrad.errors.ArgumentError, match="not unique"):
        optim.named_chain(("a", optim.sgd(1.0)), ("a", optim.sgd(1.0)))
    with pytest.raises(fgrad.errors.StateError, match="a chain of 2"):
        optim.sgd(0.1).update(params, (), params)
    with pytest.raises(fgrad.errors.ArgumentError, match="no arguments of sgd"):
        optim.inject_hyperparams(optim.sgd, static_args="rate")


def test_perturbed_functions() -> None:
    """Other draws than optax's, so held against means known in closed form."""
    from math import erf, exp, pi, sqrt

    from fgrad import lax, random
    from fgrad.optim import perturbations, tree, tree_utils

    x, sigma = fgrad.numpy.asarray([0.05, -0.1, 0.0]), 0.1
    for noise in (None, perturbations.Normal()):
        g = perturbations.make_perturbed_fun(lambda x: fgrad.numpy.sum(fgrad.numpy.maximum(x, 0)), 20_000, sigma, noise)
        slopes = [0.5 * (1 + erf(float(v) / sigma / sqrt(2))) for v in x]
        mean = sum(float(v) * s + sigma * exp(-((float(v) / sigma) ** 2) / 2) / sqrt(2 * pi) for v, s in zip(x, slopes, strict=True))
        assert abs(float(g(random.key(0), x)) - mean) < 0.01
        np.testing.assert_allclose(fgrad.grad(g, argnums=1)(random.key(0), x), slopes, atol=0.03)
    pick = perturbations.make_perturbed_fun(lambda t: fgrad.tree.map(lambda v: fgrad.nn.one_hot(v.argmax(), 3), t), 2000, 1.0, perturbations.Gumbel())
    np.testing.assert_allclose(pick(random.key(1), {"a": x})["a"], fgrad.nn.softmax(x), atol=0.05)
    assert tree_utils.tree_sum is tree.sum
    assert set(tree_utils.__all__) <= set(dir(optax.tree_utils))
    assert lax.add(1, 2) == 3
    with pytest.raises(TypeError, match="same dtypes"):
        lax.add(1, 1.0)
