"""Programs around `compile`, as in compiled_programs: Modules, hooks, arguments, methods."""

from __future__ import annotations

from typing import Any

import numpy as np
from compiled_programs import tools


def programs(torch: Any, C: Any) -> dict[str, Any]:  # noqa: C901  # many small programs
    nn = torch.nn
    data, net = tools(torch)
    cases: dict[str, Any] = {}

    def case(f):
        return cases.setdefault(f.__name__, f)

    @case
    def param_replace():
        m = net()
        c = C(m)
        a = c(data(5, 4)).sum().item()
        m[0].weight = nn.Parameter(torch.ones(8, 4))
        b = c(data(5, 4)).sum().item()
        m[0] = nn.Linear(4, 8)
        m[0].weight.data.fill_(0.1)
        m[0].bias.data.zero_()
        d = c(data(5, 4)).sum().item()
        m[1].register_buffer("running_mean", torch.ones(8)) if False else setattr(m[1], "running_mean", torch.ones(8))
        c(data(5, 4))
        e = m[1].running_mean.sum().item()
        m[0].requires_grad_(False)
        y = c(data(5, 4))
        y.sum().backward()
        return [a, b, d, e, m[0].weight.grad is None]

    @case
    def hooks():
        m = net()
        c = C(m)
        log = []
        a = c(data(5, 4)).sum().item()
        h = m[0].register_forward_hook(lambda mod, i, o: o * 2)
        b = c(data(5, 4)).sum().item()
        h2 = m.register_forward_pre_hook(lambda mod, i: (i[0] + 1,))
        d = c(data(5, 4)).sum().item()
        h.remove()
        h2.remove()
        e = c(data(5, 4)).sum().item()
        m.register_forward_hook(lambda mod, i, o: log.append(o.sum()))
        c(data(5, 4))
        c(data(5, 4, seed=4))
        g = []
        m[0].register_full_backward_hook(lambda mod, gi, go: g.append(go[0].sum()))
        c(data(5, 4)).sum().backward()
        c(data(5, 4, seed=5)).pow(2).sum().backward()
        return [a, b, d, e] + [v.item() for v in log] + [v.item() for v in g]

    @case
    def dropout_random():
        m = net(drop=True)
        c = C(m)
        torch.manual_seed(0)
        a = c(data(5, 4))
        b = c(data(5, 4))
        torch.manual_seed(0)
        d = c(data(5, 4))
        return [bool((a == d).all()), bool((a == b).all())]

    @case
    def inplace_args():
        @C
        def f(x, out):
            out.copy_(x * 2)
            x.mul_(3)
            return out + x

        x = data(3)
        o = torch.zeros(3)
        r = f(x, o)
        r2 = f(x, o)
        return [x.tolist(), o.tolist(), r.tolist(), r2.tolist()]

    @case
    def inplace_captured():
        b = torch.zeros(3)

        @C
        def f(x):
            b.add_(x)
            b[0] = 1
            return b * 2

        r = [f(data(3)).tolist() for _ in range(3)]
        return [*r, b.tolist()]

    @case
    def return_arg():
        @C
        def f(x):
            return x, x[0], x.view(-1)

        x = data(2, 2)
        a, b, c = f(x)
        a.add_(1)
        c.mul_(2)
        return [a is x, x.tolist(), b.tolist()]

    @case
    def return_captured():
        w = data(2)

        @C
        def f(x):
            return w

        return [f(data(2)) is w]

    @case
    def nontensor_return():
        class P:
            def __init__(s, v):
                s.v = v

        @C
        def f(x, n=3, *, k="a"):
            return P(x * n), k, {"a": [x, None, "text"]}, torch.float32

        p, k, d, t = f(data(2))
        p2, *_ = f(data(2) + 1)
        return [p.v.tolist(), p2.v.tolist(), k, d["a"][2]]

    @case
    def np_inside():
        @C
        def f(x):
            return torch.from_numpy(np.sin(x.detach().numpy())) + 1

        return [f(data(2)).tolist(), f(data(2) + 1).tolist()]

    @case
    def method():
        class A:
            def __init__(s):
                s.w = data(2)
                s.k = 1.0

            @C
            def f(s, x):
                return x * s.w * s.k

        a = A()
        r = [a.f(data(2)).tolist()]
        a.k = 2.0
        r.append(a.f(data(2)).tolist())
        a.w = data(2, seed=9)
        r.append(a.f(data(2)).tolist())
        b = A()
        b.k = 5.0
        r.append(b.f(data(2)).tolist())
        return r

    @case
    def bound_forward():
        m = net()
        f = C(m.forward)
        a = f(data(5, 4)).sum().item()
        m.eval()
        b = f(data(5, 4)).sum().item()
        m[0].weight = nn.Parameter(torch.ones(8, 4))
        return [a, b, f(data(5, 4)).sum().item()]

    @case
    def model_argument():
        m = net()

        @C
        def f(m, x):
            return m(x)

        a = f(m, data(5, 4)).sum().item()
        m.eval()
        b = f(m, data(5, 4)).sum().item()
        m[0].weight = nn.Parameter(torch.ones(8, 4))
        d = f(m, data(5, 4))
        d.sum().backward()
        return [a, b, d.sum().item(), m[0].weight.grad.sum().item()]

    @case
    def detach_hook():
        g = []

        @C
        def f(x):
            y = x * 2
            y.register_hook(lambda t: g.append(t.sum()))
            return (y * y).sum()

        for i in range(2):
            x = data(2, seed=i).requires_grad_()
            f(x).backward()
        return [v.item() for v in g]

    @case
    def clip():
        m = net()
        opt = torch.optim.Adam(m.parameters())

        @C
        def step(x):
            opt.zero_grad(set_to_none=True)
            l = m(x).pow(2).mean()
            l.backward()
            torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
            opt.step()
            return l.detach()

        return [step(data(5, 4, seed=i)).item() for i in range(4)]

    @case
    def scheduler():
        m = net(False)
        opt = torch.optim.SGD(m.parameters(), lr=0.1)
        sch = torch.optim.lr_scheduler.StepLR(opt, 1, 0.5)

        @C
        def step(x):
            opt.zero_grad()
            l = m(x).pow(2).mean()
            l.backward()
            opt.step()
            return l

        out = []
        for i in range(4):
            out.append(step(data(5, 4, seed=i)).item())
            sch.step()
        return out

    @case
    def opt_step_compiled():
        m = net(False)
        opt = torch.optim.Adam(m.parameters(), lr=0.1)
        s = C(lambda: opt.step())
        out = []
        for i in range(4):
            opt.zero_grad()
            l = m(data(5, 4, seed=i)).pow(2).mean()
            l.backward()
            s()
            out.append(l.item())
            if i == 1:
                opt.param_groups[0]["lr"] = 0.01
        return out

    @case
    def grad_none_check():
        w = data(2).requires_grad_()

        @C
        def f(x):
            if w.grad is None:
                return x * 0
            return x * w.grad

        a = f(data(2)).tolist()
        (w * w).sum().backward()
        b = f(data(2)).tolist()
        w.grad = None
        return [a, b, f(data(2)).tolist()]

    @case
    def autocast_outside():
        m = net(False)
        c = C(m)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            a = c(data(2, 4)).dtype
        return [str(a).split(".")[-1], str(c(data(2, 4)).dtype).split(".")[-1]]

    return cases
