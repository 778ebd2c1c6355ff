"""inspect: the report's parts on graphs, on users' functions, and on the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.__main__ import main
from fgrad.backends.numpy.native import able
from fgrad.errors import ArgumentError
from fgrad.inspector import Report, inspect, report
from fgrad.inspector.listing import Labels, amount, diff, listing
from fgrad.ir.graph import Graph, leaf
from fgrad.ir.hash import same
from fgrad.ir.json import from_json
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.types import TensorType
from fgrad.passes.fuse import fuse
from fgrad.passes.pipeline import run as passes
from fgrad.passes.share import share
from fgrad.passes.simplify import simplify_final

X = TensorType((2, 3), "float32")


def sample() -> Graph:
    x = leaf(X)
    y = x * 1.0
    return Graph((x,), (F["reduce_sum"](y * y, axes=(0, 1)), F["reduce_sum"](y * y, axes=(0, 1))))


def test_amounts_have_three_digits_and_a_prefix():
    assert [amount(n, "B") for n in (0, 12, 999, 1000, 123_456, 5e9)] == [
        "0 B",
        "12 B",
        "999 B",
        "1 kB",
        "123 kB",
        "5 GB",
    ]


def test_listing_is_the_text_form_with_costs_and_lines():
    g = sample()
    text = "\n".join(listing(g, Labels().number(g), "sample"))
    assert same(parse_graph(text), g)
    assert "  %2: float32[2,3] = mul(%1, %1)  # 6 FLOP, 72 B; " in text
    assert "test_inspector.py:" in text
    assert ": return Graph((x,), (F[" in text


def test_diff_shows_only_what_a_pass_changed():
    x = leaf(X)
    y = x * 1.0
    g, labels = Graph((x,), (F["reduce_sum"](y * x, axes=(0, 1)),)), Labels()
    once = simplify_final(g)
    assert diff(g, once, labels) == [
        "@@ -1,4 +1,3 @@",
        " graph graph(%0: float32[2,3]) {",
        "-  %1: float32[2,3] = mul(%0, 1.0:float32)",
        "-  %2: float32[2,3] = mul(%1, %0)",
        "+  %2: float32[2,3] = mul(%0, %0)",
        "   %3: float32[] = reduce_sum(%2) {axes=(0, 1)}",
    ]
    assert diff(once, once, labels) == []


def test_a_shared_value_disappears_from_the_listing():
    g = simplify_final(sample())
    removed = [line for line in diff(g, share(g), Labels()) if line.startswith("-")]
    assert len(removed) == 3  # the second product, its sum, the old return


def test_report_has_every_part():
    r = report(sample(), name="sample")
    assert [s.name for s in r.stages][:2] == ["merge_extensions", "simplify_final"]
    assert all(s.seconds >= 0 for s in r.stages)
    assert all(a.after is b.before for a, b in zip(r.stages, r.stages[1:], strict=False))
    assert (r.cost.flops, len(r.cost.nodes)) == (30, 5)
    assert r.plan.peak_bytes >= 8
    assert r.program.startswith("def program(I):")
    assert len(r.final.values()) < len(r.ir.values())
    text = str(r)
    for part in (
        "sample: 5 nodes, 30 FLOP",
        "graph sample(",
        "pass share: ",
        "no change",
        "program: peak ",
        "def program(I):",
    ):
        assert part in text


def test_report_as_json_reads_back():
    r = report(sample(), name="sample")
    data = json.loads(r.to_json())
    assert (data["name"], data["flops"], data["peak_bytes"]) == ("sample", 30, r.plan.peak_bytes)
    assert [n["op"] for n in data["nodes"]] == ["input", "mul", "mul", "reduce_sum", "mul", "reduce_sum"]
    assert data["stages"][0]["nodes_before"] == 5
    for key, graph in (("graph", r.ir), ("final", r.final)):
        assert same(from_json(json.dumps(data[key])), graph)


def test_report_as_dot_is_a_digraph():
    assert report(sample(), name="sample").to_dot().startswith('digraph "sample" {')


def loss(w, x):
    return ((x @ w).relu() ** 2).sum()


def test_inspect_of_a_tensor_function():
    r = inspect(loss)(fgrad.ones(3, 4), fgrad.ones(2, 3))
    assert isinstance(r, Report)
    assert "graph loss(%0: float32[2,3], %1: float32[3,4]) {" in str(r)
    assert "return ((x @ w).relu() ** 2).sum()" in str(r)


def test_inspect_of_jit_and_grad_shows_their_graphs():
    f = fgrad.jit(lambda x: fnp.tanh(x) * 2)
    assert "tanh" in str(fgrad.inspect(f)(np.ones(3, np.float32)))
    g = str(fgrad.inspect(fgrad.grad(lambda x: fnp.sum(fnp.tanh(x))))(fnp.ones(3)))
    assert "tanh" in g


def branchy(x):
    return x * 2 * x if x.sum() > 0 else x


def test_a_function_that_needs_numbers_is_run_and_its_largest_program_shown():
    r = inspect(branchy)(fgrad.ones(3))
    assert "x.sum() > 0" in str(r) or "x * 2 * x" in str(r)


def test_inspect_of_a_training_step_shows_its_program():
    w = fgrad.ones(3, requires_grad=True)
    x = fgrad.ones(3)

    def step():
        y = (w * x).sum()
        y.backward()
        return y.item()

    assert "mul" in str(inspect(step)())


def test_inspect_of_a_function_without_operations_is_an_error():
    def reads(x):
        bool(x)
        return x.tolist()

    with pytest.raises(ArgumentError, match="reads recorded no operation"):
        inspect(reads)(fgrad.tensor(1.0))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(
        "import fgrad as torch\nLIMIT = 3\n\n\ndef f(x, k=2):\n    return (x * k).tanh()\n\n\ndef g(x):\n    return x @ x\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("form", "start"), [("text", "f: 2 nodes"), ("json", "{"), ("dot", 'digraph "f" {'), ("py", "def program(I):")]
)
def test_command_prints_every_format(file, capsys, form, start):
    assert main(["inspect", f"{file}:f", "float32[2,3]", "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.startswith(start)
    if form == "text":
        assert "model.py:6: return (x * k).tanh()" in out


def test_command_passes_numbers_and_numpy_arrays(file, capsys):
    assert main(["inspect", f"{file}:f", "float64[2]", "3", "--format", "py"]) == 0
    assert main(["inspect", f"{file}:g", "float64[2,2]", "--numpy"]) == 0
    assert "dot_general" in capsys.readouterr().out


WRONG = [
    (["nofile.py:f"], "nofile.py: no such file"),
    (["f"], "'f' is not of the form FILE.py:FUNCTION"),
    (["{}:h"], "{} has no function 'h' (it has: f, g)"),
    (["{}:LIMIT"], "{} has no function 'LIMIT' (it has: f, g)"),
    (
        ["{}:f", "float31[2]"],
        "argument 'float31[2]': line 1, column 1: expected a type such as float32[2,3], found float31",
    ),
    (["{}:f", "token"], "argument 'token': expected a tensor type on the cpu"),
    (["{}:f", "float32[2]@cuda:0"], "argument 'float32[2]@cuda:0': expected a tensor type on the cpu"),
    (["{}:f"], "{}:f: TypeError: f() missing 1 required positional argument: 'x'"),
    (["{}:g", "float32[2,3]"], None),
    (["{}:f", "--shapes", "float31[2]"], None),
    (["{}:f", "--args", "much"], None),
    (["{}:f", "--shapes", "float32[2]", "--pass", "sharing"], None),
]


@pytest.mark.parametrize(("args", "message"), WRONG, ids=[str(a) for a, _ in WRONG])
def test_command_errors_are_one_line_and_exit_code_2(file, capsys, args, message):
    assert main(["inspect", *[a.format(file) for a in args]]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    if message is not None:
        assert err == f"fgrad inspect: {message.format(file)}\n"


MODELS = """
import fgrad as torch
from fgrad import nn, numpy as jnp


