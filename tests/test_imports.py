"""Imports point one way: a module imports only from modules named above it."""

import ast
import subprocess
import sys
from pathlib import Path

import skact

ROOT = Path(skact.__file__).parent

# top to bottom; a module may import from those above it only
LAYERS = [
    "skact.exceptions",
    "skact.statistics",
    "skact.mailbox",
    "skact.threads",
    "skact.generators",
    "skact.gains",
    "skact.activation_modules",
    "skact.activations",
    "skact.specs",
    "skact.grids",
    "skact.mlp",
    "skact.engine.plan",
    "skact.engine.pace",
    "skact.engine.evaluate",
    "skact.engine.layout",
    "skact.engine.layers",
    "skact.engine.foreign",
    "skact.engine.activations",
    "skact.engine.losses",
    "skact.engine.optimizers",
    "skact.engine.batches",
    "skact.engine.stack",
    "skact.engine.train",
    "skact.engine.serves",
    "skact.engine.trainer",
    "skact.engine",
    "skact.report",
    "skact.progress",
    "skact.tasks",
    "skact.session",
    "skact.parallel",
    "skact.backend",
    "skact.data",
    "skact.checks",
    "skact.parameters",
    "skact.skorch_loop",
    "skact.validation",
    "skact.engine_loop",
    "skact.predictions",
    "skact.net",
    "skact.estimators",
    "skact.names",
    "skact.results",
    "skact.histories",
    "skact.fold_validation",
    "skact.monitor",
    "skact.training_log",
    "skact.search_epochs",
    "skact.frames",
    "skact.saving",
    "skact.plotting",
    "skact.catalogue",
    "skact.activation_display",
    "skact.training_display",
    "skact.diagnosis",
    "skact.comparison",
    "skact.comparison_display",
    "skact.columns",
    "skact.curves",
    "skact.pages",
    "skact.views",
    "skact.quick_search",
    "skact.server",
    "skact",
]
# what the picture side and the engine side must not know
FORBIDDEN = {
    **{
        f"skact.{name}": {"torch", "hiplot", "skorch", "skact.net", "skact.estimators"}
        for name in (
            "names",
            "results",
            "histories",
            "training_log",
            "search_epochs",
            "frames",
            "saving",
            "plotting",
            "training_display",
            "diagnosis",
            "comparison",
            "comparison_display",
            "statistics",
            "columns",
            "curves",
            "pages",
        )
    },
    **{
        f"skact.{name}": {"torch", "skorch", "skact.net", "skact.estimators"}
        for name in ("views", "server")
    },
    "skact.engine.plan": {"torch", "sklearn", "skorch", "joblib", "hiplot"},
    **{
        f"skact.engine.{name}": {"sklearn", "skorch", "joblib", "greenlet", "hiplot"}
        for name in (
            "pace",
            "evaluate",
            "layout",
            "layers",
            "foreign",
            "activations",
            "losses",
            "optimizers",
            "batches",
            "stack",
            "serves",
            "train",
            "trainer",
        )
    },
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


FILES = {module_name(path): path for path in ROOT.rglob("*.py")}


def test_every_module_has_its_layer():
    assert set(FILES) == set(LAYERS)


def test_a_module_imports_only_from_layers_above_it():
    for name, path in FILES.items():
        ours = {module for module in imports(path) if module.split(".")[0] == "skact"}
        above = set(LAYERS[: LAYERS.index(name)])
        assert ours <= above, f"{name} imports {sorted(ours - above)}"


def test_layers_know_nothing_of_what_is_not_theirs():
    for name, forbidden in FORBIDDEN.items():
        for module in imports(FILES[name]):
            hits = {
                bad
                for bad in forbidden
                if module == bad or module.startswith(bad + ".")
            }
            assert not hits, f"{name} imports {module}"


def test_only_views_and_the_server_import_hiplot():
    users = {
        name
        for name, path in FILES.items()
        if any("hiplot" in m for m in imports(path))
    }
    assert users == {"skact.views", "skact.server"}


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
