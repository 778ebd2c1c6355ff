"""A weight divided by its largest singular value, which power iteration follows: PyTorch's older form, by a hook."""

from __future__ import annotations

from typing import Any

from fgrad.functions.creation import randn
from fgrad.functions.gradmode import no_grad
from fgrad.functions.linear import dot, mv
from fgrad.nn.functional.normalisation import normalize
from fgrad.nn.parameter import Parameter, is_lazy
from fgrad.nn.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fgrad.nn.utils.weight_norm import hooked

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


def as_matrix(weight: Any, dim: int) -> Any:
    """Axis `dim` first, the others as one."""
    if dim != 0:
        weight = weight.permute(dim, *(i for i in range(weight.ndim) if i != dim))
    return weight.reshape(weight.shape[0], -1)


def output_axis(module: Any, dim: int | None) -> int:
    """The axis asked for, else the one of output channels."""
    if dim is not None:
        return dim
    return 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0


def check_iterations(n: int) -> None:
    """ValueError unless positive."""
    if n <= 0:
        raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n}")


def unit(n: int, like: Any, eps: float) -> Any:
    """A random direction."""
    return normalize(randn(n, dtype=like.dtype, device=like.device), dim=0, eps=eps)


class SpectralNorm:
    """The pre-hook: `name` = weight / (u . W v), u and v from power iteration."""

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        check_iterations(n_power_iterations)
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Any, do_power_iteration: bool) -> Any:
        """The weight over its norm, after a few steps of iteration if asked."""
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(normalize(mv(matrix, v), dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()  # the next call writes the buffers, a graph may still need these
        return weight / dot(u, mv(matrix, v))

    def __call__(self, module: Any, inputs: Any) -> None:
        """Puts the weight into the module."""
        module.__dict__[self.name] = self.compute_weight(module, module.training)


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> Any:
    """Every forward divides a parameter by its spectral norm: `name` = `name_orig` / sigma, sigma = u . (W v).

    u and v (buffers `name_u`, `name_v`) take n_power_iterations steps of power iteration at every call in training.
    dim: the axis that becomes W's rows (default: output channels).  Returns the module.
    Raises RuntimeError where it is done already, ValueError for no parameter or one without a shape yet.
    Source: Miyato et al. 2018, arXiv:1802.05957.

    >>> import fgrad
    >>> sorted(spectral_norm(fgrad.nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if hooked(module, SpectralNorm, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, output_axis(module, dim), eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        raise ValueError("The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to run the dummy "
                         "forward before applying spectral normalization")  # fmt: skip
    rows, columns = as_matrix(weight, hook.dim).shape
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    module.__dict__[name] = weight.detach()
    module.register_buffer(name + "_u", unit(rows, weight, eps))
    module.register_buffer(name + "_v", unit(columns, weight, eps))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Makes `name` a parameter again, with its present value. ValueError where spectral_norm was not applied."""
    key = hooked(module, SpectralNorm, name)
    if key is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    weight = module._forward_pre_hooks.pop(key).compute_weight(module, False).detach()
    for old in (name, name + "_u", name + "_v", name + "_orig"):
        delattr(module, old)
    module.register_parameter(name, Parameter(weight))
    return module
