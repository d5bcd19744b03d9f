"""What `import skact` offers, and how the package is declared."""

import tomllib
from pathlib import Path

import skact

ROOT = Path(__file__).parent.parent


def test_all_is_sorted_complete_and_importable():
    public = {
        name
        for name, value in vars(skact).items()
        if not name.startswith("_") and type(value).__name__ != "module"
    }
    assert set(skact.__all__) == public
    assert len(skact.__all__) == len(set(skact.__all__))
    for name in skact.__all__:
        assert getattr(skact, name).__module__.startswith("skact.")


def test_the_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert skact.__version__ == version("skact")


def test_the_package_is_typed():
    assert (Path(skact.__file__).parent / "py.typed").exists()


def test_every_runtime_import_is_a_declared_dependency():
    import ast
    import sys

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {spec.split(">")[0].strip() for spec in project["dependencies"]}
    declared = {"sklearn" if name == "scikit-learn" else name for name in declared}
    used = set()
    for path in (ROOT / "skact").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add((node.module or "").split(".")[0])
    used -= set(sys.stdlib_module_names) | {"skact"}
    optional = {"IPython", "rich", "matplotlib"}  # by hiplot; by extras
    assert used <= declared | optional, used - declared


def test_each_extra_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(extras) == {"plot", "notebook", "progress", "dask", "test", "dev"}


def test_the_tested_set_pins_every_declared_package():
    import re

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted.extend(extra)
    names = {re.split(r"[\[><=]", spec)[0].strip() for spec in wanted} - {"skact"}
    assert names <= pinned, names - pinned
