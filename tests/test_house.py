"""The house: small files, closed doors, no class that calls its subclasses."""

import ast
import importlib
import inspect
import textwrap
from pathlib import Path

import pytest

import skact

pytestmark = pytest.mark.once

ROOT = Path(skact.__file__).parent
FILES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path
    for path in sorted(ROOT.rglob("*.py"))
}
# where private names of a dependency may stand: one file for each
SEAMS = {"skact._sklearn", "skact._torch", "skact._skorch"}


def attributes(tree):
    return (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def is_self(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def names_set_in(kind):
    """Names that a class defines: methods, attributes, annotations, self.x = ..."""
    names = {*vars(kind), *vars(kind).get("__annotations__", {})}
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):  # of a class that is built in
        return names
    stores = (node for node in attributes(ast.parse(source)) if is_self(node.value))
    return names | {node.attr for node in stores if isinstance(node.ctx, ast.Store)}


@pytest.mark.parametrize("module", FILES)
def test_a_class_uses_nothing_that_only_its_subclasses_define(module):
    tree = ast.parse(FILES[module].read_text())
    found = importlib.import_module(module.removesuffix(".__init__"))
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        kind = getattr(found, node.name)
        known = set().union(*map(names_set_in, kind.__mro__))
        used = {one.attr for one in attributes(node) if is_self(one.value)}
        used = {name for name in used if not name.startswith("__")}
        assert used <= known, f"{module}.{node.name} uses {sorted(used - known)}"


@pytest.mark.parametrize("module", FILES)
def test_private_names_stay_where_they_are(module):
    """No module touches a private name of another's object, or of a dependency."""
    for node in attributes(ast.parse(FILES[module].read_text())):
        private = node.attr.startswith("_") and not node.attr.startswith("__")
        own = is_self(node.value) or ast.unparse(node.value) == "super()"
        of_a_net = module.startswith("skact.nets.") and ast.unparse(node.value) == "net"
        if private and not own and not of_a_net:
            assert module in SEAMS, f"{module}:{node.lineno} {ast.unparse(node)}"


@pytest.mark.parametrize("module", FILES)
def test_only_seams_import_private_names(module):
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and not node.module.startswith("skact"):
            names = [node.module, *(alias.name for alias in node.names)]
            private = [x for name in names for x in name.split(".") if x[0] == "_"]
            private = [x for x in private if not x.startswith("__")]
            assert not private or module in SEAMS, f"{module} imports {private}"


def test_only_one_module_uses_the_protocol_of_joblibs_backends():
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "joblib.parallel":
                assert module == "skact.backend.joblib_backends"


def test_every_module_has_a_test_file_of_its_name():
    """Seams share tests/test_seams.py."""
    tests = Path(__file__).parent
    for module, path in FILES.items():
        if path.name != "__init__.py" and module not in SEAMS:
            name = f"test_{path.stem.removeprefix('_')}.py"
            folder = tests / path.parent.relative_to(ROOT)
            assert (folder / name).exists(), f"{module} has no {folder / name}"


def test_no_file_and_no_folder_is_too_long():
    lengths = {name: len(path.read_text().split("\n")) for name, path in FILES.items()}
    assert {name: n for name, n in lengths.items() if n > 450} == {}
    folders: dict[str, int] = {}
    for name, n in lengths.items():
        folder = ".".join(name.split(".")[:2])
        folders[folder] = folders.get(folder, 0) + n
    assert {name: n for name, n in folders.items() if n > 4000} == {}


def test_every_folder_says_what_it_is_for():
    folders = {path.parent for path in FILES.values()}
    assert len(folders) == 14  # skact itself, and thirteen folders
    for folder in folders:
        tree = ast.parse((folder / "__init__.py").read_text())
        assert ast.get_docstring(tree)
        if folder != ROOT:
            assert len(tree.body) == 1  # nothing but the docstring
