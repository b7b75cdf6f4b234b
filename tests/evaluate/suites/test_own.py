"""A line that is no item is named with its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.evaluate.suites.own import read_items

GOOD = '{"id": "a", "kind": "text", "references": ["x"]}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Expecting"),
        ("[1]", "not a JSON object"),
        ('{"id": "a", "kind": "riddle"}', "kind must be one of"),
        ('{"id": "a", "kind": "text", "reference": ["x"]}', "unknown field 'reference'"),
        ('{"id": "a", "kind": "text", "references": "x"}', "must be a list of texts"),
        ('{"id": 1, "kind": "text"}', "id must be text"),
        ('{"id": "a", "kind": "qa", "answerable": 1}', "true or false"),
        ('{"id": "a", "kind": "qa", "messages": [{"role": "me", "content": ""}]}', "a role"),
        ('{"id": "a", "kind": "qa", "messages": [{"said": "x"}]}', "role and content"),
    ],
)
def test_what_is_no_item_is_refused(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "suite.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n", "utf-8")
    with pytest.raises(DataError, match=said) as caught:
        read_items(path)
    assert caught.value.where == f"{path}:3"


def test_options_that_many_items_have_are_held_once(tmp_path: Path) -> None:
    path = tmp_path / "suite.jsonl"
    line = '{"id": "%s", "kind": "choice", "options": ["yes", "no"], "origin": "mine:7"}'
    path.write_text(f"{line % 'a'}\n{line % 'b'}\n", "utf-8")
    first, second = read_items(path)
    assert first.options is second.options
    assert first.origin == "mine:7"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "suite.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_items(path)
