"""What is kept between processes, in a folder: machine code, and which numbers of a text vary; oldest use goes first."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from fgrad.backends.numpy.jit import host
from fgrad.errors import need

BOUND = 1 << 28  # bytes in the folder
DIGEST = 32  # bytes of the hash before each entry


def cache_folder() -> Path | None:
    """Where machine code is kept between processes; FGRAD_CACHE_DIR="" turns that off."""
    named = os.environ.get("FGRAD_CACHE_DIR")
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fgrad"


def entry(kind: str, text: str) -> Path | None:
    """The file for what is made from a text on this machine; None if nothing is kept."""
    folder = cache_folder()
    if folder is None:
        return None
    machine = host()
    key = hashlib.sha256("\n".join([need("llvmlite").__version__, machine.cpu, machine.features, text]).encode())
    return folder / f"{key.hexdigest()}.{kind}"


def read(path: Path | None) -> bytes | None:
    """What an entry holds, if it is whole: its hash comes first."""
    try:
        data = path.read_bytes() if path is not None else b""
        if path is not None and len(data) > DIGEST and hashlib.sha256(data[DIGEST:]).digest() == data[:DIGEST]:
            os.utime(path)
            return data[DIGEST:]
    except OSError:
        pass
    return None


def write(path: Path | None, data: bytes) -> None:
    """Writes beside and renames, so that no reader sees half a file; a full disk is no error."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as f:
            f.write(hashlib.sha256(data).digest() + data)
        Path(name).replace(path)
        tidy(path.parent)
    except OSError:
        return


@cache
def tidy(folder: Path) -> None:
    """Once a process, when it adds something: what was not used for longest is deleted until the folder is within its bound."""
    found = sorted(((f.stat().st_mtime, f.stat().st_size, f) for f in folder.iterdir() if f.is_file()), reverse=True)
    total = 0
    for _, size, f in found:
        total += size
        if total > BOUND:
            f.unlink()
