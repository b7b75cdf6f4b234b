"""Sources of which nothing can be used are named, with the reason and what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Entry
from luthier.core.progress import Quiet
from luthier.data.collect import collect
from luthier.data.sources._unusable import is_unusable, unusable
from luthier.data.sources.csv import CsvSource
from luthier.data.sources.sources import SourceSpec
from luthier.data.sources.text import TextSource
from luthier.data.sources.web import WebSource


def refused(reason: str, origin: str = "https://a.example/", detail: str = "") -> Entry:
    return Entry("refused", reason, origin, detail)


def test_rows_at_fault_are_not_the_sources_fault() -> None:
    assert is_unusable([refused("page not found"), Entry("changed", "wrong charset", "x")])
    assert not is_unusable([refused("page not found"), refused("empty answer")])
    assert not is_unusable([Entry("changed", "wrong charset", "x")])
    assert not is_unusable([])


def test_each_source_its_reasons_and_every_mend_once() -> None:
    error = unusable(
        {
            "data.sources.0": [
                refused("page not found", detail="status 404"),
                refused("no answer", "https://b.example/"),
                refused("page not found", "https://c.example/", "status 410"),
            ],
            "data.sources.2": [refused("page not found", "https://d.example/")],
        }
    )
    assert str(error).splitlines() == [
        "data.sources.0: nothing of this source can be used: 2 x page not found "
        "(https://a.example/: status 404), 1 x no answer (https://b.example/); nor of "
        "data.sources.2: 1 x page not found (https://d.example/)",
        "  Check the address. Check that the server runs, or raise `timeout_s` or `retries`.",
    ]


def collected(folder: Path, *sources: SourceSpec, max_refused: float = 0.5) -> str:
    with pytest.raises(DataError) as caught:
        collect(sources, folder, folder, Quiet(), max_refused=max_refused)
    return str(caught.value)


@pytest.mark.parametrize("max_refused", [0.5, 1.0])
def test_a_private_address_names_the_setting(max_refused: float, tmp_path: Path) -> None:
    page = WebSource(urls=("http://127.0.0.1:9/page.html",))
    said = collected(tmp_path, page, max_refused=max_refused)
    assert said.startswith("data.sources.0: nothing of this source can be used: 1 x private ")
    assert "127.0.0.1:9" in said
    assert "`allow_private: true`" in said


def test_a_broken_pdf_beside_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\nWhy?,So.\n")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    broken, good = TextSource(paths=("a.pdf",)), CsvSource(path="faq.csv")
    said = collected(tmp_path, good, broken, max_refused=0.1)
    assert "data.sources.1: nothing of this source can be used: 1 x file is damaged (a.pdf" in said
    assert "Fetch or save it again." in said
    told = collect((good, broken), tmp_path, tmp_path, Quiet(), max_refused=0.5)
    assert told["reasons"] == {"file is damaged": 1}
