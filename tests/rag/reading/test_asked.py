"""Questions ask for kinds of things, and texts hold them."""

from __future__ import annotations

import pytest

from luthier.rag.reading.asked import Kind, kind_of, of_kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who made it?", "person"),
        ("In what year was it made?", "time"),
        ("When was it made?", "time"),
        ("How many strings has it?", "count"),
        ("What percentage of makers agree?", "share"),
        ("How much money did it bring?", "money"),
        ("Which city did he live in?", "place"),
        ("Why is it so?", "reason"),
        ("What is it made of?", "thing"),
        ("Wer hat sie gebaut?", "person"),
        ("Wann wurde sie gebaut?", "time"),
        ("Combien de cordes?", "count"),
    ],
)
def test_kinds_of_questions(question: str, kind: Kind) -> None:
    assert kind_of(question) == kind


TEXT = "In May 1716 Antonio Stradivari of Cremona sold 12 violins for $300, or 25% of his stock."


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("time", "May 1716"),
        ("person", "Antonio Stradivari of Cremona"),
        ("place", "Cremona"),
        ("count", "12"),
        ("money", "$300"),
        ("share", "25%"),
        ("thing", "violins"),
    ],
)
def test_stretches_of_a_kind(kind: Kind, wanted: str) -> None:
    found = [TEXT[a:b] for a, b in of_kind(TEXT, kind)]
    assert any(wanted in one for one in found), found


def test_nothing_of_a_kind() -> None:
    assert of_kind("it is so", "time") == []
    assert of_kind("", "thing") == []
