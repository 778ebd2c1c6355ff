"""Recorded programs in files: graphs as JSON and the tensors they read, in one safetensors file. Nothing in it is executed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.operands import compose_many
from fgrad.errors import ArgumentError
from fgrad.functions.compiled import Compiled
from fgrad.functions.persistence import load as load_tree
from fgrad.functions.persistence import save as save_tree
from fgrad.ir.apply import caller
from fgrad.ir.graph import Graph
from fgrad.ir.json import from_json, to_json
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import substitute

__all__ = ["Program", "load", "save"]

VERSION = 1
PLAIN = (bool, int, float, str, type(None))


def _word(x: Any, number: Iterator[int]) -> str:
    """An argument in words: a tensor by number and type, anything else as JSON."""
    if isinstance(x, TensorType):
        return f"tensor {next(number)} {x}"
    if not isinstance(x, PLAIN):
        raise ArgumentError(f"jit.save: an argument of class {type(x).__name__} cannot be written", where=caller(),
                            fix="call the program with tensors, numbers and strings")  # fmt: skip
    return f"static {json.dumps(x)}"


def _known(x: Any, number: Iterator[int]) -> Any:
    """The word of a cell's type, or of something else."""
    return _word(x._type if isinstance(x, Cell) else x, number)


def described(leaves: Sequence[Any], spec: Any) -> Any:
    """Arguments (tensors by their types) as a tree of words."""
    number = iter(range(len(leaves)))
    return tree.restore(spec, [_word(x, number) for x in leaves])


def save(m: Compiled, f: Any, _extra_files: Any = None) -> None:
    """Writes every recording of a scripted or traced program to a path or an open binary file: graphs, and the tensors they read.

    Raises ArgumentError for programs that draw random numbers or write tensors (a Module in training mode), and for
    those that were never called.

    >>> import fgrad as torch, io
    >>> file = io.BytesIO()
    >>> torch.jit.save(torch.jit.trace(lambda x: x * 2 + 1, torch.ones(2)), file)
    >>> _ = file.seek(0)
    >>> torch.jit.load(file)(torch.tensor([1.0, 2.0]))
    tensor([3., 5.])
    """
    names = {id(t): k for k, t in m.state_dict(keep_vars=True).items()} if hasattr(m, "state_dict") else {}
    programs: list[Any] = []
    tensors: dict[str, Any] = {}
    for spec, leaves, r in m.recordings():
        if r.generators or r.written:
            raise ArgumentError("jit.save: the program draws random numbers or writes tensors", where=caller(),
                                fix="call eval() on the Module, and record it again")  # fmt: skip
        read = [names.setdefault(id(t), f"constant{len(names)}") for t in r.captured]
        tensors.update(zip(read, r.captured, strict=True))
        programs.append({"arguments": described(leaves, spec), "graph": to_json(r.graph), "reads": read,
                         "results": tree.restore(r.out_spec, list(range(r.n_out))), "tensors": [c is not None for c in r.classes]})  # fmt: skip
    if not programs:
        raise ArgumentError("jit.save: nothing is recorded yet", where=caller(), fix="call it once, or use trace with example inputs")
    save_tree({"fgrad_program": VERSION, "programs": programs, "tensors": {k: t.detach() for k, t in tensors.items()}}, f)


class _Specialisation:
    """One recording that was read."""

    def __init__(self, data: dict[str, Any]) -> None:
        graph = self.graph = from_json(data["graph"])
        self.arguments, self.reads = data["arguments"], data["reads"]
        self.results, self.tensors = tree.flatten(data["results"])[1], data["tensors"]

        def rule(*values: Any) -> tuple[Any, ...]:
            return tuple(substitute(graph.outputs, dict(zip(graph.inputs, values, strict=True))))

        self.rule = rule

    def matched(self, given: Any) -> list[Any] | None:
        """The leaves of arguments in this recording's order, or None if they are of another structure or of other types."""
        words, spec = tree.flatten_ordered(self.arguments)
        try:
            leaves: list[Any] = spec.flatten_up_to(given)
        except ValueError:
            return None
        number = iter(range(len(words)))
        return leaves if tree.structure(given) == tree.structure(self.arguments) and words == [_known(x, number) for x in leaves] else None


class Program:
    """What `load` returns: called like the function or Module it was recorded from, with the types it was recorded for."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._known = [_Specialisation(d) for d in data["programs"]]
        self._tensors: dict[str, Any] = data["tensors"]

    @property
    def graph(self) -> Graph:
        """The IR of the recording made last."""
        return self._known[-1].graph

    def state_dict(self) -> dict[str, Any]:
        """The tensors it reads, by the names they had in the Module."""
        return dict(self._tensors)

    def parameters(self) -> Iterator[Any]:
        """The floating tensors it reads."""
        return (t for t in self._tensors.values() if t.is_floating_point())

    def eval(self) -> Program:
        """Itself: the mode it was recorded in is part of it."""
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the recording for these types; ArgumentError if there is none."""
        found, leaves = next(((s, flat) for s in self._known if (flat := s.matched((args, kwargs))) is not None), (None, []))
        if found is None:
            leaves, spec = tree.flatten_ordered((args, kwargs))
            words = described([x._type if isinstance(x, Cell) else x for x in leaves], spec)
            known = "; ".join(", ".join(tree.leaves(s.arguments)) for s in self._known)
            raise ArgumentError(f"this program has no recording for ({', '.join(tree.leaves(words))}), only for: {known}", where=caller(),
                                fix="call it with those types, or record and save it for these too")  # fmt: skip
        cells = [x for x in leaves if isinstance(x, Cell)]
        out = compose_many(found.rule, *cells, *[self._tensors[k] for k in found.reads])
        return tree.restore(found.results, [t if is_tensor else t.item() for t, is_tensor in zip(out, found.tensors, strict=True)])


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> Program:
    """The program that `save` wrote, from a path or an open binary file. Raises ArgumentError for other files."""
    data = load_tree(f, map_location)
    if not isinstance(data, dict) or data.get("fgrad_program") != VERSION:
        raise ArgumentError("jit.load: this file holds no recorded program of this version", where=caller(),
                            fix="give a file that jit.save wrote; for tensors and state dicts use fgrad.load")  # fmt: skip
    return Program(data)
