"""Operations that hold graphs: cond, scan, while_loop, checkpoint, custom_jvp, custom_vjp, custom_vmap, linear_solve; and callbacks.

Their graphs are closed and interned; what a function captures is an operand. All give a tuple, read by `item`, in
memory of their own. Each has one rule for derivatives, `linearize`; batches have axis 0 in operands and results.
build: the same on functions of Values. Inside: run < parts < each of them < build.
"""

from fgrad.primitives.regions.build import checkpoint_values, cond_values, fori_values, scan_values, while_values
from fgrad.primitives.regions.callback import callback, pure_callback
from fgrad.primitives.regions.checkpoint import checkpoint
from fgrad.primitives.regions.cond import cond
from fgrad.primitives.regions.custom import custom_jvp, custom_vjp
from fgrad.primitives.regions.parts import close, items
from fgrad.primitives.regions.scan import scan
from fgrad.primitives.regions.solve import linear_solve
from fgrad.primitives.regions.vmapped import custom_vmap
from fgrad.primitives.regions.while_loop import while_loop

__all__ = [
    "callback",
    "checkpoint",
    "checkpoint_values",
    "close",
    "cond",
    "cond_values",
    "custom_jvp",
    "custom_vjp",
    "custom_vmap",
    "fori_values",
    "items",
    "linear_solve",
    "pure_callback",
    "scan",
    "scan_values",
    "while_loop",
    "while_values",
]
