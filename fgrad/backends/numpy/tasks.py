"""A fused group in tasks: a function over a range of them, and the call that hands them to threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from fgrad.backends.numpy.asm import Address, Asm, Launch
from fgrad.backends.numpy.code import NAME, WIDTH
from fgrad.backends.numpy.kernel import Kernel
from fgrad.backends.numpy.loops import Ref
from fgrad.backends.numpy.split import MOST, TASK, WORTH, stride
from fgrad.ir.graph import Value


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

    def emit_sums(self, parts: Mapping[Value, str]) -> None:
        """After all tasks: their sums, added up in order. parts: where those of the first task are."""
        assert self.split is not None
        for v in self.split.partial:
            self.emit_sum(v, parts[v], self.split.tasks)

    def emit_sum(self, v: Value, parts: str, tasks: int) -> None:
        """One sum over tasks."""
        asm, step, name = self.asm, stride(v), v.dtype.name
        many = self.lanes if v.size >= self.lanes else 1
        full = v.size // many * many

        def add(i: str, lanes: int) -> None:
            at, total = asm.offset(parts, i, name), asm.variable(name, lanes)
            asm.set(total, asm.load(at, name, lanes))

            def more(c: str) -> None:
                part = asm.load(asm.offset(at, asm.op(f"mul nuw nsw i64 {c}, {step}"), name), name, lanes)
                asm.set(total, self.combine(v, asm.get(total, name, lanes), part))

            asm.loop(1, tasks, 1, more)
            asm.store(asm.get(total, name, lanes), asm.offset(self.refs[v].pointer, i, name))

        asm.loop(0, full, many, lambda i: add(i, many))
        asm.loop(full, v.size, 1, lambda i: add(i, 1))


def module(asm: Asm) -> str:
    """A function over tasks `%lo` to `%hi` from its code, as a kernel."""
    body = "\n".join([*asm.head, *asm.lines, "  ret void"])
    define = f"define void @{NAME}(ptr %args, i64 %lo, i64 %hi) #0 {{\nentry:\n{body}\n}}\n"
    return "\n".join([define, *asm.declares.values(), WIDTH, ""])


def passed(asm: Asm, pointers: list[str]) -> dict[str, str]:
    """Inside a function over tasks: the name of each pointer that its caller passes, by the caller's name."""
    return {
        p: asm.entry(f"load ptr, ptr {asm.entry(f'getelementptr inbounds ptr, ptr %args, i64 {k}')}") for k, p in enumerate(pointers)
    }


def launch(asm: Asm, inner: Asm, pointers: Sequence[str], tasks: int) -> None:
    """Calls a function over all its tasks, on threads if they are several."""
    asm.launch(Launch(module(inner), tuple(map(Address, pointers)), tasks, varies=True))


Body = Callable[[Asm, Mapping[str, str], str], None]  # the function being written, names of pointers in it, which item


def spread(asm: Asm, pointers: Iterable[str], count: int, time: float, body: Body) -> None:
    """`for i in range(count): body(i)`: in line, or handed to threads in tasks of several items.

    time: nanoseconds that all of it takes one thread.
    """
    given = list(dict.fromkeys(pointers))
    if count < 2 or time < WORTH:
        asm.loop(0, count, 1, lambda i: body(asm, {p: p for p in given}, i))
        return
    each = -(-count // int(min(count, MOST, max(2.0, time // TASK))))
    inner = Asm()
    names = passed(inner, given)

    def task(t: str) -> None:
        start = inner.op(f"mul nuw nsw i64 {t}, {each}")
        stop = inner.least(inner.op(f"add nuw nsw i64 {start}, {each}"), count)
        inner.loop(start, stop, 1, lambda i: body(inner, names, i))

    inner.loop("%lo", "%hi", 1, task)
    launch(asm, inner, given, -(-count // each))


def relocated(refs: Mapping[Value, Ref], names: Mapping[str, str]) -> dict[Value, Ref]:
    """References with other names for their pointers."""
    return {v: r._replace(pointer=names[r.pointer]) for v, r in refs.items()}
