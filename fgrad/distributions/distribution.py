"""Distribution: what all share, that is validation, shapes, expansion, and methods whose formulas the subclasses give."""

from __future__ import annotations

import math
import warnings
from typing import Any, NoReturn

from fgrad import functions as t
from fgrad.distributions import constraints
from fgrad.distributions.constraint import MissingFormError
from fgrad.distributions.utils import broadcast_all, lazy_property, sum_rightmost, tracing
from fgrad.errors import ArgumentError, need
from fgrad.functions.dtypes import Size
from fgrad.ir.apply import caller

__all__ = ["Distribution", "ExponentialFamily"]


class _Absent(property):
    """A property that subclasses give."""

    def __init__(self, name: str, doc: str) -> None:
        super().__init__(lambda self: missing(self, name), doc=doc)


def missing(self: Any, name: str) -> NoReturn:
    """Raises MissingFormError: the distribution has no such form."""
    raise MissingFormError(f"{type(self)} does not implement {name}", where=caller(), fix="it has no closed form there; estimate it from samples")


def parameters(**constraints: Any) -> dict[str, Any]:
    """Names of parameters and their constraints."""
    return constraints


class Distribution:
    """A probability distribution: samples are of shape sample_shape + batch_shape + event_shape.

    batch_shape: of independent parameters; event_shape: of one sample.  validate_args: whether parameters and values are checked
    (by default they are, except while a program is recorded, where numbers are not known).
    A distribution of one's own gives `arg_constraints`, `support` and what it can of `rsample` or `sample`, `log_prob`, `entropy`, ...

    >>> import fgrad as torch
    >>> d = torch.distributions.Normal(torch.zeros(2), 1.0)
    >>> d.log_prob(torch.zeros(2))
    tensor([-0.9189, -0.9189])
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: Any = __debug__
    arg_constraints: Any = _Absent("arg_constraints", "The constraint of each parameter, by name.")
    support: Any = _Absent("support", "The constraint that samples fulfil.")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check what they are given.  Raises ArgumentError unless True or False."""
        if value not in (True, False):
            raise ArgumentError(f"validate_args must be a bool, found {value!r}", where=caller(), fix="pass True or False")
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args and not tracing():
            self._check_parameters()
        super().__init__()

    def _broadcast(self, validate_args: bool | None, **given: Any) -> None:
        """Keeps the arguments, broadcast; their shape is batch_shape."""
        found = broadcast_all(*given.values())
        self.__dict__.update(zip(given, found, strict=True))
        Distribution.__init__(self, found[0].shape, validate_args=validate_args)

    def _check_parameters(self) -> None:
        """Raises ArgumentError, which names the parameter, where one breaks its constraint."""
        try:
            known = self.arg_constraints
        except NotImplementedError:
            warnings.warn(f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize the distribution with "
                          "`validate_args=False` to turn off validation.", stacklevel=4)  # fmt: skip
            return
        for name, constraint in known.items():
            lazy = name not in self.__dict__ and isinstance(_declared(type(self), name), lazy_property)
            if constraints.is_dependent(constraint) or lazy:
                continue
            value = getattr(self, name)
            if not constraint._holds(value):
                raise ArgumentError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} to satisfy the "
                    f"constraint {constraint!r}, but found invalid values:\n{value}", where=caller(), fix="give values of that kind",
                )  # fmt: skip

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ is not cls.__init__:  # type: ignore[misc]  # looked up on classes
            name = type(self).__name__
            raise MissingFormError(f"Subclass {name} of {cls.__name__} that defines a custom __init__ method must also define a custom .expand() method.",
                                   where=caller(), fix="define expand(batch_shape, _instance=None)")  # fmt: skip
        return type(self).__new__(type(self)) if _instance is None else _instance

    _copied: tuple[str, ...] = ()  # what expand copies as it is
    _expanded: Any = parameters()  # what it expands, by its constraint, besides arg_constraints

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with parameters expanded to `batch_shape`, without new memory."""
        mine = next(c for c in type(self).__mro__ if c.__module__.startswith("fgrad.distributions"))
        if mine in (Distribution, ExponentialFamily):
            missing(self, "expand")
        new = self._get_checked_instance(mine, _instance)
        shape = Size(batch_shape)
        for name, constraint in {**self.arg_constraints, **self._expanded}.items():
            x = self.__dict__.get(name)
            if x is not None:
                new.__dict__[name] = x.expand(shape + x.shape[x.dim() - constraint.event_dim :])
        new.__dict__.update({n: self.__dict__[n] for n in self._copied if n in self.__dict__})
        return self._as_expanded(new, shape)

    def _as_expanded(self, new: Any, shape: Any) -> Any:
        """The new instance with its shapes, unchecked."""
        Distribution.__init__(new, shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def batch_shape(self) -> Any:
        """The shape of the parameters, one distribution for each."""
        return self._batch_shape

    @property
    def event_shape(self) -> Any:
        """The shape of a single sample of one distribution."""
        return self._event_shape

    @property
    def mean(self) -> Any:
        """The expected value (NaN or inf where there is none)."""
        return self._mean()

    @property
    def mode(self) -> Any:
        """The value of the highest density."""
        return self._mode()

    @property
    def variance(self) -> Any:
        """The expected square of the distance to the mean."""
        return self._variance()

    @property
    def stddev(self) -> Any:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws of shape sample_shape + batch_shape + event_shape, without derivatives, from the default generator."""
        with t.no_grad():
            return self._sample(self._extended_shape(sample_shape)) if type(self).rsample is Distribution.rsample else self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws with derivatives by the parameters.  Raises MissingFormError unless `has_rsample`."""
        return self._sample(self._extended_shape(sample_shape)) if self.has_rsample else missing(self, "rsample")

    def sample_n(self, n: int) -> Any:
        """sample((n,)), deprecated."""
        warnings.warn("sample_n will be deprecated. Use .sample((n,)) instead", UserWarning, stacklevel=2)
        return self.sample((n,))

    def log_prob(self, value: Any) -> Any:
        """log of the density (of the probability, if discrete) at `value`, of value's shape without event_shape."""
        self._check(value)
        return self._log_prob(value)

    def cdf(self, value: Any) -> Any:
        """The probability of a sample up to `value`."""
        self._check(value)
        return self._cdf(value)

    def icdf(self, value: Any) -> Any:
        """The inverse of `cdf`: the quantile of a probability."""
        return self._icdf(value)

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a discrete distribution along a new first dimension; the batch dimensions have length 1 unless `expand`."""
        return self._enumerated(expand)

    def entropy(self) -> Any:
        """-E[log_prob(x)], of batch_shape."""
        return self._entropy()

    def perplexity(self) -> Any:
        """exp(entropy)."""
        return self.entropy().exp()

    def _mean(self) -> Any:
        missing(self, "mean")

    def _mode(self) -> Any:
        missing(self, "mode")

    def _variance(self) -> Any:
        missing(self, "variance")

    def _sample(self, shape: Any) -> Any:
        missing(self, "sample")

    def _log_prob(self, value: Any) -> Any:
        missing(self, "log_prob")

    def _cdf(self, value: Any) -> Any:
        missing(self, "cdf")

    def _icdf(self, value: Any) -> Any:
        missing(self, "icdf")

    def _enumerated(self, expand: bool) -> Any:
        missing(self, "enumerate_support")

    def _entropy(self) -> Any:
        missing(self, "entropy")

    def _extended_shape(self, sample_shape: Any = ()) -> Any:
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def _check(self, value: Any) -> None:
        if self._validate_args:
            self._validate_sample(value)

    def _validate_sample(self, value: Any) -> None:
        """Raises ArgumentError for a value of the wrong shape, or outside the support."""
        if not isinstance(value, t.Tensor):
            raise ArgumentError("The value argument to log_prob must be a Tensor", where=caller(), fix="wrap it in torch.tensor")
        start = value.dim() - len(self._event_shape)
        if value.shape[start:] != self._event_shape:
            raise ArgumentError(f"The right-most size of value must match event_shape: {value.shape} vs {self._event_shape}.", where=caller(),
                                fix="give samples of event_shape")  # fmt: skip
        wanted = self._batch_shape + self._event_shape
        if any(i not in (1, j) and j != 1 for i, j in zip(reversed(value.shape), reversed(wanted), strict=False)):
            raise ArgumentError(f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {wanted}.", where=caller(),
                                fix="give sample_shape + batch_shape + event_shape")  # fmt: skip
        if tracing():
            return
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(f"{type(self)} does not define `support` to enable sample validation. Please initialize the distribution with "
                          "`validate_args=False` to turn off validation.", stacklevel=4)  # fmt: skip
            return
        if not support._holds(value):
            raise ArgumentError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support ({support!r}) of the "
                f"distribution {self!r}, but found invalid values:\n{value}", where=caller(), fix="give values of the support, or validate_args=False",
            )  # fmt: skip

    def __repr__(self) -> str:
        shown = {n: self.__dict__[n] for n in self.arg_constraints if n in self.__dict__}
        text = ", ".join(f"{n}: {x if x.numel() == 1 else x.size()}" for n, x in shown.items())
        return f"{type(self).__name__}({text})"


def _declared(cls: type, name: str) -> Any:
    """The attribute as it stands in the class."""
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


class ExponentialFamily(Distribution):
    """Densities exp(<η, s(x)> - A(η) + k(x)): `_natural_params` are the η, `_log_normalizer(*η)` is A, `_mean_carrier_measure` E[k(x)].

    Source: Nielsen & Nock 2010, Entropies and cross-entropies of exponential families (entropy by A's derivative).
    """

    @property
    def _natural_params(self) -> Any:
        missing(self, "_natural_params")

    @property
    def _mean_carrier_measure(self) -> Any:
        missing(self, "_mean_carrier_measure")

    def _log_normalizer(self, *natural_params: Any) -> Any:
        missing(self, "_log_normalizer")

    def _bregman(self) -> tuple[Any, ...]:
        """The natural parameters as leaves, A at them and its derivatives."""
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        with t.enable_grad():
            value = self._log_normalizer(*natural)
            slopes = need("fgrad.autograd").grad(value.sum(), natural, create_graph=True)
        return natural, value, slopes

    def _entropy(self) -> Any:
        carrier = self._mean_carrier_measure
        natural, value, slopes = self._bregman()
        parts = [sum_rightmost(p * g, p.dim() - value.dim()) for p, g in zip(natural, slopes, strict=True)]
        return value - carrier - sum(parts)


HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
