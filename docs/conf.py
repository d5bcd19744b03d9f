"""The documentation site: `make docs` writes it to docs/_build/html."""

import warnings
from pathlib import Path

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

# -- pages
html_theme = "pydata_sphinx_theme"
html_title = "skact"
html_static_path = ["_static"]
html_css_files = ["skact.css"]
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
sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples")],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"__init__\.py",
    "capture_repr": ("_repr_html_", "__str__"),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 60,
    "plot_gallery": "True",
    "matplotlib_animations": False,
    "reference_url": {"skact": None},
    "doc_module": ("skact",),
    "backreferences_dir": "backreferences",
    "abort_on_example_error": True,
}
warnings.filterwarnings("ignore", message="Matplotlib is currently using agg")
