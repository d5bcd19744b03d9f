"""The documentation site: `make docs` writes it to docs/_build/html."""

import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

from sphinx_gallery.sorting import FunctionSortKey

import skact

HERE = Path(__file__).parent

project = "skact"
author = copyright = "the skact developers"
version = release = skact.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "matplotlib.sphinxext.mathmpl",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions

# -- text
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# -- reference: each public name has a page
autosummary_generate = True
autodoc_default_options = {"member-order": "groupwise"}
autodoc_typehints = "none"  # numpydoc's sections say it
numpydoc_show_class_members = False
numpydoc_xref_param_type = False


def setup(app: Any) -> None:
    """Write references of other libraries' docstrings, which lead nowhere, as words."""
    app.connect("autodoc-process-docstring", unlink)


def unlink(app: Any, what: str, name: str, obj: Any, options: Any, lines: list) -> None:
    """Replace ``:ref:`text <label>` `` by its text."""
    lines[:] = [
        re.sub(r":(?:ref|term):`([^`<]+?)(?: <.*?>)?`", r"\1", x) for x in lines
    ]


# -- pages
html_theme = "pydata_sphinx_theme"
html_title = "skact"
html_static_path = ["_static"]
html_css_files = ["skact.css"]
html_search_scorer = str(HERE / "search_scorer.js")
html_sourcelink_suffix = ""
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "icon_links": [
        {
            "name": "Source",
            "url": "https://github.com/skact/skact",
            "icon": "fa-brands fa-github",
        }
    ],
}
html_sidebars = {
    "index": [],
    "getting_started": [],
    "architecture": [],
    "measurements": [],
    "changes": [],
}

# -- gallery: the examples run while the site is built
FILES = Path(tempfile.mkdtemp(prefix="skact-gallery-"))  # what examples write


def arguments_of(gallery_conf: dict, variables: dict) -> list[str]:
    """Return the arguments with which the gallery runs an example that takes some."""
    script = Path(variables["src_file"])
    source = script.read_text()
    given = ["--quick"] if '"--quick"' in source else []
    for name in re.findall(r'"(--page|--figure)", type=Path, default', source):
        end = "html" if name == "--page" else "png"
        given += [name, str(FILES / f"{script.stem}.{end}")]
    return given


ORDER = [  # what most people look for comes first
    *("pipeline", "one_call", "digits_search", "widths", "not_learning", "curves"),
    *("compare_activations", "early_stopping", "resume", "regression"),
    *("learned_activations", "deploy", "mnist_activations"),
]


class InOrder(FunctionSortKey):
    """Sort examples as ORDER names them."""

    def __init__(self, folder: str) -> None:
        super().__init__(self.place_of)

    @staticmethod
    def place_of(file: str) -> tuple[int, str]:
        """Return the place of a file; others come last, by name."""
        name = Path(file).stem
        return (ORDER.index(name) if name in ORDER else len(ORDER)), name


sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples")],
    "gallery_dirs": ["gallery"],
    "filename_pattern": os.environ.get("SKACT_DOCS_RUN", r"\.py$"),  # those run
    "within_subsection_order": InOrder,
    "default_thumb_file": str(HERE / "digits_search.png"),
    "reset_argv": arguments_of,
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 60,
    "reference_url": {"skact": None},
    "doc_module": ("skact",),
    "backreferences_dir": "backreferences",
    "abort_on_example_error": True,
}
warnings.filterwarnings("ignore", message="Matplotlib is currently using agg")
