"""Optimisers as pure transforms, under optax's names with its arguments and defaults.

Every learning_rate (and weight_decay) is a number, an array or a schedule `f(step) -> number`; `mask` is a tree of bools, a prefix of
one, or a function of the parameters: where weights decay.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fgrad import tree
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim import rules
from fgrad.optim.combining import add_decayed_weights, chain, masked, partition
from fgrad.optim.directions import (
    ema,
    one,
    scale_by_adam,
    scale_by_adamax,
    scale_by_adan,
    scale_by_amsgrad,
    scale_by_belief,
    scale_by_lion,
    scale_by_novograd,
    scale_by_optimistic_gradient,
    scale_by_radam,
    scale_by_sign,
    scale_by_yogi,
    trace,
)
from fgrad.optim.leafwise import GradientTransformation, as_cell, moving
from fgrad.optim.sizes import (
    scale_by_adadelta,
    scale_by_factored_rms,
    scale_by_muon,
    scale_by_param_block_rms,
    scale_by_rms,
    scale_by_rprop,
    scale_by_rss,
    scale_by_shape,
    scale_by_sm3,
    scale_by_stddev,
    scale_by_trust_ratio,
)
from fgrad.optim.transform import clip_by_block_rms, identity, scale, scale_by_learning_rate
from fgrad.optim.wrappers import add_noise
from fgrad.primitives.arithmetic import maximum, pow_


def sgd(learning_rate: Any, momentum: Any = None, nesterov: bool = False, accumulator_dtype: Any = None) -> GradientTransformation:
    """-lr * g, through momentum if given. Source: Sutskever et al. 2013; optax.sgd."""
    direction = identity() if momentum is None else trace(momentum, nesterov, accumulator_dtype)
    return chain(direction, scale_by_learning_rate(learning_rate))


def noisy_sgd(learning_rate: Any, eta: Any = 0.01, gamma: Any = 0.55, key: Any = 0) -> GradientTransformation:
    """-lr * (g + noise of variance eta / t^gamma). Source: Neelakantan et al. 2015; optax.noisy_sgd."""
    return chain(add_noise(eta, gamma, key), scale_by_learning_rate(learning_rate))


def sign_sgd(learning_rate: Any) -> GradientTransformation:
    """-lr * sign(g). Source: Bernstein et al. 2018; optax.sign_sgd."""
    return chain(scale_by_sign(), scale_by_learning_rate(learning_rate))


def signum(learning_rate: Any, beta: Any = 0.9, accumulator_dtype: Any = None) -> GradientTransformation:
    """-lr * sign(running mean of g). Source: Bernstein et al. 2018; optax.signum."""
    return chain(ema(beta, False, accumulator_dtype), scale_by_sign(), scale_by_learning_rate(learning_rate))


def optimistic_gradient_descent(learning_rate: Any, alpha: Any = 1.0, beta: Any = 1.0) -> GradientTransformation:
    """-lr * ((alpha + beta) g - beta (the last g)). Source: Mokhtari et al. 2019; optax.optimistic_gradient_descent."""
    return chain(scale_by_optimistic_gradient(alpha, beta), scale_by_learning_rate(learning_rate))


def adam(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, mu_dtype: Any = None, *,
         nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """Adam. Source: Kingma & Ba 2015; optax.adam.

    >>> import fgrad, fgrad.numpy as jnp
    >>> opt = fgrad.optim.adam(0.1)
    >>> params = {"w": jnp.ones(2)}
    >>> updates, state = opt.update({"w": jnp.ones(2)}, opt.init(params), params)
    >>> fgrad.optim.apply_updates(params, updates)["w"].round(3)
    Array([0.9, 0.9], dtype=float32)
    """
    return chain(scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov), scale_by_learning_rate(learning_rate))


def nadam(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, mu_dtype: Any = None, *,
          nesterov: bool = True) -> GradientTransformation:  # fmt: skip
    """Adam with Nesterov's momentum. Source: Dozat 2016; optax.nadam."""
    return adam(learning_rate, b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov)


