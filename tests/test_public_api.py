"""What `import skact` offers, and how the package is declared."""

import ast
import tomllib
from pathlib import Path

import skact

ROOT = Path(__file__).parent.parent


def test_all_is_sorted_complete_and_importable():
    stub = ast.parse((Path(skact.__file__).parent / "__init__.pyi").read_text("utf8"))
    imported = [
        alias.name
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    listed = ast.literal_eval(stub.body[-1].value)
    assert set(skact.__all__) == set(imported) == set(listed) == set(dir(skact))
    assert len(skact.__all__) == len(set(skact.__all__))
    for name in skact.__all__:
        assert getattr(skact, name).__module__.startswith("skact.")


def test_the_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert skact.__version__ == version("skact")


def test_the_package_is_typed():
    assert (Path(skact.__file__).parent / "py.typed").exists()


def test_every_runtime_import_is_a_declared_dependency():
    import sys

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {spec.split(">")[0].strip() for spec in project["dependencies"]}
    modules = {"scikit-learn": "sklearn", "lazy-loader": "lazy_loader"}
    declared = {modules.get(name, name) for name in declared}
    used = set()
    for path in (ROOT / "skact").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add((node.module or "").split(".")[0])
    used -= set(sys.stdlib_module_names) | {"skact"}
    optional = {"IPython", "rich", "matplotlib", "safetensors"}  # by hiplot; by extras
    optional |= {"onnx", "skl2onnx"}
    assert used <= declared | optional, used - declared


def test_each_extra_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    optional = {"plot", "notebook", "progress", "dask", "checkpoint", "onnx"}
    assert set(extras) == optional | {"test", "dev"}


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
