"""JSON read piece by piece gives what the library gives that reads it whole."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.sources import _json_stream
from luthier.data.sources._json_stream import JsonStream, NotJsonError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    rows=st.lists(JSON, max_size=8),
    other=JSON,
    indent=st.sampled_from([None, 1]),
    chunk=st.integers(1, 9),
)
@settings(deadline=None, max_examples=100)
def test_pieces_of_any_size(
    rows: list[object], other: object, indent: int | None, chunk: int
) -> None:
    text = json.dumps({"before": other, "rows": rows, "after": other}, indent=indent)
    before = _json_stream.CHUNK_CHARS
    _json_stream.CHUNK_CHARS = chunk
    try:
        stream, found = JsonStream(io.StringIO(text)), []
        for key in stream.pairs():
            if key == "rows":
                found = [stream.value() for _ in stream.items()]
            else:
                stream.skip()
        stream.end()
    finally:
        _json_stream.CHUNK_CHARS = before
    assert found == rows


class _Endless(io.StringIO):
    """A list without end; remembers how much of it was asked for."""

    asked = 0

    def read(self, size: int | None = -1, /) -> str:
        assert size is not None
        assert size > 0
        self.asked += size
        return ("[" if self.asked == size else "") + '{"text": "abc"},' * (size // 16)


def test_only_a_part_is_held() -> None:
    file = _Endless()
    stream = JsonStream(file)
    items = stream.items()
    for _ in range(20_000):
        next(items)
        assert stream.value() == {"text": "abc"}
        assert len(stream._held) <= 2 * _json_stream.CHUNK_CHARS
    assert file.asked < 20_000 * 16 + 3 * _json_stream.CHUNK_CHARS


@pytest.mark.parametrize(
    ("text", "line"), [("[1,\n\n2 3]", 3), ('[\n{"a": tru}]', 2), ("[\n\n", 3), ("[1,\n]", 2)]
)
def test_errors_name_the_line(text: str, line: int) -> None:
    stream = JsonStream(io.StringIO(text))
    with pytest.raises(NotJsonError) as caught:
        for _ in stream.items():
            stream.value()
    assert caught.value.line == line


def test_an_error_far_from_the_end_is_not_read_past() -> None:
    file = _Endless()
    stream = JsonStream(file)
    items = stream.items()
    next(items)
    stream._held = stream._held.replace('{"text": "abc"}', '{"text": oops}')
    with pytest.raises(NotJsonError):
        stream.value()
    assert file.asked == _json_stream.CHUNK_CHARS
