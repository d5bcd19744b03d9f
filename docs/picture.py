"""Make the picture of the README from what the demo writes: ``make picture``.

The picture holds the ranking that the demo printed, so that a test can compare them.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

HERE = Path(__file__).parent
PICTURE = HERE / "digits_search.png"
DEMO = HERE.parent / "examples" / "digits_search.py"
SIZE = (1400, 780)


def ranking_of(printed: str) -> list[list[str]]:
    """Return activation, width, lr and score of each row that the demo printed."""
    rows = re.findall(
        r"^ *\d+ +([a-z]\S*) +(\d+) +(0\.\d+) +(0\.\d+) ", printed, flags=re.M
    )
    return [list(row) for row in rows]


def main() -> None:
    """Run the demo, and take a picture of its page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("needs chromium on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        command = [sys.executable, DEMO, "--page", page]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        flags = ["--headless", "--no-sandbox", "--hide-scrollbars"]
        flags += ["--virtual-time-budget=8000", f"--screenshot={shot}"]
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        command = [browser, *flags, size, page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        about = PngInfo()
        about.add_text("ranking", json.dumps(ranking_of(done.stdout)))
        image = Image.open(shot).convert("RGB").quantize(128)
        image.save(PICTURE, pnginfo=about, optimize=True)


if __name__ == "__main__":
    main()
