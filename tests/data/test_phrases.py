"""Wordings of questions."""

from __future__ import annotations

import typing

import pytest

from luthier.data._facts import Fact, FactKind
from luthier.data._phrases import PHRASES, phrase


def test_every_kind_of_fact_has_wordings() -> None:
    assert set(PHRASES) == set(typing.get_args(FactKind))
    assert all(len(set(forms)) == len(forms) >= 3 for forms in PHRASES.values())


@pytest.mark.parametrize("kind", typing.get_args(FactKind))
@pytest.mark.parametrize("document", ["module", "class", "function", "method", "property"])
def test_wordings_name_their_subject(kind: FactKind, document: str) -> None:
    fact = Fact(kind, "m.f", "answer", "answer", "m.f(detail)")
    asked = {phrase(fact, document, n) for n in range(40)}
    assert all("m.f" in question and "answer" not in question for question in asked)
    assert len({phrase(fact, document, 8 + n) for n in range(3)}) == 3