def adamw(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, mu_dtype: Any = None,
          weight_decay: Any = 1e-4, mask: Any = None, *, nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """Adam with decoupled weight decay. Source: Loshchilov & Hutter 2019; optax.adamw."""
    return chain(scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov), add_decayed_weights(weight_decay, mask),
                 scale_by_learning_rate(learning_rate))  # fmt: skip


def nadamw(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, mu_dtype: Any = None,
           weight_decay: Any = 1e-4, mask: Any = None, *, nesterov: bool = True) -> GradientTransformation:  # fmt: skip
    """nadam with decoupled weight decay. Source: optax.nadamw."""
    return adamw(learning_rate, b1, b2, eps, eps_root, mu_dtype, weight_decay, mask, nesterov=nesterov)


def adamax(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8) -> GradientTransformation:
    """Adam by the infinity norm. Source: Kingma & Ba 2015; optax.adamax."""
    return chain(scale_by_adamax(b1, b2, eps), scale_by_learning_rate(learning_rate))


def adamaxw(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, weight_decay: Any = 1e-4,
            mask: Any = None) -> GradientTransformation:  # fmt: skip
    """adamax with decoupled weight decay. Source: optax.adamaxw."""
    return chain(scale_by_adamax(b1, b2, eps), add_decayed_weights(weight_decay, mask), scale_by_learning_rate(learning_rate))


def amsgrad(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, mu_dtype: Any = None,
            bias_correction_mu: bool = True, bias_correction_nu: bool = True) -> GradientTransformation:  # fmt: skip
    """Adam over the largest second moment so far. Source: Reddi et al. 2018; optax.amsgrad."""
    direction = scale_by_amsgrad(b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu)
    return chain(direction, scale_by_learning_rate(learning_rate))


