"""fgrad coverage: the page in docs is what the command writes, and every missing name has its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fgrad.__main__ import main
from fgrad.inspector.coverage import REASONS, families, has, table

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "coverage.md").read_text() == table(markdown=True), "run: fgrad coverage --markdown > docs/coverage.md"


def test_every_missing_name_has_a_reason_and_no_reason_is_stale() -> None:
    missing = {n for row in families() for n in row.missing}
    assert missing == set(REASONS)


def test_names_are_found_where_pytorch_has_them() -> None:
    assert has("add")
    assert has("special.zeta")
    assert has("nn.functional.relu")
    assert has("exponential")  # a method, in place
    assert not has("special.nothing")
    assert not has("nn.functional.nothing")


def test_the_command_prints_a_row_for_each_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage"]) == 0
    text = capsys.readouterr().out
    assert text.count("\n") > 30
    assert "elementwise" in text


def test_the_list_names_what_torch_has() -> None:
    torch = pytest.importorskip("torch")
    import functools

    from fgrad.inspector.torch_names import FAMILIES

    unknown = []
    for prefix, names in FAMILIES.values():
        for name in names.split():
            path = f"{prefix}{name}".split(".")
            found = functools.reduce(lambda x, n: getattr(x, n, None), path, torch)
            if found is None and not hasattr(torch.Tensor, name) and not hasattr(torch.Tensor, f"{name}_"):
                unknown.append(".".join(path))
    assert unknown in ([], ["__rdiv__"]), unknown


def test_the_namespaces_name_what_torch_has() -> None:
    torch = pytest.importorskip("torch")
    import functools
    import importlib

    from fgrad.inspector.torch_namespaces import NAMESPACES

    for path, names in NAMESPACES.items():
        if path != "Tensor":
            importlib.import_module(f"torch.{path}")
        place = functools.reduce(getattr, path.split("."), torch)
        absent = [n for n in names.split() if not hasattr(place, n) and n not in getattr(place, "__all__", ())]
        assert not absent, (path, absent)
        assert names.split() == sorted(names.split())
