"""The README's code runs, in order, as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_all_python_blocks_run_one_after_the_other(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", README, flags=re.M | re.S)
    assert len(blocks) >= 2
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks))
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "search.html").stat().st_size > 1_000_000


def test_the_quick_start_has_twenty_lines():
    block = re.search(r"^```python\n(.*?)^```$", README, flags=re.M | re.S)[1]
    assert len(block.strip().splitlines()) <= 20


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_the_commands_named_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def test_every_hyperparameter_is_in_the_table():
    import inspect

    from skact import ActMLP

    table = README.split("## Hyperparameters")[1].split("\n## ")[0]
    for name in inspect.signature(ActMLP).parameters:
        if name != "kwargs":
            assert f"`{name}`" in table, name