class Net(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.layer = nn.Linear(4, width)

    def forward(self, x):
        return self.layer(x).relu()


class Needy(Net):
    def __init__(self, width):
        super().__init__(width)


net = Net(6)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)


def train():
    optimizer.zero_grad()
    loss = net(torch.ones(2, 4)).sum()
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.jit
def step(w, x, rate):
    value, grad = torch.value_and_grad(lambda w: jnp.sum((x @ w) ** 2))(w)
    return w - rate * grad, value
"""


@pytest.fixture
def models(tmp_path):
    path = tmp_path / "models.py"
    path.write_text(MODELS)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["{}:Net", "--shapes", "float32[3,4]"], ["float32[3,5]", "dot_general", "models.py:12"]),
        (["{}:net", "--shapes", "float32[3,4]"], ["float32[3,6]", "dot_general"]),
        (["{}:train"], ["dot_general", "float32[6,4] = sub", "optimizer.step()"]),
        (["{}:step", "--numpy", "--shapes", "float32[4,2]", "float32[3,4]", "--args", "0.5"], ["graph step(", "float32[4,2] = sub"]),
    ],
)
def test_command_shows_modules_eager_steps_and_functional_steps(models, capsys, arguments, parts):
    assert main(["inspect", *[a.format(models) for a in arguments]]) == 0
    out = capsys.readouterr().out
    for part in parts:
        assert part in out


def test_command_asks_for_an_instance_of_a_class_with_arguments(models, capsys):
    assert main(["inspect", f"{models}:Needy", "--shapes", "float32[3,4]"]) == 2
    assert capsys.readouterr().err.endswith("'width'; name an instance instead\n")


def test_command_shows_one_pass(file, capsys):
    assert main(["inspect", f"{file}:f", "--shapes", "float32[2,3]", "--args", "1", "--pass", "simplify_final"]) == 0
    out = capsys.readouterr().out
    assert out.count("pass simplify_final: ") == 2
    assert out.startswith("pass simplify_final: ")
    assert "pass share" not in out
    first = out.split("pass simplify_final: ")[1]
    before, after = first.split("after: ")
    assert "before: 2 nodes" in before
    assert "mul(%0, 1" in before
    assert after.startswith("1 nodes")
    assert "-  %1: float32[2,3] = mul(%0, 1.0:float32)" in after
    assert "no change" in out


def test_command_shows_every_pass(file, capsys):
    assert main(["inspect", f"{file}:f", "--shapes", "float32[2,3]", "--pass", "all"]) == 0
    out = capsys.readouterr().out
    for name in ("merge_extensions", "simplify_final", "fold_constants", "share", "drop_dead", "fuse_groups"):
        assert f"pass {name}: " in out
    assert main(["inspect", f"{file}:f", "--shapes", "float32[2,3]", "--pass", "share", "--format", "json"]) == 0
    assert {s["name"] for s in json.loads(capsys.readouterr().out)["stages"]} == {"share"}


def test_an_unknown_pass_is_refused_with_the_known_ones(file, capsys):
    assert main(["inspect", f"{file}:f", "--shapes", "float32[2]", "--pass", "sharing"]) == 2
    err = capsys.readouterr().err
    assert "there is no pass 'sharing'" in err
    assert "merge_extensions, simplify_final" in err


def test_without_a_command_help_is_printed(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for word in ("usage: fgrad", "demo", "inspect", "doctor"):
        assert word in err


def test_doctor_says_what_is_installed(capsys, monkeypatch):
    monkeypatch.setenv("FGRAD_CACHE_DIR", "/somewhere/else")
    assert main(["doctor"]) == 0
    out = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert out["numpy"] == np.__version__
    assert "/somewhere/else" in out["kernel"] or "/somewhere/else" in str(out)
    assert "BLAS" in out


def test_command_reports_a_file_that_cannot_be_run(tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text("import nothing_of_this_name\n")
    assert main(["inspect", f"{path}:f"]) == 2
    assert capsys.readouterr().err == (
        f"fgrad inspect: {path} cannot be run: ModuleNotFoundError: No module named 'nothing_of_this_name' ({path}:1)\n"
    )


FAULTY = """
import sys
import fgrad
from fgrad import nn
print("loading")
sys.path.insert(0, "elsewhere")

