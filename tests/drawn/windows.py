"""Products, convolutions, pooling, padding, interpolation, normalisation and losses."""

from __future__ import annotations

from typing import Any

from drawn.pen import ALL, COMPLEX, FLOATS, REAL, Case, Operand, Pen

EXACT = ("float32", "float64")
NUMBERS = (*REAL, *COMPLEX)  # torch multiplies matrices of bools only if they are empty
REDUCE = ("mean", "sum", "none")


def matmul(pen: Pen, name: str) -> Case:
    dtype = pen.dtype(NUMBERS)
    k = pen.int(int(pen.smooth), 4)
    left = pen.shape(0, 2)
    x = pen.operand((*left, k) if pen.often() else (k,), (dtype,), special=False)
    tail = (k,) if pen.int(0, 3) == 0 else (k, pen.int(int(pen.smooth), 4))
    head = pen.partner(left[:-1]) if len(tail) == 2 and pen.flag() else ()
    y = pen.operand((*head, *tail), (dtype,) if pen.often() else ALL, special=False)
    return Case(name, (x, y), tol=4)


def sized(pen: Pen, name: str) -> Case:
    """mm, bmm, mv, dot, outer: fixed ranks."""
    among = ALL if name in ("outer", "kron") else NUMBERS
    n, k, m, b = (pen.int(int(pen.smooth), 4) for _ in range(4))
    shapes = {"mm": ((n, k), (k, m)), "bmm": ((b, n, k), (b, k, m)), "mv": ((n, k), (k,)), "dot": ((k,), (k,)), "outer": ((n,), (m,)),
              "kron": ((n, k), (b, m)), "inner": ((n, k), (m, k)), "vdot": ((k,), (k,))}[name]  # fmt: skip
    dtype = pen.dtype(among)
    plain = name == "kron"  # torch's ends in a view that some layouts refuse
    return Case(name, tuple(pen.operand(s, (dtype,), special=False, plain=plain) for s in shapes), tol=4)


def added(pen: Pen, name: str) -> Case:
    n, k, m, b = (pen.int(int(pen.smooth), 3) for _ in range(4))
    if name == "addmv":  # torch's, of an empty matrix, keeps the shape of its first operand
        n, k = max(n, 1), max(k, 1)
    first, *rest = {"addmm": ((n, m), (n, k), (k, m)), "baddbmm": ((b, n, m), (b, n, k), (b, k, m)), "addmv": ((n,), (n, k), (k,)),
                    "addbmm": ((n, m), (b, n, k), (b, k, m)), "addr": ((n, m), (n,), (m,))}[name]  # fmt: skip
    dtype = pen.dtype((*FLOATS, *COMPLEX, "int64"))
    cut = pen.int(0, 1)
    xs = [pen.operand(s, (dtype,), special=False) for s in (first[cut:], *rest)]
    given = {k: pen.int(0, 2) if dtype == "int64" else pen.int(0, 4) / 2 for k in ("alpha", "beta") if pen.flag()}
    return Case(name, tuple(xs), given, tol=4)


def einsum(pen: Pen, name: str) -> Case:
    sizes = dict(zip("abcd", (pen.int(1, 3) for _ in range(4))))
    terms = ["".join(pen.draw_letters(0, 3)) for _ in range(pen.int(1, 3))]
    present = sorted(set("".join(terms)))
    out = [c for c in present if pen.flag()]
    dtype = pen.dtype((*EXACT, "int64", *COMPLEX))
    xs = [pen.operand(tuple(sizes[c] for c in term), (dtype,), special=False) for term in terms]
    text = ",".join(terms) + (f"->{''.join(out)}" if pen.often() else "")
    return Case(name, (text, *xs), tol=8)


def tensordot(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(1, 3, least=1), EXACT, special=False)
    n = pen.int(0, x.values.ndim)
    tail = pen.shape(0, 2, least=1)
    y = pen.operand((*x.values.shape[x.values.ndim - n :], *tail), (x.dtype,), special=False)
    dims: Any = n if pen.flag() else (list(range(x.values.ndim - n, x.values.ndim)), list(range(n)))
    return Case(name, (x, y), {"dims": dims}, tol=8)


