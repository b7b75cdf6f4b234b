"""Every error says what, where and how to mend it, and has its own exit code."""

from __future__ import annotations

from luthier.core import errors
from luthier.core.errors import ConfigError, DataError, LuthierError


def test_what_where_and_mend() -> None:
    assert str(DataError("no such column", where="a.csv:1", mend="Name one of: q, a.")) == (
        "a.csv:1: no such column\n  Name one of: q, a."
    )
    assert str(DataError("nothing")) == "nothing"


def test_a_config_error_shows_all_problems() -> None:
    assert str(ConfigError("2 problems", problems=["a: x", "b: y"])) == "a: x\nb: y"


def test_exit_codes_differ_and_stand_in_the_drawn_tree() -> None:
    kinds = [LuthierError, *LuthierError.__subclasses__()]
    codes = {kind.exit_code for kind in kinds}
    assert len(codes) == len(kinds)
    for kind in kinds:
        assert f"{kind.__name__} ({kind.exit_code})" in (errors.__doc__ or "")
