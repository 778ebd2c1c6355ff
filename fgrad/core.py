"""jax.core: jaxprs evaluated, and what arrays and arrays being recorded are instances of."""

from fgrad.eager.cell import Cell as Tracer
from fgrad.ir.types import TensorType as ShapedArray
from fgrad.jax_config import ensure_compile_time_eval
from fgrad.jaxpr import eval_jaxpr

__all__ = ["ShapedArray", "Tracer", "ensure_compile_time_eval", "eval_jaxpr"]
