"""`fgrad` on the command line: what it prints, and that every mistake is one line and exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fgrad.__main__ import main


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
    assert out.count("pass simplify_final: ") == 3
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


def test_python_m_fgrad_runs_the_command(file):
    env_path = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "fgrad", "inspect", f"{file}:g", "float32[2,3]"],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": env_path, "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("fgrad inspect: ")
