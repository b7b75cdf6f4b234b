"""The data profile."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message
from luthier.data.profile import SAMPLES, Profile, quantiles


def _example(number: int, kind: str = "fact") -> Example:
    messages = (Message("user", "a b c"), Message("assistant", "x " * (number + 1)))
    identity = f"m.f{number}?summary-1" if kind == "fact" else f"faq.csv:{number}"
    return Example(identity, messages, "o", "g", kind, f"m.f{number}" if kind == "fact" else "",
                   "train" if number % 2 else "test")  # fmt: skip


def _profile(
    documents: list[Document], examples: list[Example], ledger: Ledger | None = None
) -> dict[str, Any]:
    found = Profile()
    for document in documents:
        found.add_document(document)
    for example in examples:
        found.add_example(example)
    told: dict[str, Any] = json.loads(json.dumps(found.told(ledger or Ledger())))
    return told


def test_profile_counts() -> None:
    ledger = Ledger()
    ledger.refuse("empty answer", "f:1")
    documents = [
        Document("m.f", "m.f", "one two", "m.py:1", "function", "m.f", {"package": "m"}),
        Document("faq.csv:2", "T", "one", "faq.csv:2", "row", "g"),
    ]
    examples = [*map(_example, range(20)), _example(20, "billing")]
    told = _profile(documents, examples, ledger)
    assert told["documents"]["kinds"] == {"function": 1, "row": 1}
    assert told["documents"]["parts"] == {"m": 1, "faq.csv": 1}
    assert told["documents"]["packages"] == {"m": 1}
    assert told["examples"]["kinds"] == {"fact": 20, "billing": 1}
    assert told["examples"]["questions"] == {"summary": 20}
    assert told["examples"]["sides"]["train"] == {"billing": 0, "fact": 10}
    assert told["examples"]["answer_words"]["max"] == 21
    assert len(told["samples"]) == SAMPLES
    assert told["refused"] == {"empty answer": 1}


def test_samples_stay_when_rows_are_added() -> None:
    few = _profile([], [_example(n) for n in range(30)])["samples"]
    many = _profile([], [_example(n) for n in range(60)])["samples"]
    assert len({s["id"] for s in many}) == SAMPLES
    kept = {s["id"] for s in many} & {f"m.f{n}?summary-1" for n in range(30)}
    assert kept <= {s["id"] for s in few}


def test_quantiles() -> None:
    assert quantiles([]) == {}
    assert quantiles(range(101)) == {"min": 0, "p05": 5, "p50": 50, "p95": 95, "max": 100}


def test_samples_are_those_with_the_least_hashes_whatever_their_order() -> None:
    examples = [_example(n) for n in range(50)]
    least = sorted(examples, key=lambda e: hashlib.sha256(e.id.encode()).digest())[:SAMPLES]
    for given in (examples, examples[::-1]):
        assert [s["id"] for s in _profile([], given)["samples"]] == [e.id for e in least]


def test_an_id_without_a_question_mark_is_no_kind_of_question() -> None:
    messages = (Message("user", "q"), Message("assistant", "a"))
    example = Example("56be4db0acb8001400a502ec", messages, "o", "g", "row", "doc", "train")
    assert _profile([], [example])["examples"]["questions"] == {}


def test_who_may_see_what_is_counted() -> None:
    plain = Document("a", "A", "one", "a:1", "row", "g")
    documents = [
        plain,
        dataclasses.replace(plain, access=("hr", "everyone")),
        dataclasses.replace(plain, access=("hr",)),
        dataclasses.replace(plain, access=()),
        dataclasses.replace(plain, access=()),
    ]
    told = _profile(documents, [_example(0), dataclasses.replace(_example(1), closed=True)])
    assert told["documents"]["seen_by"] == {"everyone": 2, "nobody": 2, "those named": 1}
    assert told["examples"]["closed"] == 1


def test_metadata_of_a_users_own_makes_no_package() -> None:
    document = Document("a.csv:2", "A", "one", "a.csv:2", "row", "g", {"team": "tea"})
    assert _profile([document], [])["documents"]["parts"] == {"a.csv": 1}