def boom(x):
    raise ValueError("first\\nsecond")

def leave(x):
    raise SystemExit(7)

def deep(x):
    return deep(x)

def late(x):
    import beside_it
    return beside_it.double(x)

class Bad(nn.Module):
    def __init__(self):
        raise KeyError("no")

class Bare(nn.Module):
    pass
"""


@pytest.fixture
def faulty(tmp_path):
    (tmp_path / "beside_it.py").write_text("def double(x):\n    return x * 2\n")
    path = tmp_path / "faulty.py"
    path.write_text(FAULTY)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}:boom", "float32[2]"], "{}:boom: ValueError: first second ({}:9)"),
        (["{}:leave", "float32[2]"], "{}:leave: SystemExit: 7 ({}:12)"),
        (["{}:deep", "float32[2]"], "{}:deep: RecursionError: maximum recursion depth exceeded ({}:15)"),
        (["{}:Bad", "float32[2]"], "{}:Bad cannot be made: KeyError: 'no' ({}:23)"),
        (["{}:Bare", "float32[2]"], '{}:Bare: NotImplementedError: Module [Bare] is missing the required "forward" function'),
        (["{}:boom", "float32[1000000000000000]"], None),
        (["{}:boom", "float32[99999999999999999999999]"], None),
    ],
)
def test_whatever_the_users_code_raises_is_one_line(faulty, capsys, arguments, message):
    assert main(["inspect", *[a.format(faulty) for a in arguments]]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    loading, line, rest = err.split("\n")
    assert (loading, rest) == ("loading", "")
    assert line.startswith(f"fgrad inspect: {message.replace('{}', faulty)}" if message else "fgrad inspect: argument 'float32[")


def test_what_the_users_file_prints_and_imports_is_its_own(faulty, capsys):
    before = list(sys.path)
    assert main(["inspect", f"{faulty}:late", "float32[2]", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["flops"] == 2
    assert err == "loading\n"
    assert sys.path == before


@pytest.mark.parametrize("text", ["raise SystemExit(5)\n", "raise RuntimeError('a\\nb')\n", "def f(:\n", "\0"])
def test_a_file_that_cannot_be_run_is_one_line(tmp_path, capsys, text):
    path = tmp_path / "broken.py"
    path.write_text(text)
    assert main(["inspect", f"{path}:f"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"fgrad inspect: {path} cannot be run: ")
    assert err.count("\n") == 1


def test_nobody_reads_the_output(file):
    command = [sys.executable, "-m", "fgrad", "inspect", f"{file}:f", "float32[2]"]
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, env={"PYTHONPATH": ":".join(sys.path)}
    )
    os.close(write)
    assert (run.returncode, run.stderr) == (2, b"")


def test_a_capture_is_reported_as_its_largest_program():
    w = fgrad.ones(2, 3)
    with fgrad.capture() as c:
        (w * 2).sum().item()
        w.mul_(w + 1).tanh_().sum().item()
    assert len(c.steps) == 2
    r = report(c, name="step")
    assert r.ir is c.graph
    assert "w.mul_(w + 1).tanh_()" in str(r)
    donated = max(c.steps, key=lambda s: len(s.graph.values())).donated
    assert donated
    assert r.program == report(c.graph, donated=donated).program
    with fgrad.capture() as nothing:
        pass
    with pytest.raises(ArgumentError, match="recorded no operation"):
        report(nothing)


def test_donation_is_seen():
    f = fgrad.jit(lambda w, x: (w * 0.9 + x, fnp.sum(fnp.sin(x)), x * 2), donate_argnums=0)
    r = inspect(f)(fnp.ones(400), fnp.ones(400))
    assert "return [x0, y1, y2]" in r.program  # the first output lies in the first argument
    assert same(r.final, fuse(passes(r.ir), able, frozenset([passes(r.ir).outputs[0]])))
    assert not same(r.final, report(r.ir).final)  # otherwise one group would compute all


def test_nodes_of_nested_graphs_have_costs_and_lines_too():
    r = inspect(lambda xs: fgrad.lax.scan(lambda c, x: (c + x, c), fnp.zeros(4), xs))(fnp.ones((3, 4)))
    listed = "\n".join(listing(r.ir, Labels().number(r.ir)))
    assert re.search(r"\n    %2: float32\[4\] = add\(.+\)  # 4 FLOP, 48 B; .*test_inspector.py:\d+: r = inspect", listed)
    assert same(parse_graph(listed), r.ir)
    assert "#" not in "\n".join(listing(r.ir, Labels().number(r.ir), notes=False))


def test_python_m_fgrad_runs_the_command(file):
    env_path = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "fgrad", "inspect", f"{file}:g", "float32[2,3]"],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": env_path, "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("fgrad inspect: ")