def conv(pen: Pen, name: str) -> Case:
    rank = int(name[-2])
    groups, per, out = pen.int(1, 2), pen.int(1, 2), pen.int(1, 2)
    dtype = pen.dtype(EXACT)
    kernel = tuple(pen.int(1, 3) for _ in range(rank))
    size = tuple(pen.int(3, 6) for _ in range(rank))
    batch = (pen.int(1, 2),) if pen.often() else ()
    x = pen.operand((*batch, groups * per, *size), (dtype,), special=False)
    transposed = "transpose" in name
    w = pen.operand((groups * per, out, *kernel) if transposed else (groups * out, per, *kernel), (dtype,), special=False)
    stride = tuple(pen.int(1, 3) for _ in range(rank))
    given: dict[str, Any] = {"stride": stride if pen.flag() else stride[0], "groups": groups, "dilation": pen.int(1, 2)}
    given["padding"] = tuple(pen.int(0, 1 if transposed else 2) for _ in range(rank))
    if transposed and pen.flag():
        given["output_padding"] = pen.int(0, 1)
    if not transposed and pen.int(0, 3) == 0:
        given |= {"padding": pen.pick(("same", "valid")), "stride": 1}
    if pen.flag():
        given["bias"] = pen.operand((groups * out,), (dtype,), special=False)
    return Case(name, (x, w), given, tol=8)


