"""Random generators: a seed and an offset, advanced while recording by the size of each draw."""

from __future__ import annotations

import secrets
import threading
from typing import Any

import numpy as np

from fgrad.eager.enter import intern
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD, Tape
from fgrad.errors import ArgumentError, TraceError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Value
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import CPU, Device, TensorType

KEY, OFFSET = TensorType((2,), "uint32"), TensorType((), "uint64")


def key_data(seed: int) -> Any:
    """The two 32-bit words of a key for `seed` (any Python integer; the low 64 bits count)."""
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], np.uint32)


class Generator:
    """A stream of random bits: Philox4x32-10 with the seed as key and the position as counter.

    seed: any integer.  The state advances by the blocks of four words each draw needs, at the time of the call.
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device
        self._seed = 0
        self._offset = 0
        self._lock = threading.Lock()

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream again from `seed`."""
        if not isinstance(seed, int | np.integer):
            raise ArgumentError(f"a seed must be an integer, found {seed!r}", where=caller(), fix="pass an int")
        self._jump(int(seed) & 0xFFFFFFFFFFFFFFFF, 0)
        return self

    def _jump(self, seed: int, offset: int) -> None:
        """Goes to a place of a stream; draws still pending keep theirs."""
        self._seed, self._offset = seed, offset
        if not THREAD.tape.tracing:
            THREAD.tape.generators.pop(self, None)

    def seed(self) -> int:
        """Starts again from a seed drawn from the operating system, and returns it."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def initial_seed(self) -> int:
        """The seed in use."""
        return self._seed

    def get_state(self) -> Any:
        """`(seed, offset)` as a NumPy uint64 array of two."""
        return np.array([self._seed, self._offset], np.uint64)

    def set_state(self, state: Any) -> None:
        """Takes up the stream where `get_state` left it."""
        seed, offset = np.asarray(state, np.uint64).tolist()
        self._jump(seed, offset)

    def advance(self, blocks: int) -> int:
        """Takes `blocks` from the stream; returns where they start."""
        with self._lock:
            start = self._offset
            self._offset = start + blocks
        return start


DEFAULT = Generator()


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator; the same program then draws the same numbers on every device."""
    return DEFAULT.manual_seed(seed)


def seed() -> int:
    """Seeds the default generator from the operating system."""
    return DEFAULT.seed()


def initial_seed() -> int:
    """The default generator's seed."""
    return DEFAULT.initial_seed()


def get_rng_state() -> Any:
    """The default generator's state, for set_rng_state."""
    return DEFAULT.get_state()


def set_rng_state(state: Any) -> None:
    """Takes up the default stream where get_rng_state left it."""
    DEFAULT.set_state(state)


def blocks(size: int) -> int:
    """Blocks of four 32-bit words that `size` words need."""
    return -(-size // 4)


def draw(cls: type[Any], shape: tuple[int, ...], generator: Generator | None = None, device: Device = CPU) -> Any:
    """uint32 random bits of `shape` from a generator, made on `device`, as a pending cell.

    A tape takes the seed and a base offset as inputs once; draws are constant offsets from that base, so that a
    recorded step is the same structure each time.
    """
    tape = THREAD.tape
    key, base, start = state_on(tape, generator or DEFAULT)
    generator = generator or DEFAULT
    size = 1
    for d in shape:
        size *= d
    if tape.tracing:
        at = tape.generators[generator][2]
        tape.generators[generator] = (key, base, at + blocks(size))
    else:
        at = generator.advance(blocks(size)) - start
    offset = intern(tape, REGISTRY["add"], (base, constant(np.uint64(at))))
    if device is not CPU:
        key = intern(tape, REGISTRY["transfer"], (key,), (device,))
    return wrap(cls, tape, intern(tape, REGISTRY["random_bits"], (key, offset), (shape,)))


def state_on(tape: Tape, generator: Generator) -> tuple[Value, Value, int]:
    """The generator's key and base offset on `tape`, and the offset that base stands for (0 while tracing)."""
    known: tuple[Value, Value, int] | None = tape.generators.get(generator)
    if known is None:
        if tape.tracing in FORBIDDEN:
            raise TraceError(
                f"the global random generator was used inside {tape.tracing}, where it cannot advance",
                where=caller(),
                fix="pass a key (fgrad.random.key) and use fgrad.random"
                + ('; or vmap(f, randomness="different")' if tape.tracing == "vmap" else ""),
            )
        if tape.tracing:
            known = (tape.input(KEY, None), tape.input(OFFSET, None), 0)
        else:
            start = generator._offset
            known = (tape.input(KEY, key_data(generator._seed)), tape.input(OFFSET, np.array(start, np.uint64)), start)
        tape.generators[generator] = known
    return known


FORBIDDEN = (
    "scan", "while_loop", "fori_loop", "cond", "switch", "vmap", "map", "associative_scan", "custom_jvp", "custom_vjp",
)  # fmt: skip