def adabelief(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-16, eps_root: Any = 1e-16, *,
              nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """Adam by the variance of what the mean did not foresee. Source: Zhuang et al. 2020; optax.adabelief."""
    return chain(scale_by_belief(b1, b2, eps, eps_root, nesterov=nesterov), scale_by_learning_rate(learning_rate))


def adan(learning_rate: Any, b1: Any = 0.98, b2: Any = 0.92, b3: Any = 0.99, eps: Any = 1e-8, eps_root: Any = 1e-8,
         weight_decay: Any = 0.0, mask: Any = None) -> GradientTransformation:  # fmt: skip
    """Adaptive Nesterov momentum. Source: Xie et al. 2022; optax.adan."""
    return chain(scale_by_adan(b1, b2, b3, eps, eps_root), add_decayed_weights(weight_decay, mask),
                 scale_by_learning_rate(learning_rate))  # fmt: skip


def radam(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, threshold: Any = 5.0, *,
          nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """Rectified Adam. Source: Liu et al. 2020; optax.radam."""
    return chain(scale_by_radam(b1, b2, eps, eps_root, threshold, nesterov=nesterov), scale_by_learning_rate(learning_rate))


def yogi(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-3) -> GradientTransformation:
    """Adam with an additive second moment. Source: Zaheer et al. 2018; optax.yogi."""
    return chain(scale_by_yogi(b1, b2, eps), scale_by_learning_rate(learning_rate))


def novograd(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.25, eps: Any = 1e-6, eps_root: Any = 0.0,
             weight_decay: Any = 0.0) -> GradientTransformation:  # fmt: skip
    """Momentum of gradients normalised parameter by parameter. Source: Ginsburg et al. 2019; optax.novograd."""
    return chain(scale_by_novograd(b1, b2, eps, eps_root, weight_decay), scale_by_learning_rate(learning_rate))


def lion(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.99, mu_dtype: Any = None, weight_decay: Any = 1e-3,
         mask: Any = None) -> GradientTransformation:  # fmt: skip
    """The sign of a momentum, with decoupled weight decay. Source: Chen et al. 2023; optax.lion."""
    return chain(scale_by_lion(b1, b2, mu_dtype), add_decayed_weights(weight_decay, mask), scale_by_learning_rate(learning_rate))


def lamb(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-6, eps_root: Any = 0.0, weight_decay: Any = 0.0,
         mask: Any = None) -> GradientTransformation:  # fmt: skip
    """Adam's step at each parameter's scale, for large batches. Source: You et al. 2020; optax.lamb."""
    return chain(scale_by_adam(b1, b2, eps, eps_root), add_decayed_weights(weight_decay, mask), scale_by_trust_ratio(),
                 scale_by_learning_rate(learning_rate))  # fmt: skip


def lars(learning_rate: Any, weight_decay: Any = 0.0, weight_decay_mask: Any = True, trust_coefficient: Any = 0.001,
         eps: Any = 0.0, trust_ratio_mask: Any = True, momentum: Any = 0.9, nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """Momentum of gradients at each parameter's scale, for large batches. Source: You et al. 2017; optax.lars."""
    ratio = masked(scale_by_trust_ratio(trust_coefficient=trust_coefficient, eps=eps), trust_ratio_mask)
    return chain(add_decayed_weights(weight_decay, weight_decay_mask), ratio, scale_by_learning_rate(learning_rate),
                 trace(momentum, nesterov))  # fmt: skip


def fromage(learning_rate: Any, min_norm: Any = 1e-6) -> GradientTransformation:
    """(p - lr g |p| / |g|) / sqrt(1 + lr^2). Source: Bernstein et al. 2020; optax.fromage."""

    def shrink(lr: Any) -> Any:
        return 1 / (1 + lr**2) ** 0.5

    steps: Any
    if callable(learning_rate):
        steps, decay = lambda n: shrink(learning_rate(n)) * learning_rate(n), lambda n: shrink(learning_rate(n)) - 1
    else:
        steps, decay = learning_rate * shrink(learning_rate), shrink(learning_rate) - 1
    return chain(scale_by_trust_ratio(min_norm), scale_by_learning_rate(steps), add_decayed_weights(decay))


def rmsprop(learning_rate: Any, decay: Any = 0.9, eps: Any = 1e-8, initial_scale: Any = 0.0, eps_in_sqrt: bool = True,
            centered: bool = False, momentum: Any = None, nesterov: bool = False,
            bias_correction: bool = False) -> GradientTransformation:  # fmt: skip
    """-lr g / sqrt(v + eps), through momentum if given. Source: Hinton 2012; Graves 2013; optax.rmsprop."""
    direction = (scale_by_stddev if centered else scale_by_rms)(decay, eps, initial_scale, eps_in_sqrt, bias_correction)
    return chain(direction, scale_by_learning_rate(learning_rate), identity() if momentum is None else trace(momentum, nesterov))


def adagrad(learning_rate: Any, initial_accumulator_value: Any = 0.1, eps: Any = 1e-7) -> GradientTransformation:
    """-lr g / sqrt(sum of g^2 + eps). Source: Duchi et al. 2011; optax.adagrad."""
    return chain(scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate))


def adadelta(learning_rate: Any = None, rho: Any = 0.9, eps: Any = 1e-6, weight_decay: Any = 0.0,
             weight_decay_mask: Any = None) -> GradientTransformation:  # fmt: skip
    """Steps of the size of past steps over that of past gradients. Source: Zeiler 2012; optax.adadelta."""
    return chain(add_decayed_weights(weight_decay, weight_decay_mask), scale_by_adadelta(rho, eps),
                 scale_by_learning_rate(learning_rate))  # fmt: skip


def rprop(learning_rate: Any, eta_minus: Any = 0.5, eta_plus: Any = 1.2, min_step_size: Any = 1e-6,
          max_step_size: Any = 50.0) -> GradientTransformation:  # fmt: skip
    """-sign(g) size, sizes growing while signs agree. Source: Riedmiller & Braun 1993; optax.rprop."""
    return chain(scale_by_rprop(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size), scale(-1.0))


def sm3(learning_rate: Any, momentum: Any = 0.9) -> GradientTransformation:
    """Adagrad with memory for rows and columns only. Source: Anil et al. 2019; optax.sm3."""
    return chain(scale_by_sm3(momentum), scale(-learning_rate))


def adafactor(learning_rate: Any = None, min_dim_size_to_factor: int = 128, decay_rate: Any = 0.8, decay_offset: Any = 0,
              multiply_by_parameter_scale: bool = True, clipping_threshold: Any = 1.0, momentum: Any = None,
              dtype_momentum: Any = "float32", weight_decay_rate: Any = None, eps: Any = 1e-30, factored: bool = True,
              weight_decay_mask: Any = None) -> GradientTransformation:  # fmt: skip
    """Adam without momentum whose second moment is kept by row and column. Source: Shazeer & Stern 2018; optax.adafactor."""
    parts = [scale_by_factored_rms(factored, decay_rate, decay_offset, min_dim_size_to_factor, eps)]
    if clipping_threshold is not None:
        parts.append(clip_by_block_rms(clipping_threshold))
    if learning_rate is not None:
        parts.append(scale_by_learning_rate(learning_rate, flip_sign=False))
    if multiply_by_parameter_scale:
        parts.append(scale_by_param_block_rms())
    if momentum is not None:
        parts.append(ema(momentum, False, dtype_momentum))
    if weight_decay_rate is not None:
        parts.append(add_decayed_weights(weight_decay_rate, weight_decay_mask))
    return chain(*parts, scale(-1.0))


def muon(learning_rate: Any, ns_coeffs: tuple[float, float, float] = (3.4445, -4.775, 2.0315), ns_steps: int = 5, beta: Any = 0.95,
         eps: float = 1e-8, weight_decay: Any = 0.0, weight_decay_mask: Any = None, mu_dtype: Any = None, *, nesterov: bool = True,
         adam_b1: Any = 0.9, adam_b2: Any = 0.999, adam_eps_root: Any = 0.0, adam_weight_decay: Any = 0.0,
         adam_learning_rate: Any = None, consistent_rms: float | None = None) -> GradientTransformation:  # fmt: skip
    """Orthogonalised momentum for matrices, adamw for other parameters. Source: Jordan et al. 2024; optax.contrib.muon."""
    matrices = chain(scale_by_muon(ns_coeffs, ns_steps, beta, eps, mu_dtype, nesterov=nesterov), scale_by_shape(consistent_rms),
                     add_decayed_weights(weight_decay, weight_decay_mask), scale_by_learning_rate(learning_rate))  # fmt: skip
    others = adamw(learning_rate if adam_learning_rate is None else adam_learning_rate, adam_b1, adam_b2, eps, adam_eps_root,
                   mu_dtype, adam_weight_decay, nesterov=nesterov)  # fmt: skip
    return partition({"muon": matrices, "adam": others},
                     lambda params: tree.map(lambda p: "muon" if as_cell(p)._type.ndim == 2 else "adam", params))  # fmt: skip


class AsgdState(NamedTuple):
    """Step count, and the average of the parameters."""

    count: Any
    ax: Any


def asgd(learning_rate: Any = 1e-2, lambd: Any = 1e-4, alpha: Any = 0.75, t0: Any = 1e6) -> GradientTransformation:
    """p (1 - lambd eta) - eta g, eta = lr / (1 + lambd lr (t - 1))^alpha; `state.ax` is the average of p from step t0 on.

    Source: Polyak & Juditsky 1992; PyTorch's ASGD.
    """
    if callable(learning_rate):
        raise ArgumentError("asgd has a schedule of its own", where=caller(), fix="give a number; lambd and alpha shape its decay")
    numbers = {"lr": learning_rate, "lambd": lambd, "alpha": alpha, "t0": t0}
    return moving(_asgd, AsgdState, numbers, prepare=_averaged, params=True)


def _averaged(s: Any) -> dict[str, Any]:
    lr, past = s["lr"], s["count"] - one(s["count"])
    eta = lr / pow_(one(lr) + s["lambd"] * lr * past, s["alpha"])
    return {"eta": eta, "shrink": one(lr) - s["lambd"] * eta, "mu": one(lr) / maximum(one(lr), past - s["t0"])}


def _asgd(g: Any, p: Any, ax: Any, s: Any) -> tuple[Any, ...]:
    new, (mean,) = rules.asgd_update(p, g, (ax,), s)
    return new - p, mean
