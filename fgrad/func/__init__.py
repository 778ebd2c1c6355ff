"""PyTorch's torch.func over the engine's transforms: pure functions of tensors and trees of them. Imports eager and nn.

Inside: transforms, those whose signatures or results are PyTorch's own.
"""

from fgrad.eager.grad import hessian, jacfwd, jacrev
from fgrad.eager.vmap import vmap
from fgrad.func.transforms import (
    functionalize,
    grad,
    grad_and_value,
    jvp,
    linearize,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vjp,
)
from fgrad.nn import functional_call

__all__ = [
    "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp", "vmap",
]  # fmt: skip
