"""Optional libraries: asked for before the work starts, with a line that says how to get them."""

from __future__ import annotations

import importlib.util

from luthier.core.errors import ResourceError


def require(library: str, purpose: str) -> None:
    """Make sure that a library can be imported, without importing it.

    Args:
        library: Its top-level module.
        purpose: What needs it: ``PDF files``.

    Raises:
        ResourceError: It is not installed.
    """
    try:
        found = importlib.util.find_spec(library) is not None
    except ValueError:  # a module without a spec, or one that a test took away
        found = False
    if not found:
        raise ResourceError(
            f"reading {purpose} needs the library {library}", mend="pip install 'luthier[data]'"
        )
