"""`fgrad inspect FILE.py:FUNCTION [--shapes TYPE ...] [--args NUMBER ...] [--pass NAME|all] [--format FORM]`."""

from __future__ import annotations

import argparse
import runpy
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, FgradError, IRError
from fgrad.functions import from_numpy
from fgrad.inspector.inspect import inspect
from fgrad.inspector.report import Report
from fgrad.ir.parse import parse_type
from fgrad.ir.types import CPU, TensorType
from fgrad.nn import Module

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": str,
    "json": Report.to_json,
    "dot": Report.to_dot,
    "py": lambda r: r.program,
}


class UsageError(Exception):
    """What the command line asks for is not there; the message is one line."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.add_argument("function", metavar="FILE.py:FUNCTION", help="a function, a training step, or a Module (class or instance)")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="a type such as float32[2,3], or a number")
    parser.add_argument("--shapes", nargs="+", default=[], metavar="TYPE", help="tensors to call it with, such as float32[2,3]")
    parser.add_argument("--args", nargs="+", default=[], metavar="NUMBER", help="numbers to call it with, after the tensors")
    parser.add_argument("--pass", dest="only", metavar="NAME", help="only what this pass did: before, after, diff; all: every pass")
    parser.add_argument("--format", choices=FORMATS, default="text", help="text (default), json, dot or py")
    parser.add_argument("--numpy", action="store_true", help="pass fgrad.numpy arrays instead of tensors")
    parser.set_defaults(run=run)


def find_function(spec: str) -> Callable[..., Any]:
    """The function named `FILE.py:FUNCTION`; UsageError if the file cannot be run or has none of that name."""
    file, _, name = spec.rpartition(":")
    if not file or not name:
        raise UsageError(f"{spec!r} is not of the form FILE.py:FUNCTION")
    if not Path(file).is_file():
        raise UsageError(f"{file}: no such file")
    try:
        scope = runpy.run_path(file)
    except (Exception, SystemExit) as e:  # the user's file may raise anything
        raise UsageError(f"{file} cannot be run: {one_line(e, file)}") from e
    found = scope.get(name)
    if not callable(found):
        names = sorted(k for k, v in scope.items() if callable(v) and getattr(v, "__module__", None) == "<run_path>")
        names += sorted(k for k, v in scope.items() if isinstance(v, Module))
        raise UsageError(f"{file} has no function {name!r} (it has: {', '.join(names) or 'none'})")
    try:
        made: Callable[..., Any] = found() if isinstance(found, type) and issubclass(found, Module) else found
    except TypeError as e:
        raise UsageError(f"{spec}: {e}; name an instance instead") from e
    except Exception as e:
        raise UsageError(f"{spec} cannot be made: {one_line(e, file)}") from e
    return made


def one_line(error: BaseException, file: str) -> str:
    """An exception as text without line breaks, with the last line of the user's file that it came through."""
    if isinstance(error, FgradError):
        return " ".join(str(error).split())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if isinstance(error, SyntaxError) and error.filename == file:
        lines.append(error.lineno)
    text = " ".join(traceback.format_exception_only(error)[-1].split())
    return f"{text} ({file}:{lines[-1]})" if lines else text


def argument(text: str, as_numpy: bool) -> Any:
    """A number, or ones of the type written; UsageError if it is neither."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    try:
        kind = parse_type(text)
    except IRError as e:
        raise UsageError(f"argument {text!r}: {str(e).splitlines()[0]}") from e
    if not isinstance(kind, TensorType) or kind.device is not CPU:
        raise UsageError(f"argument {text!r}: expected a tensor type on the cpu")
    try:
        ones = np.ones(kind.shape, kind.dtype)
    except (MemoryError, ValueError) as e:
        raise UsageError(f"argument {text!r}: {e}") from e
    return ones if as_numpy else from_numpy(ones)


def run(options: argparse.Namespace) -> int:
    """Prints the report; 0, or 2 with one line on stderr. What the user's file prints goes to stderr."""
    path = list(sys.path)
    sys.path.insert(0, str(Path(options.function.rpartition(":")[0]).resolve().parent))
    try:
        with redirect_stdout(sys.stderr):
            f = find_function(options.function)
            args = [argument(a, options.numpy) for a in (*options.arguments, *options.shapes, *options.args)]
            text = shown(_inspect(f, args, options.function), options.format, options.only)
    except UsageError as e:
        sys.stderr.write(f"fgrad inspect: {e}\n")
        return 2
    finally:
        sys.path[:] = path
    sys.stdout.write(text + "\n")
    return 0


def shown(report: Report, form: str, only: str | None) -> str:
    """The report in a form; with `only`, what that pass did."""
    if only is None:
        return FORMATS[form](report)
    try:
        part = report.only(only)
    except ArgumentError as e:
        raise UsageError(f"--pass: {' '.join(str(e).split())}") from e
    return part.passes() if form == "text" else FORMATS[form](part)


def _inspect(f: Callable[..., Any], args: Sequence[Any], spec: str) -> Report:
    try:
        return inspect(f)(*args)
    except (Exception, SystemExit) as e:
        raise UsageError(f"{spec}: {one_line(e, spec.rpartition(':')[0])}") from e


def main(argv: Sequence[str] | None = None) -> int:
    """The command on its own; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fgrad inspect", description=__doc__)
    configure(parser)
    options = parser.parse_args(argv)
    return run(options)
