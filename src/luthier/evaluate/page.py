"""A page of sections with plots and tables: one HTML file that needs nothing beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luthier import __version__
from luthier.core.errors import ResourceError
from luthier.core.store import write_atomic


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """One part of a page; each of its pieces may be absent.

    Attributes:
        title: Above it.
        figure: ``data`` and ``layout`` as plotly.js takes them.
        header: Names of the columns of a table.
        rows: Its cells as text.
        left: How many of its columns are words rather than figures, from the left.
        text: Lines below.
        code: To be copied.
    """

    title: str
    figure: dict[str, Any] | None = None
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    left: int = 1
    text: Sequence[str] = ()
    code: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        title: Its name.
        intro: A line below it.
        headline: What was found, the main sentence first.
        sections: Its parts.
    """

    title: str
    intro: str
    headline: Sequence[str]
    sections: Sequence[Section]


def write_page(page: Page, path: Path) -> None:
    """Write a page, whole or not at all.

    Args:
        page: What to show. All text is escaped.
        path: The HTML file.

    Raises:
        ResourceError: jinja2 or plotly is not installed.
    """
    try:
        import jinja2
        import markupsafe
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ResourceError(
            f"the page needs the library '{error.name}'", mend="pip install 'luthier[evaluate]'"
        ) from error
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = {str(i): s.figure for i, s in enumerate(page.sections) if s.figure}
    text = environment.get_template("page.html.j2").render(
        page=page,
        figures=figures,
        version=__version__,
        style=markupsafe.Markup((here / "report.css").read_text(encoding="utf-8")),
        plotly=markupsafe.Markup(get_plotlyjs()) if figures else "",
    )
    write_atomic(path, text)
