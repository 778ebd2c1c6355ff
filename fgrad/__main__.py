"""`fgrad` on the command line: `fgrad COMMAND ...`, the same as `python -m fgrad COMMAND ...`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from fgrad.demo import command as demo
from fgrad.inspector import command as inspect
from fgrad.inspector import coverage, doctor

COMMANDS = {
    "coverage": (coverage.configure, "how many of PyTorch's functions there are, family by family"),
    "demo": (demo.configure, "trains a CNN and an MLP on real handwritten digits, and writes what was compiled"),
    "doctor": (doctor.configure, "what this installation computes with: versions, BLAS, threads, the kernel cache"),
    "inspect": (inspect.configure, "the graph of a function, what each pass changed, the program"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="fgrad", description="Deep learning on NumPy and CuPy, compiled.")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, (configure, text) in COMMANDS.items():
        configure(commands.add_parser(name, help=text, description=text))
    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help(sys.stderr)
        return 2
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except OSError as e:  # nobody reads on (`| head`), the disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        if not isinstance(e, BrokenPipeError):
            sys.stderr.write(f"fgrad: {e}\n")
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
