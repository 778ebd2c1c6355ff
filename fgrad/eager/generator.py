"""Random generators: a seed and an offset, advanced while recording by the size of each draw."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import FACES
from fgrad.eager.enter import intern
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD, Tape
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, TraceError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Value
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import CPU, Device, TensorType

KEY, OFFSET, STATE = TensorType((2,), "uint32"), TensorType((), "uint64"), TensorType((16,), "uint8")


def key_data(seed: int) -> Any:
    """The two 32-bit words of a key for `seed` (any Python integer; the low 64 bits count)."""
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], np.uint32)


class Generator:
    """A stream of random bits: Philox4x32-10 with the seed as key and the position as counter.

    seed: any integer.  The state advances by the blocks of four words each draw needs, at the time of the call.
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device if isinstance(device, Device) else Device(device)
        self._seed = 0
        self._offset = 0
        self._lock = threading.Lock()

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream again from `seed`, of [-2**63, 2**64)."""
        if not isinstance(seed, int | np.integer):
            raise ArgumentError(f"manual_seed expected a long, but got {type(seed).__name__}", where=caller(), fix="pass an int")
        if not -(2**63) <= seed < 2**64:
            raise ArgumentError(f"Overflow when unpacking long long: {seed}", where=caller(), fix="use a seed of 64 bits")
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
        """The seed and the position as a uint8 tensor of 16, for `set_state`."""
        state = np.array([self._seed, self._offset], np.uint64).view(np.uint8)
        return concrete(FACES["tensor"], state, STATE)

    def set_state(self, new_state: Any) -> Any:
        """Takes up the stream where `get_state` left it.  Raises TypeError unless it is a uint8 tensor."""
        if not isinstance(new_state, Cell):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state._type.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if new_state._type.size != STATE.size:
            raise ArgumentError(f"Expected a state of {STATE.size} bytes but found {new_state._type.size}", where=caller(), fix="pass what get_state gave")
        seed, offset = np.array(buffer_of(new_state)).view(np.uint64).tolist()
        self._jump(seed, offset)
        return self

    def get_offset(self) -> int:
        """Random words taken since the seed, on a CUDA device. RuntimeError on the CPU, as PyTorch's."""
        self._offsets_allowed()
        return 4 * self._offset

    def set_offset(self, offset: int) -> None:
        """Goes to a multiple of 4 words behind the seed, on a CUDA device. RuntimeError on the CPU, as PyTorch's."""
        self._offsets_allowed()
        if offset % 4:
            raise ArgumentError(f"offset must be a multiple of 4, got {offset}", where=caller(), fix="pass what get_offset gave")
        self._jump(self._seed, offset // 4)

    def _offsets_allowed(self) -> None:
        if self.device.type == "cpu":
            raise ArgumentError("CPU Generator does not use offset", where=caller(), fix="keep get_state(), and pass it to set_state")

    def clone_state(self) -> Generator:
        """Another generator at the same place of the same stream."""
        new = Generator(self.device)
        new._seed, new._offset = self._seed, self._offset
        return new

    def __reduce__(self) -> Any:
        return _restored, (self.device, self._seed, self._offset)

    def advance(self, blocks: int) -> int:
        """Takes `blocks` from the stream; returns where they start."""
        with self._lock:
            start = self._offset
            self._offset = start + blocks
        return start


def _restored(device: Device, seed: int, offset: int) -> Generator:
    new = Generator(device)
    new._seed, new._offset = seed, offset
    return new


DEFAULT = Generator()


def manual_seed(seed: Any) -> Generator:
    """Seeds the default generator with int(seed); the same program then draws the same numbers on every device."""
    return DEFAULT.manual_seed(int(seed))


def seed() -> int:
    """Seeds the default generator from the operating system."""
    return DEFAULT.seed()


def initial_seed() -> int:
    """The default generator's seed."""
    return DEFAULT.initial_seed()


def get_rng_state() -> Any:
    """The default generator's state, for set_rng_state."""
    return DEFAULT.get_state()


def set_rng_state(new_state: Any) -> None:
    """Takes up the default stream where get_rng_state left it."""
    DEFAULT.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices",
             device_type: str = "cuda") -> Iterator[None]:  # fmt: skip
    """A block that leaves the default generator as it found it (if `enabled`); one stream serves all devices."""
    before = DEFAULT._seed, DEFAULT._offset
    try:
        yield
    finally:
        if enabled:
            DEFAULT._jump(*before)


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
