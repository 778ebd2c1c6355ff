"""Who may compute in NumPy: modules that handle data of the host, and nobody else outside the backends."""

from __future__ import annotations

import ast
from pathlib import Path

import fgrad

ROOT = Path(fgrad.__file__).parent
HARMLESS = set(
    "array asarray ascontiguousarray empty zeros ones frombuffer dtype finfo iinfo errstate can_cast may_share_memory "
    "broadcast_shapes isscalar shape array2string printoptions get_printoptions show_config float32 float64 complex128 int64 uint64 uint32 bool_"
    .split()
)  # fmt: skip
ALLOWED = {
    "demo/digits.py": "host data: reads the file, splits it, scores predictions",
    "demo/mlp.py": "host data: the order of rows, accuracy",
    "eager/grad.py": "the unit vectors of a Jacobian, as data",
    "eager/indexing.py": "positions of a Python index: masks and ranges become index arrays",
    "eager/shapes.py": "the number of elements of a shape",
    "functions/arrange.py": "positions from Python arguments",
    "functions/creation.py": "data made from Python numbers",
    "functions/exchange.py": "data made from Python numbers",
    "functions/ordering.py": "results whose shape depends on values, and counts that PyTorch too makes at once",
    "functions/persistence.py": "files",
    "functions/printing.py": "text",
    "functions/scatters.py": "data made from Python numbers",
    "functions/select.py": "results whose shape depends on values (nonzero, unique): host data by nature",
    "functions/shape.py": "positions from Python arguments",
    "functions/torch_format.py": "files",
    "functions/windows.py": "data made from Python numbers",
    "functions/stft.py": "positions from Python arguments",
    "ir/rewrite.py": "constants of a rule",
    "image.py": "weights from Python arguments",
    "lax/collectives.py": "positions from Python arguments",
    "lax/linalg.py": "positions and unit matrices from Python arguments",
    "lax/numbered.py": "positions from Python arguments",
    "lax/convolution.py": "positions from Python arguments",
    "lax/patches.py": "a constant kernel of zeros and ones",
    "lax/ragged.py": "positions from Python arguments",
    "lax/scans.py": "positions from Python arguments",
    "nn/init.py": "initial weights that need QR or sorting: drawn once, host data",
    "numpy/choices.py": "results whose shape depends on values",
    "numpy/creation.py": "data made from Python numbers",
    "numpy/extras.py": "index grids and sample points from Python numbers",
    "numpy/search.py": "results whose shape depends on values",
    "numpy/shape.py": "positions and widths from Python arguments",
    "numpy/bits.py": "positions of bits",
    "numpy/calculus.py": "shapes of Python arguments",
    "numpy/complexes.py": "questions about dtypes",
    "numpy/edits.py": "positions from Python arguments",
    "numpy/fits.py": "results whose shape depends on values",
    "numpy/grids.py": "data made from Python numbers, files",
    "numpy/padding.py": "positions and widths from Python arguments; numbers for a user's function",
    "numpy/polynomials.py": "whole numbers of powers",
    "autograd/gradcheck.py": "numerical Jacobians are compared on the host",
    "numpy/sets.py": "results whose shape depends on values",
    "numpy/statistics.py": "data made from Python numbers",
    "ops.py": "results whose shape depends on values",
    "primitives/fourier.py": "constants of a rule",
    "primitives/lapack.py": "lowerings by SciPy, whose functions take host arrays",
    "primitives/scipy_special.py": "lowerings by SciPy, whose functions take host arrays",
    "primitives/matrices.py": "constants of a rule",
    "test_util.py": "derivatives are compared with differences on the host",
    "testing.py": "comparison of host data",
    "scipy/spatial/transform.py": "the sign of an order of axes",
    "scipy/spectral.py": "windows, segments and frequencies from Python arguments",
    "scipy/special_more.py": "orders from Python arguments",
    "torch_names.py": "files",
    "utils/data/collate.py": "host data: samples into batches",
    "utils/data/sampler.py": "host data: random orders",
    "utils/tensorboard/curves.py": "host data: counts for logs",
    "utils/tensorboard/pictures.py": "host data: pixels and samples for logs",
    "utils/tensorboard/protos.py": "host data: arrays of what is logged",
    "utils/tensorboard/summaries.py": "host data: histograms for logs",
    "utils/tensorboard/writer.py": "host data: figures for logs",
    "utils/data/worker.py": "seeds NumPy's generator, from which datasets may draw",
}


def computing_calls(path: Path) -> set[str]:
    """Functions of NumPy that a module calls, other than those that only make, convert or describe arrays."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            f, parts = node.func, []
            while isinstance(f, ast.Attribute):
                parts.append(f.attr)
                f = f.value
            if isinstance(f, ast.Name) and f.id == "np":
                found.add(".".join(reversed(parts)))
    return found - HARMLESS


def test_only_modules_that_handle_host_data_compute_in_numpy() -> None:
    computing = {
        path.relative_to(ROOT).as_posix(): calls
        for path in ROOT.rglob("*.py")
        if "backends" not in path.parts and (calls := computing_calls(path))
    }
    assert {k: v for k, v in computing.items() if k not in ALLOWED} == {}
    assert set(ALLOWED) - set(computing) == set()
