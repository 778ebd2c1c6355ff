"""Programs around `compile`, written once for PyTorch (plain) and fgrad (compiled): training, effects, Python values."""

from __future__ import annotations

from typing import Any

import numpy as np


def tools(torch: Any) -> tuple[Any, Any]:
    """Numbers that are the same everywhere, and a small network of them."""
    nn = torch.nn

    def data(*s, seed=0):
        return torch.tensor(np.random.default_rng(seed).standard_normal(s).astype("float32"))

    def net(bn=True, drop=False):
        layers = (
            [nn.Linear(4, 8)]
            + ([nn.BatchNorm1d(8)] if bn else [])
            + [nn.ReLU()]
            + ([nn.Dropout(0.5)] if drop else [])
            + [nn.Linear(8, 3)]
        )
        m = nn.Sequential(*layers)
        for i, p in enumerate(m.parameters()):
            with torch.no_grad():
                p.copy_(data(*p.shape, seed=i) * 0.3)
        return m

    return data, net


def programs(torch: Any, C: Any) -> dict[str, Any]:  # noqa: C901  # many small programs
    nn, F = torch.nn, torch.nn.functional
    data, net = tools(torch)
    cases: dict[str, Any] = {}

    def case(f):
        return cases.setdefault(f.__name__, f)

    @case
    def bn_stats():
        m = net()
        c = C(m)
        out = [c(data(5, 4, seed=i)).sum().item() for i in range(3)]
        m.eval()
        out.append(c(data(5, 4)).sum().item())
        m.train()
        out.append(c(data(5, 4)).sum().item())
        return out + m[1].running_mean.tolist() + [m[1].num_batches_tracked.item()]

    @case
    def train_outside():
        m = net()
        c = C(m)
        opt = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)
        out = []
        for i in range(4):
            opt.zero_grad()
            l = F.cross_entropy(c(data(6, 4, seed=i)), torch.tensor([0, 1, 2, 0, 1, 2]))
            l.backward()
            opt.step()
            out.append(l.item())
        return out

    def step_case(optf, zero=True, ret=True):
        m = net()
        opt = optf(m.parameters())
        out = []

        @C
        def step(x, y):
            if zero:
                opt.zero_grad()
            l = F.cross_entropy(m(x), y)
            l.backward()
            opt.step()
            return l

        for i in range(5):
            out.append(step(data(6, 4, seed=i), torch.tensor([0, 1, 2, 0, 1, 2])).item())
            if i == 2:
                for g in opt.param_groups:
                    g["lr"] *= 0.1
            if i == 3:
                m.eval()
        return out + [p.grad.sum().item() for p in m.parameters()]

    @case
    def step_inside_sgd():
        return step_case(lambda p: torch.optim.SGD(p, lr=0.1))

    @case
    def step_inside_mom():
        return step_case(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))

    @case
    def backward_inside_no_opt():
        m = net()

        @C
        def f(x):
            m(x).sum().backward()

        out = []
        for i in range(3):
            f(data(5, 4, seed=i))
            out += [p.grad.sum().item() for p in m.parameters()]
        return out

    @case
    def backward_inside_arg():
        x = data(3, 2).requires_grad_()

        @C
        def f(x):
            (x * x).sum().backward()
            return x.grad * 2

        a = f(x)
        b = f(x)
        return [a.tolist(), b.tolist(), x.grad.tolist()]

    @case
    def no_grad_inside():
        w = data(3, 3).requires_grad_()

        @C
        def f(x):
            with torch.no_grad():
                a = x @ w
            return a + x @ w

        f(data(2, 3))
        r = f(data(2, 3))
        r.sum().backward()
        return w.grad.tolist()

    @case
    def no_grad_outside():
        w = data(3, 3).requires_grad_()
        f = C(lambda x: x @ w)
        with torch.no_grad():
            a = f(data(2, 3))
        b = f(data(2, 3))
        with torch.inference_mode():
            c = f(data(2, 3))
        return [a.requires_grad, b.requires_grad, c.requires_grad, b.grad_fn is not None]

    @case
    def no_grad_decorated():
        m = net()

        @torch.no_grad()
        @C
        def f(x):
            return m(x)

        @C
        @torch.no_grad()
        def g(x):
            return m(x)

        return [f(data(4, 4)).requires_grad, g(data(4, 4)).requires_grad, g(data(4, 4)).requires_grad, g(data(4, 4)).sum().item()]

    @case
    def item_inside():
        @C
        def f(x):
            v = x.sum().item()
            return x * v if v > 0 else x - 1

        return [f(data(3)).tolist(), f(-data(3)).tolist(), f(data(3)).tolist()]

    @case
    def branch_inside():
        @C
        def f(x):
            y = x * 2
            if y.sum() > 0:
                return y + 1
            return y - 1

        return [f(data(3)).tolist(), f(-data(3)).tolist(), f(data(3)).tolist()]

    @case
    def print_inside():
        @C
        def f(x):
            print("shape", tuple(x.shape))
            y = x * 2
            print("v", [round(v, 3) for v in y.tolist()])
            return y + 1

        return [f(data(3)).tolist(), f(data(3) + 1).tolist(), f(data(3)).tolist()]

    @case
    def print_plain():
        @C
        def f(x):
            print("hello")
            return x + 1

        return [f(data(3)).tolist(), f(data(3) + 1).tolist()]

    @case
    def list_append():
        log = []

        @C
        def f(x):
            y = x * 2
            log.append(y.sum())
            return y

        for i in range(3):
            f(data(3, seed=i))
        return [v.item() for v in log]

    @case
    def counter_nonlocal():
        n = 0

        @C
        def f(x):
            nonlocal n
            n += 1
            return x * n

        return [f(data(3)).tolist() for i in range(3)] + [n]

    @case
    def dict_state():
        st = {}

        @C
        def f(x):
            st["last"] = x * 2
            st["n"] = st.get("n", 0) + 1
            return x + st["n"]

        r = [f(data(3, seed=i)).tolist() for i in range(3)]
        return [*r, st["last"].tolist(), st["n"]]

    @case
    def attr_state():
        class M(nn.Module):
            def __init__(s):
                super().__init__()
                s.n = 0
                s.l = nn.Linear(2, 2)
                s.l.weight.data.fill_(0.5)
                s.l.bias.data.zero_()

            def forward(s, x):
                s.n += 1
                s.h = s.l(x)
                return s.h * s.n

        m = M()
        c = C(m)
        return [c(data(3, 2, seed=i)).tolist() for i in range(3)] + [m.n, m.h.tolist()]

    @case
    def closure_number():
        class Cfg:
            pass

        cfg = Cfg()
        cfg.s = 2.0
        k = [3.0]
        d = {"a": 1.0}
        s = 1.0

        @C
        def f(x):
            return x * cfg.s * k[0] * d["a"] * s

        out = [f(data(2)).tolist()]
        cfg.s = 3.0
        out.append(f(data(2)).tolist())
        k[0] = 5.0
        out.append(f(data(2)).tolist())
        d["a"] = 7.0
        out.append(f(data(2)).tolist())
        s = 2.0
        out.append(f(data(2)).tolist())
        return out

    @case
    def nested_function():
        mode = {"on": True}

        def helper(x):
            return x + 1 if mode["on"] else x - 1

        @C
        def f(x):
            return helper(x) * 2

        a = f(data(2)).tolist()
        mode["on"] = False
        return [a, f(data(2)).tolist()]

    @case
    def closure_tensor_swap():
        w = data(2)

        @C
        def f(x):
            return x * w

        a = f(data(2)).tolist()
        w = data(2, seed=3)
        b = f(data(2)).tolist()
        w.add_(1)
        return [a, b, f(data(2)).tolist()]

    return cases
