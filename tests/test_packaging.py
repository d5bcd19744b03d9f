"""What one downloads: it installs, it runs, it tests itself, and its files agree."""

import os
import re
import site
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import skact

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(extra=None):
    """What the project needs, or what one of its extras adds, with other extras."""
    names = PROJECT["dependencies"]
    if extra is not None:
        names = PROJECT["optional-dependencies"][extra]
    found = []
    for one in map(Requirement, names):
        inner = [two for name in one.extras for two in declared(name)]
        found += inner if one.name == "skact" else [one]
    return found


def built(target, folder):
    """The archive that hatchling builds of this tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (archive,) = Path(folder).iterdir()
    return archive


def test_make_test_oldest_tries_the_very_versions_that_pyproject_names():
    pinned = {}
    for line in (ROOT / "constraints-oldest.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            pinned[name] = Version(version)
    wanted = declared() + declared("test")
    for one in wanted:
        (lowest,) = (s.version for s in one.specifier if s.operator == ">=")
        assert pinned[one.name] == Version(lowest), one


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git lists what is ours")
def test_the_sdist_holds_the_repository_and_nothing_else(tmp_path):
    """Its own tests read benchmarks, docs, the Makefile and the constraints."""
    # also files that are not committed yet, but none that git ignores
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    ours = set(listed.stdout.decode().splitlines())
    ours = {name for name in ours if (ROOT / name).is_file()} - {".ci/run"}
    with tarfile.open(built("sdist", tmp_path)) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert packed == ours | {"PKG-INFO"}


def test_the_wheel_holds_the_library_and_nothing_else(tmp_path):
    with zipfile.ZipFile(built("wheel", tmp_path)) as archive:
        packed = archive.namelist()
    assert "skact/__init__.py" in packed
    assert {"skact/py.typed", "skact/__init__.pyi"} <= set(packed)
    for name in packed:
        assert name.startswith(("skact/", "skact-")), name
        assert "__pycache__" not in name


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """An environment of its own with the wheel; other packages are those of this one.

    Torch alone is gigabytes, so nothing is downloaded: a .pth file leads to them. The
    line that makes this checkout importable is a .pth file of that folder, which is not
    read there.
    """
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=True, symlinks=os.name != "nt")
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = folder / "env" / scripts / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", where], check=True, capture_output=True)
    packages = [path for path in site.getsitepackages() if Path(path).is_dir()]
    lines = Path(own.stdout.decode().strip()) / "packages.pth"
    lines.write_text("\n".join(packages))
    wheel = built("wheel", folder / "wheel")
    options = ["--quiet", "--no-deps", "--no-index"]
    command = [python, "-m", "pip", "install", *options, "--force-reinstall", wheel]
    subprocess.run(command, check=True, capture_output=True)
    return python


def run(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"MPLBACKEND": "agg"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_wheel_runs_the_quick_start_in_an_environment_of_its_own(fresh, tmp_path):
    readme = (ROOT / "README.md").read_text()
    start = re.search(r"^```python\n(.*?)^```$", readme, flags=re.M | re.S)[1]
    where = "import skact; print(skact.__file__)"
    (tmp_path / "start.py").write_text(f"{start}\n{where}")
    printed = run(fresh, "start.py", cwd=tmp_path)
    assert (tmp_path / "search.html").exists()
    assert str(fresh.parent.parent) in printed.splitlines()[-1]


def test_the_sdist_tests_the_wheel(fresh, tmp_path):
    with tarfile.open(built("sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("skact-*")
    (folder / "skact").rename(folder / "not_this_one")
    files = ["tests/resuming/test_state_bytes.py", "tests/test_naming.py"]
    options = ["-q", "-p", "no:cacheprovider", "-o", "testpaths=tests"]
    printed = run(fresh, "-m", "pytest", *options, *files, cwd=folder)
    assert int(re.search(r"(\d+) passed", printed)[1]) > 50


def targets_of(script):
    """The targets that the lines of a script call, but those for a bare machine."""
    called = re.findall(r"^ *make (.*)", script, flags=re.M)
    words = {word for line in called for word in line.split() if "=" not in word}
    return words - {"clean", "environments"}


def test_the_public_ci_does_what_ours_does():
    """A check that only one of them made would be missed where the other runs."""
    ours = ROOT / ".ci" / "run"
    if not ours.exists():
        pytest.skip("the sdist has no .ci")
    yaml = pytest.importorskip("yaml", reason="needs the extra 'dev'")
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    theirs = targets_of("\n".join(step.get("run", "") for step in steps))
    here = targets_of(ours.read_text())
    assert {"test", "test-oldest"} < here
    # coverage takes twice the time of the tests; there, jobs run side by side
    assert theirs == here | {"coverage"}
    systems = jobs["test"]["strategy"]["matrix"]["os"]
    assert [x.partition("-")[0] for x in systems] == ["ubuntu", "macos", "windows"]
    for step in jobs["test"]["steps"]:  # each system runs all tests
        if "make" in step.get("run", ""):
            assert targets_of(step["run"]) == {"test"}


def test_each_form_can_be_read():
    yaml = pytest.importorskip("yaml", reason="needs the extra 'dev'")
    for form in ("bug_report", "feature_request"):
        text = (ROOT / f".github/ISSUE_TEMPLATE/{form}.yml").read_text()
        fields = yaml.safe_load(text)
        assert fields["name"]
        assert fields["description"]
        ids = [field["id"] for field in fields["body"]]
        assert len(set(ids)) == len(ids) > 0
        assert all(field["attributes"]["label"] for field in fields["body"])
    config = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text())
    for link in config["contact_links"]:
        assert link["url"].startswith("https://")


def test_the_citation_names_the_newest_release():
    yaml = pytest.importorskip("yaml", reason="needs the extra 'dev'")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": PROJECT["authors"][0]["name"]}]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
    changes = (ROOT / "CHANGES.md").read_text()
    newest = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", changes, flags=re.M)
    assert (citation["version"], citation["date-released"]) == newest.groups()
    here, released = Version(skact.__version__), Version(citation["version"])
    assert here == released or (here.is_devrelease and here > released)


def test_the_classifiers_name_the_pythons_that_run_the_tests():
    yaml = pytest.importorskip("yaml", reason="needs the extra 'dev'")
    theirs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    start = "Programming Language :: Python :: 3."
    named = [f"3.{x.removeprefix(start)}" for x in PROJECT["classifiers"] if start in x]
    assert named == theirs["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_each_address_of_the_project_is_safe():
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} == set(
        PROJECT["urls"]
    )
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())
