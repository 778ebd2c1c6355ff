"""Exceptions. Every message answers: what was asked and found, where, how to fix it."""

from __future__ import annotations

import importlib
import linecache
from types import CodeType
from typing import Any

Where = tuple[CodeType, int]


def line_of(where: Where) -> tuple[str, int]:
    """File and line (1-based) of a recorded call; resolved only when a message is built."""
    code, offset = where
    line = code.co_firstlineno
    for start, stop, at in code.co_lines():
        if start <= offset < stop and at is not None:
            line = at
    return code.co_filename, line


def quote(where: Where) -> str:
    """`file:line: source text` of a recorded call."""
    file, line = line_of(where)
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"


class FgradError(Exception):
    """Base of all fgrad errors: `what` was asked and found, `where`, and the `fix`."""

    def __init__(self, what: str, *, where: Where | None = None, fix: str) -> None:
        parts = [what]
        if where is not None:
            parts.append(f"  at {quote(where)}")
        parts.append(f"  fix: {fix}")
        super().__init__("\n".join(parts))


class ShapeError(FgradError, TypeError, RuntimeError, ValueError):
    """Operand shapes do not fit the operation (PyTorch raises RuntimeError, NumPy ValueError, JAX TypeError or ValueError)."""


class DtypeError(FgradError, TypeError, RuntimeError):
    """Operand dtypes do not fit the operation (JAX raises TypeError, PyTorch RuntimeError)."""


class DeviceError(FgradError, RuntimeError):
    """Operands live on different devices, or a device is not there."""


class RangeError(FgradError, IndexError, RuntimeError):
    """An index or axis is out of range."""


class ArgumentError(FgradError, ValueError, RuntimeError):
    """An argument's value is not one the operation accepts (NumPy raises ValueError, PyTorch RuntimeError)."""


class LinAlgError(FgradError, RuntimeError):
    """A matrix is not one the decomposition exists for: singular, not positive definite, not finite (torch.linalg.LinAlgError)."""


JAXIndexError = RangeError  # JAX's name


class GradError(FgradError, RuntimeError):
    """Differentiation was asked for where it is not defined or no longer possible."""


class ForwardError(GradError, TypeError):
    """Forward mode was asked of a function that has only a rule for reverse mode."""


class TraceError(FgradError, TypeError):
    """A number was asked for, or a tensor leaked, while a function is being recorded."""


class NonConcreteBooleanIndexError(TraceError, IndexError):
    """A boolean index, whose number of true places is the result's shape, while a function is being recorded."""


ConcretizationTypeError = TracerBoolConversionError = TracerArrayConversionError = TracerIntegerConversionError = TraceError  # JAX's names
UnexpectedTracerError = JAXTypeError = TraceError


class TreeError(FgradError, ValueError, TypeError):
    """Two trees that must have one structure do not."""


class RuleError(FgradError, NotImplementedError):
    """A primitive has no rule for this transform."""


class StateError(FgradError, RuntimeError):
    """A state dict does not fit a module or optimiser."""


class MissingError(FgradError, ImportError):
    """An optional package is not installed."""


class IRError(FgradError, ValueError):
    """A graph breaks an invariant, or its text cannot be read."""


_LOADED: dict[str, Any] = {}


def need(package: str, extra: str | None = None) -> Any:
    """Imports an optional or slow package when it is first needed.

    package: dotted module name.  extra: the name in `pip install fgrad[extra]`, None for a required dependency.
    Raises MissingError with the line to type.
    """
    module = _LOADED.get(package)
    if module is None:
        try:
            module = _LOADED[package] = importlib.import_module(package)
        except ImportError as e:
            spec = "fgrad" if extra is None else f"fgrad[{extra}]"
            raise MissingError(
                f"{package} is needed and cannot be imported: {e}", fix=f'pip install "{spec}"'
            ) from e
    return module
