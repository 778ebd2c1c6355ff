"""scipy.spatial.transform: rotations of space as unit quaternions (x, y, z, w), one or a batch of them.

Rotation and Slerp are trees of arrays: they pass through jit, vmap and grad.
Sources: Shepperd 1978 (matrices), Bernardes & Viollet 2022 (Euler angles), Markley et al. 2007 (means), Shoemake 1985 (Slerp).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as jnp
from fgrad import random
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.scipy.operands import floats

__all__ = ["Rotation", "Slerp"]


class SingleError(ArgumentError, TypeError):
    """A batch was asked of one rotation (SciPy raises TypeError)."""


class Rotation(NamedTuple):
    """A rotation, or a batch of them: `quat` is [4] or [n, 4]. Make it by the `from_` methods.

    >>> turn = Rotation.from_euler("z", 90.0, degrees=True)
    >>> jnp.round(turn.apply(jnp.array([1.0, 0.0, 0.0])), 5) + 0.0
    Array([0., 1., 0.], dtype=float32)
    """

    quat: Any

    @classmethod
    def from_quat(cls, quat: Any) -> Rotation:
        """Of quaternions (x, y, z, w) of any length but 0."""
        (q,) = _shaped(quat, 4, "quat")
        return cls(q / jnp.linalg.norm(q, axis=-1, keepdims=True))

    @classmethod
    def from_matrix(cls, matrix: Any) -> Rotation:
        """Of matrices [3, 3] or [n, 3, 3], taken to be rotations."""
        (m,) = floats(matrix)
        if m.shape[-2:] != (3, 3) or m.ndim not in (2, 3):
            raise ShapeError(f"Rotation.from_matrix takes [3, 3] or [n, 3, 3], found {m.shape}", where=caller(), fix="give such matrices")
        return cls(_quat_of_matrix(m))

    @classmethod
    def from_rotvec(cls, rotvec: Any, degrees: bool = False) -> Rotation:
        """Of vectors along the axis whose length is the angle."""
        (v,) = _shaped(rotvec, 3, "rotvec")
        v = jnp.deg2rad(v) if degrees else v
        angle = _norm(v)
        square = angle * angle
        small = angle <= 1e-3
        safe = jnp.where(small, 1.0, angle)
        scale = jnp.where(small, 0.5 - square / 48 + square * square / 3840, jnp.sin(safe / 2) / safe)
        return cls(jnp.concatenate([scale * v, jnp.cos(angle / 2)], axis=-1))

    @classmethod
    def from_mrp(cls, mrp: Any) -> Rotation:
        """Of modified Rodrigues parameters: along the axis, of length tan(angle / 4)."""
        (p,) = _shaped(mrp, 3, "mrp")
        plus = jnp.sum(p * p, axis=-1, keepdims=True) + 1
        return cls(jnp.concatenate([2 * p, 2 - plus], axis=-1) / plus)

    @classmethod
    def from_euler(cls, seq: str, angles: Any, degrees: bool = False) -> Rotation:
        """Of one to three turns about axes: "xyz" in lower case about fixed axes, "XYZ" in upper case about moved ones.

        angles: a number, or [k] for k axes; a batch is [n, k], or [n] and [n, 1] for one axis.
        """
        axes, moved = _sequence(seq, (1, 2, 3))
        (a,) = floats(angles)
        a = jnp.deg2rad(a) if degrees else a
        a = a if a.ndim and (len(axes) > 1 or a.ndim > 1) else a[..., None]
        if a.shape[-1] != len(axes) or a.ndim > 2:
            raise ShapeError(f"Rotation.from_euler: {len(axes)} axes, angles of shape {a.shape}", where=caller(), fix="give one angle for each axis")
        found = None
        for k, axis in enumerate(axes):
            parts = [jnp.sin(a[..., k] / 2) if i == axis else jnp.zeros_like(a[..., k]) for i in range(3)]
            turn = jnp.stack([*parts, jnp.cos(a[..., k] / 2)], axis=-1)
            found = turn if found is None else _product(found, turn) if moved else _product(turn, found)
        return cls(found)

    @classmethod
    def concatenate(cls, rotations: Sequence[Rotation]) -> Rotation:
        """A batch of the rotations of several."""
        return cls(jnp.concatenate([jnp.atleast_2d(r.quat) for r in rotations]))

    @classmethod
    def identity(cls, num: int | None = None, dtype: Any = float) -> Rotation:
        """The rotation that turns nothing, or `num` of it."""
        one = jnp.asarray([0, 0, 0, 1], dtype=dtype)
        return cls(one if num is None else jnp.tile(one, (num, 1)))

    @classmethod
    def random(cls, random_key: Any, num: int | None = None) -> Rotation:
        """Rotations drawn evenly by a key of fgrad.random."""
        return cls.from_quat(random.normal(random_key, (4,) if num is None else (num, 4)))

    def as_quat(self, canonical: bool = False, scalar_first: bool = False) -> Any:
        """Unit quaternions, w last. canonical: of q and -q the one whose w (or else first non-zero part) is above 0."""
        q = self.quat
        if canonical:
            x, y, z, w = [q[..., i] for i in range(4)]
            below = (w < 0) | ((w == 0) & ((x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))))
            q = jnp.where(below[..., None], -q, q)
        return jnp.roll(q, 1, axis=-1) if scalar_first else q

    def as_matrix(self) -> Any:
        """Matrices [3, 3] or [n, 3, 3]."""
        x, y, z, w = [self.quat[..., i] for i in range(4)]
        rows = [
            [x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w],
        ]
        return jnp.stack([jnp.stack(r, axis=-1) for r in rows], axis=-2)

    def as_rotvec(self, degrees: bool = False) -> Any:
        """Vectors along the axis whose length is the angle, at most pi."""
        q = _upper(self.quat)
        angle = 2 * jnp.arctan2(_norm(q[..., :3]), q[..., 3:])
        square = angle * angle
        small = angle <= 1e-3
        scale = jnp.where(small, 2 + square / 12 + 7 * square * square / 2880, angle / jnp.where(small, 1.0, jnp.sin(angle / 2)))
        v = scale * q[..., :3]
        return jnp.rad2deg(v) if degrees else v

    def as_mrp(self) -> Any:
        """Modified Rodrigues parameters: along the axis, of length tan(angle / 4)."""
        q = _upper(self.quat)
        return q[..., :3] / (1 + q[..., 3:])

    def as_euler(self, seq: str, degrees: bool = False) -> Any:
        """Angles [3] or [n, 3] of three turns, as from_euler reads them. Where two axes fall together the third angle is 0."""
        axes, moved = _sequence(seq, (3,))
        if axes[0] == axes[1] or axes[1] == axes[2]:
            raise ArgumentError(f"Expected consecutive axes to be different, got {seq}", where=caller(), fix="use e.g. 'xyz' or 'ZXZ'")
        a = _angles(self.quat, axes[::-1] if moved else axes, moved)
        return jnp.rad2deg(a) if degrees else a

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        """Vectors [3] or [n, 3] turned, or turned back."""
        (v,) = floats(vectors)
        m = self.as_matrix().astype(jnp.result_type(v, self.quat))
        return jnp.einsum("...kj,...k->...j" if inverse else "...jk,...k->...j", m, v)

    def inv(self) -> Rotation:
        """The rotations back."""
        return Rotation(self.quat * jnp.asarray([-1, -1, -1, 1], dtype=self.quat.dtype))

    def magnitude(self) -> Any:
        """The angles, in [0, pi]."""
        q = self.quat
        return 2 * jnp.arctan2(_norm(q[..., :3])[..., 0], jnp.abs(q[..., 3]))

    def mean(self, weights: Any = None) -> Rotation:
        """The rotation nearest to all, in the mean of squares: the largest eigenvector of the sum of weight * q q^T."""
        q = jnp.atleast_2d(self.quat)
        w = jnp.ones(q.shape[0], q.dtype) if weights is None else jnp.asarray(weights, dtype=q.dtype)
        if w.ndim != 1 or w.shape[0] != q.shape[0]:
            raise ShapeError(f"mean of {q.shape[0]} rotations with weights of {w.shape}", where=caller(), fix="give one weight for each rotation")
        return Rotation(jnp.linalg.eigh(jnp.einsum("n,ni,nj->ij", w, q, q))[1][:, -1])

    @property
    def single(self) -> bool:
        """Whether this is one rotation, not a batch."""
        return bool(self.quat.ndim == 1)

    def __getitem__(self, indexer: Any) -> Any:
        if self.single:
            raise SingleError("Single rotation is not subscriptable.", where=caller(), fix="index a batch of rotations")
        return Rotation(self.quat[indexer])

    def __len__(self) -> int:
        if self.single:
            raise SingleError("Single rotation has no len().", where=caller(), fix="take it of a batch of rotations")
        return int(self.quat.shape[0])

    def __bool__(self) -> bool:
        return True

    def __mul__(self, other: Any) -> Rotation:
        """The rotation that does `other` first."""
        return Rotation(_product(self.quat, other.quat))


class Slerp(NamedTuple):
    """Rotations between those at given times, turned evenly about one axis. Make it by `Slerp.init`.

    >>> turns = Rotation.from_euler("z", jnp.array([0.0, 90.0]), degrees=True)
    >>> jnp.round(Slerp.init(jnp.array([0.0, 1.0]), turns)(0.5).as_rotvec(degrees=True), 3)
    Array([ 0.,  0., 45.], dtype=float32)
    """

    times: Any
    timedelta: Any
    rotations: Rotation
    rotvecs: Any

    @classmethod
    def init(cls, times: Any, rotations: Rotation) -> Slerp:
        """times: [n], rising. Raises ValueError for one rotation, or another number of times."""
        if not isinstance(rotations, Rotation):
            raise SingleError("`rotations` must be a `Rotation` instance.", where=caller(), fix="give a batch of rotations")
        if rotations.single or len(rotations) == 1:
            raise ArgumentError("`rotations` must be a sequence of at least 2 rotations.", where=caller(), fix="give a batch of rotations")
        (t,) = floats(times)
        if t.ndim != 1 or t.shape[0] != len(rotations):
            raise ShapeError(f"Expected number of rotations to be equal to number of timestamps given, got {len(rotations)} rotations and times "
                             f"of {t.shape}", where=caller(), fix="give one time for each rotation")  # fmt: skip
        first = rotations.quat[:-1]
        return cls(t, jnp.diff(t), Rotation(first), (Rotation(first).inv() * Rotation(rotations.quat[1:])).as_rotvec())

    def __call__(self, times: Any) -> Rotation:
        """The rotations at a time or at several; before the first and after the last time as the nearest stretch goes on."""
        (t,) = floats(times)
        at = jnp.clip(jnp.searchsorted(self.times, t, side="right") - 1, 0, self.timedelta.shape[0] - 1)
        part = (t - self.times[at]) / self.timedelta[at]
        return Rotation(_product(self.rotations.quat[at], Rotation.from_rotvec(self.rotvecs[at] * part[..., None]).quat))


def _shaped(x: Any, n: int, name: str) -> tuple[Any]:
    (v,) = floats(x)
    if v.ndim not in (1, 2) or v.shape[-1] != n:
        raise ShapeError(f"Expected `{name}` to have shape ({n},) or (N, {n}), got {v.shape}", where=caller(), fix="give such arrays")
    return (v,)


def _norm(v: Any) -> Any:
    """Lengths along the last axis, which stays; the derivative at 0 is 0."""
    square = jnp.sum(v * v, axis=-1, keepdims=True)
    nothing = square == 0
    return jnp.where(nothing, 0.0, jnp.sqrt(jnp.where(nothing, 1.0, square)))


def _upper(q: Any) -> Any:
    """Of q and -q the one with w >= 0."""
    return jnp.where(q[..., 3:] < 0, -q, q)


def _product(p: Any, q: Any) -> Any:
    u, v, a, b = p[..., :3], q[..., :3], p[..., 3:], q[..., 3:]
    return jnp.concatenate([a * v + b * u + jnp.cross(u, v), a * b - jnp.sum(u * v, axis=-1, keepdims=True)], axis=-1)


def _quat_of_matrix(m: Any) -> Any:
    """By the largest of the diagonal and the trace, which is furthest from dividing by 0."""
    diagonal = [m[..., i, i] for i in range(3)]
    trace = diagonal[0] + diagonal[1] + diagonal[2]
    choice = jnp.argmax(jnp.stack([*diagonal, trace], axis=-1), axis=-1)[..., None]
    rows = []
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        parts: list[Any] = [None] * 4
        parts[i] = 1 - trace + 2 * m[..., i, i]
        parts[j] = m[..., j, i] + m[..., i, j]
        parts[k] = m[..., k, i] + m[..., i, k]
        parts[3] = m[..., k, j] - m[..., j, k]
        rows.append(jnp.stack(parts, axis=-1))
    crossed = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]]
    q = jnp.stack([*crossed, 1 + trace], axis=-1)
    for i, row in enumerate(rows):
        q = jnp.where(choice == i, row, q)
    return q / jnp.linalg.norm(q, axis=-1, keepdims=True)


def _sequence(seq: str, lengths: tuple[int, ...]) -> tuple[list[int], bool]:
    """(axes, whether they move with the body)."""
    if not isinstance(seq, str) or len(seq) not in lengths or not re.fullmatch("[xyz]*|[XYZ]*", seq):
        raise ArgumentError(f"Expected axes from `seq` to be from ['x', 'y', 'z'] or ['X', 'Y', 'Z'], {lengths} of them, got {seq!r}",
                            where=caller(), fix="use e.g. 'xyz'")  # fmt: skip
    return ["xyz".index(ch) for ch in seq.lower()], seq.isupper()


def _angles(quat: Any, axes: list[int], moved: bool) -> Any:
    """The angles about three fixed axes; in the order of the turns about moved ones."""
    i, j, k = axes
    symmetric = i == k
    k = 3 - i - j if symmetric else k
    sign = float(np.linalg.det(np.eye(3)[[i, j, k]]))
    q = [quat[..., n] for n in range(4)]
    a, b, c, d = (q[3], q[i], q[j], q[k] * sign) if symmetric else (q[3] - q[j], q[i] + q[k] * sign, q[j] + q[3], q[k] * sign - q[i])
    middle = 2 * jnp.arctan2(jnp.hypot(c, d), jnp.hypot(a, b))
    low, high = jnp.abs(middle) <= 1e-7, jnp.abs(middle - math.pi) <= 1e-7
    locked = low | high  # the other two turns are about one axis
    half_sum, half_gap = [jnp.arctan2(jnp.where(bad, 0.0, y), jnp.where(bad, 1.0, x)) for y, x, bad in ((b, a, high), (d, c, low))]
    one = jnp.where(low, 2 * half_sum, (2 if moved else -2) * half_gap)
    first, third = (jnp.where(locked, 0.0, half_sum - half_gap), jnp.where(locked, one, half_sum + half_gap))
    if not moved:
        first, third = jnp.where(locked, one, half_sum - half_gap), jnp.where(locked, 0.0, half_sum + half_gap)
    if not symmetric:
        third, middle = third * sign, middle - math.pi / 2
    found = [third, middle, first] if moved else [first, middle, third]
    turn = 2 * math.pi
    return jnp.stack([jnp.where(v < -math.pi, v + turn, jnp.where(v > math.pi, v - turn, v)) for v in found], axis=-1)
