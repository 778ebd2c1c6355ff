"""`fgrad demo`: trains both networks and writes the report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fgrad.demo import cnn, digits, mlp
from fgrad.errors import need
from fgrad.inspector import report

WANTED = 0.97  # test accuracy each network must reach


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.add_argument("--report", type=writable, default="fgrad-demo.txt", help="where the IR of both steps is written")
    parser.add_argument("--epochs", type=positive, default=None, help="passes over the data, instead of each network's own")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=run)


def writable(text: str) -> Path:
    """A path that a file can be written to, found out before anything is trained."""
    path = Path(text)
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as e:
        raise argparse.ArgumentTypeError(str(e)) from e
    return path


def positive(text: str) -> int:
    """A whole number of at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, found {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Trains, prints, writes the report; 0 if both networks are accurate enough."""
    start = time.perf_counter()

    def bar(items: Iterable[Any], text: str) -> Iterable[Any]:
        found: Iterable[Any] = need("tqdm").tqdm(items, desc=text, leave=False, disable=options.quiet or None)
        return found

    splits = digits.load()
    sizes = ", ".join(f"{len(s.labels)} {n}" for s, n in zip(splits, ("training", "validation", "test"), strict=True))
    print(f"UCI optical digits, 8x8 grey images: {sizes}")
    print("CNN with BatchNorm and Dropout, as a PyTorch user writes it:")
    accuracy, f1, captured = cnn.train(splits, options.epochs or cnn.EPOCHS, bar, print)
    print(f"  test accuracy {accuracy:.4f}, macro F1 {f1:.4f}")
    print("MLP, as a JAX user writes it:")
    accuracy2, f2, arguments = mlp.train(splits, options.epochs or mlp.EPOCHS, bar, print)
    print(f"  test accuracy {accuracy2:.4f}, macro F1 {f2:.4f}")
    texts = [
        str(report(captured, name="cnn_step")),
        str(report(mlp.step.graph(*arguments), name="mlp_step")),
    ]
    options.report.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    print(f"The IR of both training steps, after every pass, is in {options.report}")
    print(f"{time.perf_counter() - start:.1f} s")
    return 0 if min(accuracy, accuracy2) >= WANTED or options.epochs else 1
