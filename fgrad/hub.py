"""PyTorch's hub of local folders with a hubconf.py; what would download is refused."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.utils.model_zoo import refused

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

_HELD = {"dir": str(Path.home() / ".cache" / "fgrad" / "hub")}


def _conf(repo_or_dir: str, source: str) -> Any:
    """The hubconf.py of a folder, as a module."""
    if source not in ("github", "local"):
        raise ArgumentError(f'Unknown source: "{source}". Allowed values: "github" | "local".', where=caller(), fix='pass "local"')
    if source == "github":
        raise refused(f"hub of {repo_or_dir!r}", 'clone the repository yourself, then pass its folder and source="local"')
    path = Path(repo_or_dir) / "hubconf.py"
    spec = importlib.util.spec_from_file_location("hubconf", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"No such file: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(repo_or_dir))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(repo_or_dir))
    return module


def _entry(module: Any, model: str) -> Any:
    if not callable(getattr(module, model, None)):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return getattr(module, model)


def load(repo_or_dir: str, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
    """`model(*args, **kwargs)` of a folder's hubconf.py, for source="local" alone; this runs the folder's code.

    Raises MissingError for source="github", FileNotFoundError without a hubconf.py, RuntimeError without the entry.
    """
    for name in ("trust_repo", "force_reload", "verbose", "skip_validation"):
        kwargs.pop(name, None)
    return _entry(_conf(repo_or_dir, source), model)(*args, **kwargs)


def list(github: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:  # noqa: A001  # PyTorch's name
    """The names of a folder's entries, for source="local" alone."""
    module = _conf(github, source)
    return [n for n, f in vars(module).items() if callable(f) and not n.startswith("_")]


def help(github: str, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:  # noqa: A001  # PyTorch's name
    """The docstring of an entry, for source="local" alone."""
    return _entry(_conf(github, source), model).__doc__


def get_dir() -> str:
    """The folder set by set_dir; nothing is kept there."""
    return _HELD["dir"]


def set_dir(d: Any) -> None:
    """Sets what get_dir gives."""
    _HELD["dir"] = str(Path(d).expanduser())


def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> Any:
    """Raises MissingError: download the file yourself and `fgrad.load` it."""
    raise refused(f"load_state_dict_from_url({url!r})", "download the file yourself, then fgrad.load(path)")


def download_url_to_file(url: str, dst: str, *args: Any, **kwargs: Any) -> None:
    """Raises MissingError: download the file yourself."""
    raise refused(f"download_url_to_file({url!r})", "download the file yourself")