def pool(pen: Pen, name: str) -> Case:
    rank = int(name[-2])
    x = image(pen, rank, distinct="max" in name)
    kernel = tuple(pen.int(1, 3) for _ in range(rank))
    given: dict[str, Any] = {"kernel_size": kernel, "padding": tuple(pen.int(0, k // 2) for k in kernel), "ceil_mode": pen.flag()}
    if pen.flag():
        given["stride"] = pen.int(1, 3)
    if "max" in name:
        wide = pen.int(1, 2)  # every window holds an element: torch's derivative of an empty one writes anywhere
        given |= {"dilation": wide, "return_indices": pen.flag()} | ({"padding": 0} if wide > 1 else {})
    elif "avg" in name and rank > 1:
        given |= {"count_include_pad": pen.flag()} | ({"divisor_override": pen.int(1, 4)} if pen.flag() else {})
    elif "avg" in name:
        given["count_include_pad"] = pen.flag()
    else:
        del given["padding"]
        given |= {"norm_type": pen.pick((1.0, 2.0, 3.0)), "kernel_size": kernel if rank > 1 else kernel[0]}
    return Case(name, (x,), given, tol=8)


def image(pen: Pen, rank: int, *, distinct: bool = False, among: Any = EXACT, least: int = 1) -> Operand:
    batch = (pen.int(1, 2), pen.int(1, 3)) if pen.often() or rank == 0 else (pen.int(1, 3),)
    return pen.operand((*batch, *(pen.int(least, 5) for _ in range(rank))), among, special=False, distinct=distinct)


def adaptive(pen: Pen, name: str) -> Case:
    rank = int(name[-2])
    size = tuple(pen.int(1, 4) for _ in range(rank))
    return Case(name, (image(pen, rank, distinct="max" in name), size if pen.flag() or rank > 1 else size[0]), tol=4)


def pad(pen: Pen, name: str) -> Case:
    rank = pen.int(1, 3)
    x = image(pen, rank)
    sizes = x.values.shape[::-1]  # nothing is cut whole: which axes torch checks depends on how many there are
    pads = tuple(pen.int(-1 if sizes[k // 2] > 2 else 0, 3) for k in range(2 * rank))
    return Case("nn.functional.pad", (x, pads), {"mode": pen.pick(("reflect", "replicate", "circular"))})


def interpolate(pen: Pen, name: str) -> Case:
    mode, rank = pen.pick((("nearest", 1), ("nearest", 2), ("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3), ("nearest-exact", 2), ("area", 2)))
    x = image(pen, rank, least=2)
    if x.values.ndim < rank + 2:
        x = x._replace(values=x.values[None])
    given: dict[str, Any] = {"mode": mode}
    if pen.flag():
        given["size"] = tuple(pen.int(1, 6) for _ in range(rank))
    else:
        given["scale_factor"] = pen.pick((0.5, 1.5, 2.0, 2, 0.75))
        if pen.flag() and mode != "area":
            given["recompute_scale_factor"] = pen.flag()
    if "linear" in mode or "cubic" in mode:
        given["align_corners"] = pen.flag()
    return Case("nn.functional.interpolate", (x,), given, tol=20)


def norm(pen: Pen, name: str) -> Case:
    kind = name.rsplit(".")[-1]
    groups = pen.int(1, 2)
    shape = (pen.int(2, 3), groups * pen.int(1, 2), *(pen.int(2, 4) for _ in range(pen.int(0 if kind == "batch_norm" else 1, 2))))
    x = pen.operand(shape, EXACT, special=False, distinct=True)
    size = shape[-pen.int(1, len(shape) - 1) :] if kind in ("layer_norm", "rms_norm") else shape[1:2]
    given: dict[str, Any] = {"eps": 1e-3}
    if pen.flag():
        given["weight"] = pen.operand(size, (x.dtype,), special=False)
        if kind != "rms_norm":
            given["bias"] = pen.operand(size, (x.dtype,), special=False)
    if kind == "group_norm":
        return Case(name, (x, groups), given, tol=40)
    if kind in ("layer_norm", "rms_norm"):
        return Case(name, (x, size), given, tol=40)
    statistics = [pen.operand(size, (x.dtype,), special=False, low=0.5, plain=True) for _ in range(2)]
    return Case(name, (x, *(statistics if pen.flag() or kind == "batch_norm" else (None, None))), {**given, ("training" if kind == "batch_norm" else "use_input_stats"): True}, tol=40)


def loss(pen: Pen, name: str) -> Case:
    kind = name.rsplit(".")[-1]
    x = pen.operand(pen.shape(1, 3), EXACT, special=False, low=0.05, high=0.95 if kind == "binary_cross_entropy" else 3)
    y = pen.operand(x.values.shape, (x.dtype,), special=False, low=0.05, high=0.95)
    given: dict[str, Any] = {"reduction": pen.pick(REDUCE)}
    if kind == "smooth_l1_loss" and pen.flag():
        given["beta"] = pen.pick((0.0, 0.5, 2.0))
    if kind == "huber_loss" and pen.flag():
        given["delta"] = pen.pick((0.5, 2.0))
    if kind == "kl_div":
        given["log_target"] = pen.flag()
    if kind.startswith("binary") and pen.flag():
        given["weight"] = pen.operand(pen.partner(x.values.shape)[-x.values.ndim or None :], (x.dtype,), special=False, low=0.1)
    return Case(name, (x, y), given, tol=8)


def classes(pen: Pen, name: str) -> Case:
    n, c = pen.int(1, 3), pen.int(1, 4)
    spatial = pen.shape(0, 2, least=1)
    x = pen.operand((n, c, *spatial), EXACT, special=False)
    target = pen.operand((n, *spatial), ("int64",), low=0, high=c - 1, special=False)
    if target.dtype == "int64":
        target = target._replace(values=target.values % c)
    given: dict[str, Any] = {"reduction": pen.pick(REDUCE)}
    if pen.flag():
        given["weight"] = pen.operand((c,), (x.dtype,), special=False, low=0.25)
    if pen.flag():
        given["ignore_index"] = pen.int(-1, c - 1)
    if name.endswith("cross_entropy") and pen.flag():
        given["label_smoothing"] = 0.25
    return Case(name, (x, target), given, tol=8)


def linear(pen: Pen, name: str) -> Case:
    dtype = pen.dtype((*FLOATS, *COMPLEX))
    k, m = pen.int(1, 4), pen.int(1, 4)
    xs = [pen.operand(s, (dtype,), special=False) for s in ((*pen.shape(0, 2), k), (m, k), (m,))]
    return Case(name, tuple(xs[: pen.int(2, 3)]), tol=4)


def folded(pen: Pen, name: str) -> Case:
    x = pen.operand((pen.int(1, 2), pen.int(1, 2), pen.int(3, 5), pen.int(3, 5)), EXACT, special=False)
    return Case(name, (x, (pen.int(1, 2), pen.int(1, 2))), {"dilation": pen.int(1, 2), "padding": pen.int(0, 1), "stride": pen.int(1, 2)}, tol=4)


F = "nn.functional."
WINDOWS: dict[str, Any] = {
    "matmul": matmul,
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "outer", "kron", "inner", "vdot"), sized),
    **dict.fromkeys(("addmm", "baddbmm", "addmv", "addbmm", "addr"), added),
    "einsum": einsum, "tensordot": tensordot,
    **{f"{F}{n}": conv for n in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d")},
    **{f"{F}{n}": pool for n in ("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "lp_pool1d", "lp_pool2d")},
    **{f"{F}adaptive_{k}_pool{r}d": adaptive for k in ("avg", "max") for r in (1, 2, 3)},
    "pad modes": pad, "interpolate": interpolate, f"{F}linear": linear, f"{F}unfold": folded,
    **{f"{F}{n}": norm for n in ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")},
    **{f"{F}{n}": loss for n in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "binary_cross_entropy",
                                 "binary_cross_entropy_with_logits", "soft_margin_loss", "poisson_nll_loss")},
    **{f"{F}{n}": classes for n in ("cross_entropy", "nll_loss")},
}  # fmt: skip
