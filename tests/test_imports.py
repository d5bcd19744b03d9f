"""Folders import one way, also by way of others, and no modules import each other."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import skact

pytestmark = pytest.mark.once

ROOT = Path(skact.__file__).parent

# from below to above: a folder imports only from those before it, and two that share a
# line know nothing of each other
ORDER = [
    {
        *("skact.exceptions", "skact.threads", "skact.global_rng", "skact.naming"),
        *("skact.noise", "skact.interrupts", "skact.thread_choice"),
        *("skact._sklearn", "skact._skorch", "skact._torch"),
    },
    {"skact.lr_schedules"},
    {"skact.activations"},
    {"skact.engine"},
    {"skact.network", "skact.resuming"},
    {"skact.parameters"},
    {"skact.nets", "skact.backend"},
    {"skact.results"},
    {"skact.callbacks"},
    {"skact.analysis"},
    {"skact.visualization"},
    {"skact.quick_search"},
    {"skact.deploying"},
    {"skact"},
]
# what a folder does not load, not even by way of another
NEVER_LOADED = {
    "activations": {"sklearn", "skorch", "joblib", "hiplot"},
    "engine": {"sklearn", "skorch", "joblib", "greenlet", "hiplot", "skact.nets"},
    "resuming": {"sklearn", "skorch", "joblib", "greenlet", "hiplot", "skact.nets"},
    "network": {"sklearn", "skorch", "joblib", "greenlet", "hiplot", "skact.nets"},
    "parameters": {"skact.nets", "skact.backend", "hiplot"},
    "nets": {"skact.backend", "hiplot"},
    "backend": {"skact.nets", "skorch", "hiplot"},
    "results": {"torch", "skorch", "hiplot", "greenlet", "matplotlib"},
    "callbacks": {"hiplot", "matplotlib"},
    "analysis": {"torch", "skorch", "hiplot", "matplotlib"},
    "quick_search": {"onnx", "skl2onnx", "onnxruntime"},
    "deploying": {"matplotlib", "skops", "safetensors"},
    "visualization": {"skact.engine", "skact.nets", "skact.backend", "skorch"},
}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path):
    """All modules imported anywhere in a file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
# module -> the modules of skact that it imports
OURS = {name: set(imports(path)) & set(FILES) - {name} for name, path in FILES.items()}


def place(name):
    """Return where a module stands in ORDER."""
    folder = ".".join(name.split(".")[:2])
    return next(i for i, line in enumerate(ORDER) if folder in line)


def everything_loaded_by(name):
    """All modules of skact that a module imports, also by way of others."""
    found, waiting = set(), [name]
    while waiting:
        new = OURS[waiting.pop()] - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_module_loads_only_what_stands_before_its_folder(name):
    folder = ".".join(name.split(".")[:2])
    for loaded in everything_loaded_by(name) - {"skact"}:
        same = ".".join(loaded.split(".")[:2]) == folder
        assert same or place(loaded) < place(name), f"{name} loads {loaded}"
    # importing skact in skact would load everything
    assert "skact" not in OURS[name]


def test_no_modules_import_each_other():
    tuple(graphlib.TopologicalSorter(OURS).static_order())  # raises at a circle


# folders that one process loads one after the other: a process costs seconds
TOGETHER = [
    ("activations", "network", "engine", "resuming"),
    ("results", "analysis"),
    ("parameters", "nets"),
    *(("backend",), ("callbacks",), ("quick_search",), ("deploying",)),
    ("visualization",),
]


@pytest.mark.parametrize("folders", TOGETHER, ids=" ".join)
def test_a_folder_does_not_load_what_it_need_not_know(folders):
    script = (
        "import sys, types, importlib\n"
        "package = types.ModuleType('skact')\n"  # one that imports nothing by itself
        f"package.__path__ = [{str(ROOT)!r}]\n"
        "sys.modules['skact'] = package\n"
    )
    for folder in folders:
        modules = [name for name in FILES if name.startswith(f"skact.{folder}")]
        script += (
            f"for name in {modules!r}:\n"
            "    importlib.import_module(name)\n"
            f"loaded = {NEVER_LOADED[folder]!r} & set(sys.modules)\n"
            f"assert not loaded, f'{folder} loads {{loaded}}'\n"
        )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_each_folder_that_must_not_load_something_is_tried():
    assert sorted(folder for some in TOGETHER for folder in some) == sorted(
        NEVER_LOADED
    )


def test_only_two_modules_import_hiplot():
    users = {name for name, path in FILES.items() if "hiplot" in set(imports(path))}
    assert users == {
        "skact.visualization.hiplot_experiment",
        "skact.visualization.hiplot_server",
    }


def test_importing_skact_loads_no_onnx_until_something_is_converted():
    script = (
        "import sys, skact\n"
        "skact.ActMLP, skact.search, skact.to_onnx\n"
        "assert not {'onnx', 'skl2onnx', 'onnxruntime'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_importing_skact_draws_nothing_and_sets_nothing():
    script = (
        "import random, numpy, torch, warnings, sklearn\n"
        "state = lambda: (random.getstate(), numpy.random.get_state()[1].tolist(),\n"
        "    torch.get_rng_state().tolist(), torch.get_num_threads(),\n"
        "    sklearn.get_config(), list(warnings.filters), torch.get_default_dtype())\n"
        "import skorch, pandas, joblib, hiplot\n"
        "before = state()\n"
        "import skact\n"
        "assert state() == before\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
