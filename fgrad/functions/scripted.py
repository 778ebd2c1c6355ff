"""PyTorch's jit namespace: script and trace give recorded programs, the annotations are accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from fgrad.errors import ArgumentError
from fgrad.functions import programs
from fgrad.functions.compiled import Compiled
from fgrad.functions.gradmode import no_grad
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.graph import Graph

__all__ = [
    "Attribute", "Final", "ScriptFunction", "ScriptModule", "annotate", "enable_onednn_fusion", "export", "fork", "freeze", "ignore",
    "is_scripting", "is_tracing", "isinstance_", "load", "onednn_fusion_enabled", "optimize_for_inference", "optimized_execution", "save", "script",
    "script_if_tracing", "script_method", "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait",
]  # fmt: skip


save, load = programs.save, programs.load


class ScriptFunction(Compiled):
    """A recorded program: recorded again for new types of arguments, run by the original where recording is impossible."""

    _watched = False

    @property
    def graph(self) -> Graph:
        """The IR of the recording made last."""
        made = self.recordings()
        if not made:
            raise ArgumentError("nothing is recorded yet", where=caller(), fix="call it once, or use trace with example inputs")
        return made[-1][2].graph

    def save(self, f: Any, _extra_files: Any = None) -> None:
        """`jit.save(self, f)`."""
        programs.save(self, f)

    inlined_graph = graph

    @property
    def code(self) -> str:
        """The same as text."""
        return str(self.graph)


class ScriptModule(ScriptFunction):
    """A Module's recorded program; parameters, state_dict and everything else are the Module's."""


def _scripted(obj: Any) -> Any:
    if isinstance(obj, ScriptFunction) or (isinstance(obj, type) and not hasattr(obj, "parameters")):
        return obj  # a class whose instances hold tensors: Python runs its methods
    return ScriptModule(obj, False) if hasattr(obj, "parameters") else ScriptFunction(obj, False)


def script(obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """A function or Module as a recorded program: Python runs once for each set of argument types, then the program alone.

    Control flow on the numbers of tensors cannot be recorded: such a call runs in Python, and `explain()` says why.
    example_inputs and optimize are accepted.  Classes come back as they are.

    >>> import fgrad as torch
    >>> @torch.jit.script
    ... def f(x: torch.Tensor, n: int = 2) -> torch.Tensor:
    ...     for _ in range(n):
    ...         x = x * x
    ...     return x
    >>> f(torch.tensor(3.0))
    tensor(81.)
    """
    return _scripted(obj)


def trace(
    func: Any, example_inputs: Any = None, optimize: Any = None, check_trace: bool = True, check_inputs: Any = None,
    check_tolerance: float = 1e-5, strict: bool = True, _force_outplace: bool = False, _module_class: Any = None,
    _compilation_unit: Any = None, example_kwarg_inputs: Any = None, _store_inputs: bool = True,
) -> Any:  # fmt: skip
    """As `script`, recorded at once for example_inputs (a tensor or a tuple) or example_kwarg_inputs (a dict).

    Other types are recorded when they come.  The checking and strictness options are accepted.
    """
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    given = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs or ())
    made = _scripted(func)
    with no_grad():
        made(*given, **(example_kwarg_inputs or {}))
    return made


def trace_module(mod: Any, inputs: Any, **options: Any) -> Any:
    """As `trace` for methods of a Module: inputs maps their names to example arguments; only "forward" becomes the call."""
    if not isinstance(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    made = _scripted(mod)
    for name, given in inputs.items():
        args = (given,) if isinstance(given, Tensor) else tuple(given)
        with no_grad():
            made(*args) if name == "forward" else getattr(mod, name)(*args)
    return made


def freeze(mod: Any, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Any:
    """The program as it is: parameters are read at each call. RuntimeError for a Module in training mode."""
    if getattr(mod, "training", False):
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing.")
    return mod


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """The program as it is: it is compiled whole."""
    return mod


def _same(fn: Any = None, **options: Any) -> Any:
    """The function itself: an annotation for PyTorch's own compiler."""
    return fn if callable(fn) else _same


export = ignore = unused = script_method = interface = _same


def script_if_tracing(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: a recording inlines it."""
    return fn


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value itself."""
    return the_value


def isinstance_(obj: Any, target_type: Any) -> bool:
    """Python's isinstance; for List[...] and its like, of the origin alone."""
    kinds: Sequence[Any] = target_type if isinstance(target_type, tuple) else (target_type,)
    return isinstance(obj, tuple(getattr(k, "__origin__", None) or k for k in kinds))


class Attribute:
    """A value and its type, as PyTorch annotates attributes of a ScriptModule."""

    def __init__(self, value: Any, type: Any) -> None:  # PyTorch's name
        self.value, self.type = value, type


def is_scripting() -> bool:
    """False: Python itself runs while a program is recorded."""
    return False


def is_tracing() -> bool:
    """False, for the same reason."""
    return False


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The call's result: what does not depend on each other is one program anyway."""
    return func(*args, **kwargs)


def wait(future: Any) -> Any:
    """What `fork` gave."""
    return future


class _Accepted:
    """A context without effect."""

    def __init__(self, *options: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


strict_fusion = optimized_execution = _Accepted


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted: fusion is the compiler's own."""


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


def set_fusion_strategy(strategy: Any) -> Any:
    """Accepted, and returned: programs are made for the types they meet."""
    return strategy
