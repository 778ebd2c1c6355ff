"""A fused group in tasks: a function over a range of them, and the call that hands them to threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fgrad.backends.numpy.asm import Asm
from fgrad.backends.numpy.kernel import Kernel
from fgrad.backends.numpy.loops import Ref
from fgrad.backends.numpy.split import MOST, TASK, WORTH, stride
from fgrad.ir.graph import Value

PARALLEL = "declare void @fgrad_parallel(ptr, ptr, i64)"


class TaskKernel(Kernel):
    """Code for some of the tasks of a split group, and for what follows the last."""

    def emit_tasks(self, apart: Mapping[Value, int]) -> None:
        """Tasks `%lo` to `%hi` of the group. apart: elements between the places of two tasks, of values that have one each."""
        split, first = self.split, dict(self.bases)
        assert split is not None

        def task(c: str) -> None:
            start = self.asm.op(f"mul nuw nsw i64 {c}, {split.length}")
            end = self.asm.op(f"add nuw nsw i64 {start}, {split.length}")
            size = self.loops.all[split.loop].size
            self.part = (start, self.asm.least(end, size))
            for v, step in apart.items():
                self.bases[v] = self.asm.offset(first[v], self.asm.op(f"mul nuw nsw i64 {c}, {step}"), v.dtype.name)
            self.emit([v for v in self.order if v in split.partial])

        self.asm.loop("%lo", "%hi", 1, task)

    def emit_sums(self) -> None:
        """After all tasks: their sums, added up in order. The array of a sum is given by `refs`, its parts by `bases`."""
        assert self.split is not None
        for v in self.split.partial:
            lanes, step, name = self.lanes if v.size >= self.lanes else 1, stride(v), v.dtype.name
            full = v.size // lanes * lanes

            def add(i: str, lanes: int, v: Value = v, step: int = step, name: str = name) -> None:
                at = self.asm.offset(self.bases[v], i, name)
                total = self.asm.load(at, name, lanes)
                for c in range(1, self.split.tasks):  # type: ignore[union-attr]  # asserted above
                    total = self.combine(v, total, self.asm.load(self.asm.offset(at, str(c * step), name), name, lanes))
                self.asm.store(total, self.asm.offset(self.refs[v].pointer, i, name))

            self.asm.loop(0, full, lanes, lambda i, lanes=lanes, add=add: add(i, lanes))  # type: ignore[misc]  # bound now
            self.asm.loop(full, v.size, 1, lambda i, add=add: add(i, 1))  # type: ignore[misc]  # bound now


def over_tasks(name: str, asm: Asm) -> str:
    """A function over tasks `%lo` to `%hi` from its code."""
    body = "\n".join([*asm.head, *asm.lines, "  ret void"])
    return f"define internal void @{name}(ptr %args, i64 %lo, i64 %hi) #0 {{\nentry:\n{body}\n}}\n"


def passed(asm: Asm, pointers: list[str]) -> dict[str, str]:
    """Inside a function over tasks: the name of each pointer that its caller passes, by the caller's name."""
    return {
        p: asm.entry(f"load ptr, ptr {asm.entry(f'getelementptr inbounds ptr, ptr %args, i64 {k}')}") for k, p in enumerate(pointers)
    }


def launch(asm: Asm, name: str, pointers: list[str], tasks: int) -> None:
    """Calls a function over all its tasks, on threads if they are several."""
    cell = asm.entry(f"alloca [{max(len(pointers), 1)} x ptr], align 64")
    for k, p in enumerate(pointers):
        asm.do(f"store ptr {p}, ptr {asm.op(f'getelementptr inbounds ptr, ptr {cell}, i64 {k}')}")
    if tasks == 1:
        asm.do(f"call void @{name}(ptr {cell}, i64 0, i64 1)")
        return
    asm.declares["fgrad_parallel"] = PARALLEL
    asm.do(f"call void @fgrad_parallel(ptr @{name}, ptr {cell}, i64 {tasks})")


Body = Callable[[Asm, Mapping[str, str], str], None]  # the function being written, names of pointers in it, which item


def spread(asm: Asm, name: str, pointers: Iterable[str], count: int, time: float, body: Body) -> str | None:
    """`for i in range(count): body(i)`: in line, or handed to threads in tasks of several items.

    time: nanoseconds that all of it takes one thread.  Returns the text of the function `name` over tasks, if there is one.
    """
    given = list(dict.fromkeys(pointers))
    if count < 2 or time < WORTH:
        asm.loop(0, count, 1, lambda i: body(asm, {p: p for p in given}, i))
        return None
    each = -(-count // int(min(count, MOST, max(2.0, time // TASK))))
    inner = Asm()
    names = passed(inner, given)

    def task(t: str) -> None:
        start = inner.op(f"mul nuw nsw i64 {t}, {each}")
        stop = inner.least(inner.op(f"add nuw nsw i64 {start}, {each}"), count)
        inner.loop(start, stop, 1, lambda i: body(inner, names, i))

    inner.loop("%lo", "%hi", 1, task)
    asm.declares.update(inner.declares)
    launch(asm, name, given, -(-count // each))
    return over_tasks(name, inner)


def relocated(refs: Mapping[Value, Ref], names: Mapping[str, str]) -> dict[Value, Ref]:
    """References with other names for their pointers."""
    return {v: r._replace(pointer=names[r.pointer]) for v, r in refs.items()}
