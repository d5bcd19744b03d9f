"""docs/architecture.md is true: its files exist, and X takes the way that it tells."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import skact

pytestmark = pytest.mark.once

ROOT = Path(skact.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()

# Follows X from fit to the engine: prints each call that gets X, or what holds it, with
# the files of the calls around it. In a process of its own, for it watches every call.
FOLLOW = """
import sys
import numpy as np
from skact import ActMLP
from skact.engine.batches import Tables
from skact.engine.jobs import FitJob
from skact.nets.eligibility import FitPlan
from skact.parameters.rows import Rows

X, y = np.random.default_rng(0).normal(size=(100, 4)), np.arange(100) % 2
ActMLP(max_epochs=1).fit(X, y)  # what is loaded at first use is loaded
KINDS = (Rows, FitPlan, FitJob, Tables)
stack, held = [], set()


def carries(value):
    if isinstance(value, KINDS):
        held.add(type(value).__name__)
    several = isinstance(value, (list, tuple)) and len(value) > 0
    return value is X or isinstance(value, KINDS) or (several and carries(value[0]))


def follow(frame, event, result):
    file = frame.f_code.co_filename
    if f"{ROOT}/" not in file:
        return
    call = file.removeprefix(f"{ROOT}/"), frame.f_code.co_qualname
    if event == "call":
        # those of an object that holds X have it, too
        has = any(carries(v) for name, v in frame.f_locals.items() if name != "self")
        inner = "<" in call[1].rpartition(".")[2] or "<locals>" in call[1]
        if has and not inner:
            print("CALL", *call, *[one[0] for one in stack])
        stack.append(call)
    elif event == "return" and stack and stack[-1] == call:
        stack.pop()


net = ActMLP(max_epochs=1)
sys.setprofile(follow)
net.fit(X, y)
sys.setprofile(None)
print("HELD", *held)
"""


def followed():
    script = f"ROOT = {str(ROOT)!r}\n{FOLLOW}"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in run.stdout.splitlines()]
    calls = [line[1:] for line in lines if line[0] == "CALL"]
    (held,) = [line[1:] for line in lines if line[0] == "HELD"]
    return calls, held


def test_x_gets_to_the_engine_without_a_way_back():
    """At most twenty calls until X is a tensor of the engine, in four containers."""
    calls, held = followed()
    names = [name for _, name, *_ in calls]
    way = calls[: names.index("to_tensor") + 1]
    assert names[:3] == ["BaseNet.fit", "BaseNet._fit", "read_inputs"]
    assert any(name.startswith("Stack.") for name in names)
    assert len(way) <= 20, way
    assert len(held) <= 4, held
    for file, name, *files in calls:
        # a call into a file that waits for another one would be a way back
        assert file not in files or files[-1] == file, f"{name} is called back"


def test_every_file_that_the_page_names_exists():
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", PAGE)
    assert len(named) > 30
    known = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")}
    names = {Path(path).name for path in known}
    for path in named:
        tests = (Path(__file__).parents[1] / path).exists()
        assert path in known or tests or ("/" not in path and path in names), path


def test_the_table_of_the_page_lists_the_calls_as_they_are():
    table = PAGE.split("## A fit alone")[1].split("Then `Stack.run_epoch`")[0]
    listed = re.findall(r"^\| \d+ \| `([\w.]+)`", table, flags=re.M)
    calls = [name.removesuffix(".__init__") for _, name, *_ in followed()[0]]
    assert listed == calls[: len(listed)]
    assert listed[-1] == "to_tensor"


def test_every_name_that_the_page_gives_to_code_exists():
    source = "\n".join(path.read_text() for path in ROOT.rglob("*.py"))
    methods = set(re.findall(r"`([A-Z]\w+\.\w+)`", PAGE))
    assert len(methods) > 8
    for kind, name in (method.split(".") for method in methods):
        body = re.search(rf"^class {kind}\b.*?(?=^\S|\Z)", source, flags=re.M | re.S)
        assert body is not None, kind
        assert re.search(rf"def {name}\b", body[0]), f"{kind}.{name}"
    for name in set(re.findall(r"`(_?[A-Z][A-Z_]+)`", PAGE)):
        assert re.search(rf"^(class )?{name}\b", source, flags=re.M), name


def test_every_folder_is_on_the_page():
    for folder in {path.parent.name for path in ROOT.rglob("*.py")} - {"skact"}:
        assert f"`{folder}/`" in PAGE
