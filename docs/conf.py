"""Sphinx settings: plain Markdown pages (MyST) in the furo theme, built without the network."""

project = "Luthier"
author = "The Luthier authors"
copyright = "The Luthier authors, Apache-2.0"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "Luthier"
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
