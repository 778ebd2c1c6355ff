"""Fused nodes as native code: neighbours become one function, called with the addresses of what it reads and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from fgrad.backends.numpy import along, calls, moves, orders, pool, searches
from fgrad.backends.numpy.addresses import FIELD, cell
from fgrad.backends.numpy.along import Along
from fgrad.backends.numpy.asm import Asm, E
from fgrad.backends.numpy.asm import number as literal
from fgrad.backends.numpy.block import Block
from fgrad.backends.numpy.branches import Branches
from fgrad.backends.numpy.capable import able, is_number, is_silent, moved, multiple
from fgrad.backends.numpy.code import WIDTH
from fgrad.backends.numpy.convolution.nodes import Convolutions
from fgrad.backends.numpy.gemm.nodes import Products
from fgrad.backends.numpy.jit import host
from fgrad.backends.numpy.kernel import Kernel
from fgrad.backends.numpy.launches import Launches, Table
from fgrad.backends.numpy.loops import Ref
from fgrad.backends.numpy.machine import LLVM, evaluate
from fgrad.backends.numpy.moves import Moves
from fgrad.backends.numpy.orders import Orders
from fgrad.backends.numpy.runs import Memory, elements, strides_of
from fgrad.backends.numpy.scans import Scans, UnableError, is_branch, is_scan
from fgrad.backends.numpy.sizes import compile_form
from fgrad.backends.numpy.split import Split, choose, stride
from fgrad.backends.numpy.table import load
from fgrad.backends.numpy.tasks import TaskKernel, launch, passed, relocated
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.passes.nests import Shape, is_fused, nest_of
from fgrad.passes.plan import Target, padded

STACK = 1 << 15  # bytes of rows that a kernel keeps on its thread's stack


class Function(NamedTuple):
    """A native function of the program: how many arrays it is given, and its code."""

    name: str
    arguments: int
    asm: Asm

    def text(self, launches: Launches) -> str:
        """The function, called with the addresses of arrays, of the arena and of the table of calls."""
        n = self.arguments
        params = ", ".join(f"i64 %a{k}" for k in range(n + 2))
        bases = f"  %arena = inttoptr i64 %a{n} to ptr\n  %launches = inttoptr i64 %a{n + 1} to ptr"
        return f"define void @{self.name}({params}) #0 {{\nentry:\n{bases}\n{launches.body(self.asm)}\n  ret void\n}}\n"


class Native:
    """Writes fused nodes as kernels; collects their text for one module."""

    def __init__(self) -> None:
        self.nests: dict[Value, Shape] = {}
        self.kept: dict[Value, int] = {}
        self.functions: list[Function] = []
        self.left: list[Value] = []  # nodes that stay calls of NumPy
        self.convolutions = Convolutions()
        self.leaves: dict[Value, str] = {}  # pointers of the inputs of loops' bodies
        self.results: dict[Block, list[str]] = {}  # and of their results
        self.inside = False  # a loop, where the function cannot end
        self.scans = Scans(self)
        self.branches = Branches(self)
        self.products = Products(self)
        self.able, self.is_number = able, is_number
        self.start()
        self.target = Target(multiple=multiple, in_place=self.in_place, safe=is_silent, scratch=self.scratch)

    def start(self) -> None:
        """Begins a new function."""
        self.asm = Asm()
        self.args: dict[str, str] = {}  # name of an array -> its pointer in the function
        self.pending = 0
        self.commits = False  # does it write a donated buffer

    # ------------------------------------------------------------------ for the plan
    def nest(self, v: Value) -> Shape:
        """The nest of a fused node."""
        found = self.nests.get(v)
        if found is None:
            found = self.nests[v] = nest_of(v.params[0])
        return found

    def in_place(self, v: Value, result: int) -> tuple[Value, ...]:
        """Operands a result may overwrite: read once, at the index at which it is written, before it is written."""
        if not is_fused(v):
            return calls.in_place(v, result)
        nest, graph = self.nest(v), v.params[0]
        out = graph.outputs[result]
        if max(nest.stage.values(), default=0) or out in nest.late or len(nest.axes[out]) < len(nest.space):
            return ()
        times = Counter(v.operands)
        return tuple(
            x for x, inner in zip(v.operands, graph.inputs, strict=True)
            if x.type is out.type and nest.axes[inner] == nest.axes[out] and times[x] == 1
        )  # fmt: skip

    def scratch(self, v: Value) -> int:
        """Working memory of a fused node: sums of tasks, rows of costly values, copies of operands that lie apart."""
        if not is_fused(v):
            return self.scans.scratch(v) if is_scan(v) else self.branches.scratch(v) if is_branch(v) else orders.scratch(v) or self.products.scratch(v) or self.convolutions.scratch(v)
        graph, nest = v.params[0], self.nest(v)
        refs = {x: Ref("", x.dtype.name, strides_of(x, nest, None)) for x in (*graph.inputs, *graph.outputs)}
        kernel, split = self.kernel(v, refs)
        nbytes = self.kept[v] = self.task_bytes(kernel, split)
        return nbytes + sum(padded(x.type.nbytes) for x in dict.fromkeys(v.operands) if moved(x))

    def task_bytes(self, kernel: Kernel, split: Split | None) -> int:
        """Memory for the tasks of a group: their sums, and rows that are too long for a thread's stack."""
        rows = sum(self.row_bytes(kernel, w) for w in kernel.scratch_values())
        tasks, sums = (split.tasks, split.nbytes()) if split is not None else (1, 0)
        return sums + (tasks * rows if rows > STACK else 0)

    def row_bytes(self, kernel: Kernel, w: Value) -> int:
        """A row of `w`, and one vector over."""
        return padded((kernel.row_size() + kernel.lanes) * w.dtype.itemsize)

    def kernel(self, v: Value, refs: Mapping[Value, Ref]) -> tuple[Kernel, Split | None]:
        """The writer of a group's code, and how the group is split."""
        graph: Graph = v.params[0]
        wide = any(w.dtype.name == "float64" for w in (*graph.inputs, *graph.values()))
        kernel = Kernel(self.asm, graph, self.nest(v), refs, max(host().lanes // (2 if wide else 1), 2))
        return kernel, choose(graph, kernel.nest, kernel.loops, kernel.lanes)

    # ------------------------------------------------------------------ for the program
    def step(self, block: Block, v: Value) -> None:
        """One node of the program."""
        if not is_fused(v):
            silent = v.prim is not None and (block.plan.roots[v] != (v, 0) or v.prim.name == "item")
            if silent or block.constant(v):
                block.step(v)
            elif self.scans.step(block, v) or self.branches.step(block, v) or self.convolutions.step(self, block, v) or self.products.step(block, v) or self.move(block, v) or self.rows(block, v) or self.number(block, v):
                self.wrote(block, v)
            else:
                self.flush(block)
                self.left.append(v)
                block.step(v)
            return
        graph: Graph = v.params[0]
        nest = self.nest(v)
        at = block.base + block.plan.scratch.get(v, 0)
        refs: dict[Value, Ref] = {}
        copied: dict[Value, int] = {}
        for x in dict.fromkeys(v.operands):
            if self.apart(block, x):
                self.brought(block, x, at)  # it may end the function: pointers are named after the last one
                copied[x] = at
                at += padded(x.type.nbytes)
        for x, inner in zip(v.operands, graph.inputs, strict=True):
            refs[inner] = self.ref(block, x, inner, nest, self.arena(copied[x]) if x in copied else None)
        for k, out in enumerate(graph.outputs):
            refs[out] = Ref(self.slot(block, (v, k), out), out.dtype.name, strides_of(out, nest, None))
        self.emit(*self.kernel(v, refs), at, self.kept[v])
        self.wrote(block, v)

    def emit(self, kernel: Kernel, split: Split | None, at: int, room: int) -> None:
        """A group's code: in line, or in tasks for threads. at, room: its working memory in the arena."""
        rows = {w: self.row_bytes(kernel, w) for w in kernel.scratch_values()}
        on_stack = sum(rows.values()) <= STACK
        if split is None or self.task_bytes(kernel, split) > room:
            self.call(kernel, rows, None if on_stack else at)
            return
        shared = [v for v in kernel.order if v in kernel.nest.late and v not in split.partial]
        if shared:  # by tasks that do not meet
            self.aside(kernel, split, [kernel.refs[v].pointer for v in shared], lambda own, names: own.prepare_all(shared))
        apart, places = {v: stride(v) for v in split.partial}, dict(kernel.refs)
        for v in split.partial:
            places[v] = kernel.refs[v]._replace(pointer=self.arena(at))
            at += split.tasks * stride(v) * v.dtype.itemsize
        long = {} if on_stack else rows
        ends = [at := at + split.tasks * nbytes for nbytes in long.values()]
        starts = {w: self.arena(end - split.tasks * nbytes) for (w, nbytes), end in zip(long.items(), ends, strict=True)}
        pointers = list(dict.fromkeys([r.pointer for r in places.values()] + list(starts.values())))
        asm = Asm()
        names = passed(asm, pointers)
        tasks = TaskKernel(asm, kernel.graph, kernel.nest, relocated(places, names), kernel.lanes, split)
        for w, nbytes in rows.items():
            tasks.keep(w, asm.entry(f"alloca [{nbytes} x i8], align 64") if on_stack else names[starts[w]])
            if not on_stack:
                apart[w] = nbytes // w.dtype.itemsize
        tasks.emit_tasks(apart)
        launch(self.asm, asm, pointers, split.tasks)
        if split.partial:
            both = [r.pointer for v in split.partial for r in (kernel.refs[v], places[v])]
            self.aside(kernel, split, both, lambda own, names: own.emit_sums({v: names[places[v].pointer] for v in split.partial}))

    def aside(self, kernel: Kernel, split: Split, pointers: list[str], write: Callable[[TaskKernel, Mapping[str, str]], object]) -> None:
        """What a split group does before or after its tasks, as a function of its own. pointers: what it needs."""
        given = list(dict.fromkeys(pointers))
        asm = Asm()
        names = passed(asm, given)
        refs = {v: r._replace(pointer=names.get(r.pointer, r.pointer)) for v, r in kernel.refs.items()}
        write(TaskKernel(asm, kernel.graph, kernel.nest, refs, kernel.lanes, split), names)
        launch(self.asm, asm, given, 1)

    def call(self, kernel: Kernel, rows: Mapping[Value, int], at: int | None) -> None:
        """A group's code as a function of its own, and its call. at: where in the arena its rows are; None: on the stack."""
        starts = [] if at is None else [self.arena(at + sum([*rows.values()][:k])) for k in range(len(rows))]
        pointers = list(dict.fromkeys([*[r.pointer for r in kernel.refs.values()], *starts]))
        asm = Asm()
        names = passed(asm, pointers)
        own = Kernel(asm, kernel.graph, kernel.nest, relocated(kernel.refs, names), kernel.lanes)
        for k, (w, nbytes) in enumerate(rows.items()):
            own.keep(w, names[starts[k]] if starts else asm.entry(f"alloca [{nbytes} x i8], align 64"))
        own.emit([v for v in own.order if v in own.nest.late])  # a set's order differs between processes: the text is a key
        launch(self.asm, asm, pointers, 1)

    def wrote(self, block: Block, v: Value) -> None:
        """A node more in the function."""
        self.pending += 1
        self.commits = self.commits or block.plan.commits(v)

    def brought(self, block: Block, x: Value, at: int) -> str:
        """A pointer to a contiguous copy of a value, made at a place of the arena."""
        if self.rooted(block, x):
            target = self.arena(at)
            moves = Moves(self.asm, x, host().lanes)
            moves.copy(x.shape, self.memory(block, x), target, moves.out)
            return target
        self.flush(block)
        block.text.call(np.copyto, block.text.buffer(at, x.shape, x.dtype), block.name(x))
        return self.arena(at)

    def apart(self, block: Block, x: Value) -> bool:
        """True if a kernel cannot read `x` where it lies."""
        a = block.plan.layout.get(x)
        if not self.rooted(block, x):
            return True
        if a is None or x.prim is None:
            return False
        steps = [s for d, s in zip(a.shape, a.strides, strict=True) if d != 1]  # a kernel's space has no axes of length 1
        return steps[-1:] not in ([], [0], [a.itemsize])

    def rooted(self, block: Block, x: Value) -> bool:
        """True if the memory of `x` has a name: a planned slot or a leaf."""
        slot = block.plan.roots[x]
        node = slot[0]
        return node.prim is None or (slot in block.plan.homes and block.plan.homes[slot].kind != "fresh")

    def reachable(self, block: Block, v: Value) -> bool:
        """True if the memory of a node's result and of all it reads has a name."""
        return all(self.rooted(block, x) for x in (*v.operands, v))

    def arena(self, offset: int) -> str:
        """A pointer into the arena."""
        self.asm.places[f"%arena{offset}"] = offset
        return f"%arena{offset}"

    def slot(self, block: Block, slot: tuple[Value, int], like: Value) -> str:
        """A pointer to a planned slot."""
        home = block.plan.homes[slot]
        if home.kind == "arena":
            return self.arena(block.base + home.at)
        if block in self.results:
            return self.results[block][home.at]
        return self.argument(block.slot(slot, like))

    def argument(self, name: str) -> str:
        """A pointer to an array that is known by name at run time."""
        pointer = self.args.get(name)
        if pointer is None:
            k = len(self.args)
            cell = self.asm.entry(f"inttoptr i64 %a{k} to ptr")
            pointer = self.args[name] = self.asm.entry(f"load ptr, ptr {cell}")
        return pointer

    def ref(self, block: Block, x: Value, inner: Value, nest: Shape, copied: str | None) -> Ref:
        """How a kernel reads an operand."""
        if copied is not None:
            return Ref(copied, x.dtype.name, strides_of(inner, nest, None))
        pointer, strides = self.place(block, x)
        return Ref(pointer, x.dtype.name, strides_of(inner, nest, strides))

    def place(self, block: Block, x: Value) -> tuple[str, tuple[int, ...] | None]:
        """Where the elements of a value lie, and its strides in bytes; None for one after the other."""
        slot = block.plan.roots[x]
        node = slot[0]
        own = block.plan.layout.get(x)
        if node in self.leaves:
            pointer = self.leaves[node]
        elif node.prim is None or block.constant(node):
            pointer = self.argument(block.name(node))
        else:
            pointer = self.slot(block, slot, self.made(block, x))
        if own is None or x.prim is None:
            return pointer, None
        first = block.plan.layout[self.made(block, x)]
        offset = own.__array_interface__["data"][0] - first.__array_interface__["data"][0]
        if offset:
            pointer = self.asm.op(f"getelementptr inbounds i8, ptr {pointer}, i64 {offset}")
        return pointer, own.strides

    def memory(self, block: Block, x: Value) -> Memory:
        """Where a value lies, strides in elements."""
        pointer, nbytes = self.place(block, x)
        return Memory(pointer, elements(x, nbytes))

    def number(self, block: Block, v: Value) -> bool:
        """Writes an elementwise operation on single numbers, which no group holds; False for any other node."""
        assert v.prim is not None
        if not is_number(v) or not self.reachable(block, v):
            return False
        xs = [
            E(literal(x.const.item(), x.dtype.name), x.dtype.name, 1, float(x.const)) if x.const is not None and not x.shape
            else self.asm.load(self.place(block, x)[0], x.dtype.name, 1)
            for x in v.operands
        ]  # fmt: skip
        self.asm.store(evaluate(LLVM(self.asm), v, xs), self.slot(block, (v, 0), v))
        return True

    def move(self, block: Block, v: Value) -> bool:
        """Writes what only moves elements; False if it has to stay a call of NumPy."""
        if not moves.able(v) or not self.reachable(block, v):
            return False
        assert v.prim is not None
        if v.may_fail and not moves.early_check(block, v):
            self.flush(block)
            block.check(v)
        writer = Moves(self.asm, v, host().lanes)
        moves.NODES[v.prim.name](writer, self.slot(block, (v, 0), v), *[self.memory(block, x) for x in v.operands])
        return True

    def rows(self, block: Block, v: Value) -> bool:
        """Writes what works along one axis; False if it has to stay a call of NumPy."""
        if not (along.able(v) or orders.able(v) or searches.able(v)) or not self.reachable(block, v):
            return False
        assert v.prim is not None
        xs = [self.memory(block, x) for x in v.operands]
        given = (self.asm, v, host().lanes)
        if along.able(v):
            along.NODES[v.prim.name](Along(*given), self.slot(block, (v, 0), v), *xs)
        elif searches.able(v):
            searches.Search(*given).write(self.slot(block, (v, 0), v), *xs)
        else:
            targets = [self.slot(block, (v, k), leaf(t)) for k, t in enumerate(v.type.items)]  # type: ignore[union-attr]  # a tuple
            Orders(*given).write(targets, self.arena(block.base + block.plan.scratch[v]), *xs)
        return True

    def made(self, block: Block, x: Value) -> Value:
        """The value that `x` is a view of: a node (a new shape that had to be copied, too), a leaf or an item."""
        roots = block.plan.roots
        while x.prim is not None and x.prim.view_of is not None and x.prim.name != "item" and roots[x] != (x, 0):
            x = x.operands[x.prim.view_of]
        return x

    def flush(self, block: Block) -> None:
        """Ends the function and writes its call; raises UnableError inside a loop."""
        if self.inside:
            raise UnableError
        if not self.pending:
            return
        name = f"kernel{len(self.functions)}"
        self.functions.append(Function(name, len(self.args), self.asm))
        block.text.addressed.update(self.args)
        if FIELD is not None:
            texts = [f"id({a}) + {FIELD}" for a in self.args]
        else:
            texts = [f"cell(cells, table, {k}, {a})" for k, a in enumerate(self.args)]
            block.text.bind("cell", cell)
        if self.commits:
            block.text.defer()
        block.text.call(name, *texts, "arena", "launches")
        self.start()

    def text(self, launches: Launches) -> str:
        """The module."""
        written = [f.text(launches) for f in self.functions]
        declares = {name: line for f in self.functions for name, line in f.asm.declares.items()}
        return "\n".join([*written, *declares.values(), WIDTH, ""])

    def compiled(self) -> tuple[dict[str, Callable[..., None]], Table]:
        """The functions of the program, by name, and the table of their calls."""
        launches = Launches([f.asm for f in self.functions])
        if not self.functions:
            return {}, launches.table
        text = self.text(launches)
        if "@fgrad_parallel" in text:
            pool.load()
        load(launches.texts())
        return compile_form(text, {f.name: f.arguments + 2 for f in self.functions}), launches.table
