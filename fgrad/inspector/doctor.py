"""`fgrad doctor`: what this installation computes with."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from fgrad.backends.numpy.pool import wanted
from fgrad.backends.numpy.store import cache_folder
from fgrad.settings import current

PACKAGES = ("fgrad", "numpy", "ml_dtypes", "llvmlite", "optree", "opt-einsum", "networkx", "safetensors", "tqdm")
CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.set_defaults(run=run)


def installed(name: str) -> str | None:
    """The version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def facts() -> dict[str, str]:
    """What to tell, by name."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    settings, folder = current(), cache_folder()
    cupy = next((f"{name} {v}" for name in CUPY if (v := installed(name))), "not installed")
    return {
        "python": f"{platform.python_version()} on {platform.platform()}",
        **{name: installed(name) or "not installed" for name in PACKAGES},
        "cupy": cupy,
        "BLAS": f"{blas.get('name')} {blas.get('version')}",
        "processors": str(os.cpu_count()),
        "threads": str(wanted()),
        "kernels": settings.kernels + ("" if installed("llvmlite") else " (tiled: llvmlite is missing)"),
        "kernel cache": "off" if folder is None else str(folder),
    }


def run(options: argparse.Namespace) -> int:
    """Prints one fact a line."""
    lines = facts()
    width = max(map(len, lines))
    sys.stdout.write("".join(f"{name:<{width}}  {text}\n" for name, text in lines.items()))
    return 0
