"""Questions made ready: each step alone, all together, and what happens when a tool fails."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scripted import Scripted

from luthier.core.errors import ConfigError, ResourceError
from luthier.core.records import Message
from luthier.rag.queries.feedback import FeedbackSpec
from luthier.rag.queries.fold import FoldModel, FoldRules
from luthier.rag.queries.hypothetical import HypotheticalSpec
from luthier.rag.queries.linear_map import Learned, LinearMap, Vectors
from luthier.rag.queries.phrasings import Paraphrases, Synonyms
from luthier.rag.queries.spelling import Speller, SpellingSpec
from luthier.rag.queries.split import SplitModel, SplitRules
from luthier.rag.query import (
    SHORTHANDS,
    Ask,
    Change,
    Processed,
    QuerySpec,
    Tools,
    lacking,
    process,
)

TOWER = [
    Message("system", "Be kind."),
    Message("user", "Who designed the Eiffel Tower?"),
    Message("assistant", "Engineers of Gustave Eiffel."),
    Message("user", "When was it built?"),
]


def _encode(texts: Sequence[str]) -> Vectors:
    """Texts of an even length lie in one place, those of an odd one in another."""
    return np.array([[1, 0, 0] if len(t) % 2 == 0 else [0, 1, 0] for t in texts], np.float32)


def _texts(done: Processed) -> list[str]:
    return [ask.text for ask in done.asks]


def _map(helps: bool) -> LinearMap:
    turn = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.float32)
    return LinearMap(turn, Learned("d", "ridge", 1.0, 99, 0.4, 0.5, 0.1 if helps else -0.1, 0.2))


def test_by_default_only_normalising_is_done() -> None:
    done = process("  What is\ta ledger? ", QuerySpec())
    assert done.asks == (Ask("What is a ledger?"),)
    assert [c.step for c in done.changes] == ["normalise"]
    assert process("What is a ledger?", QuerySpec()).changes == ()
    assert _texts(process(" raw ", QuerySpec(normalise=False))) == [" raw "]


@pytest.mark.parametrize("nothing", ["", "  ", [], [Message("assistant", "Hello.")]])
def test_nothing_asked_makes_nothing(nothing: Any) -> None:
    assert process(nothing, QuerySpec()) == Processed(())


def test_the_last_user_turn_is_the_question() -> None:
    assert _texts(process([*TOWER, Message("assistant", "?")], QuerySpec())) == [
        "When was it built?"
    ]


def test_steps_run_in_order_and_tell() -> None:
    spec = QuerySpec(simplify=True, fold=FoldRules(), spelling=SpellingSpec(), split=SplitRules())
    turns = [*TOWER[:-1], Message("user", "Please tell me when was it buildt and who paid for it?")]
    done = process(turns, spec, Tools(speller=Speller({"built": 9})))
    assert [c.step for c in done.changes] == ["simplify", "fold", "spelling", "split", "split"]
    assert "'buildt' -> 'built' (in 9 passages)" in [c.what for c in done.changes]
    assert done.asks[0].text.startswith("when was it built and who paid for it (designed Eiffel")
    assert [ask.weight for ask in done.asks] == [1.0, 0.5, 0.5]


def test_a_model_folds_splits_and_rephrases() -> None:
    def says(prompt: str) -> str:
        if "Rewrite" in prompt:
            return "When was the Eiffel Tower built?"
        if "several things" in prompt:
            return "When was the Eiffel Tower begun?\nWhen was the Eiffel Tower ready?"
        return "In which year was the Eiffel Tower erected?"

    spec = QuerySpec(fold=FoldModel(), split=SplitModel(), phrasings=Paraphrases(count=2))
    done = process(TOWER, spec, Tools(model=Scripted(says)))
    assert _texts(done) == [
        "When was the Eiffel Tower built?",
        "When was the Eiffel Tower begun?",
        "When was the Eiffel Tower ready?",
        "In which year was the Eiffel Tower erected?",  # once, though it was said twice
    ]


@pytest.mark.parametrize("failing", [True, False])
def test_a_model_that_fails_or_raves_leaves_the_rules(failing: bool) -> None:
    def says(_: str) -> str:
        if failing:
            raise ResourceError("the endpoint is away")
        return "Bananas! " * 50

    spec = QuerySpec(
        fold=FoldModel(),
        split=SplitModel(),
        phrasings=Paraphrases(count=1),
        hypothetical=HypotheticalSpec(answers=1),
    )
    tools = Tools(model=Scripted(says), encode=_encode)
    done = process(TOWER, spec, tools)
    assert _texts(done) == ["When was it built (designed Eiffel Tower Gustave)?"]
    why = [c.what for c in done.changes if c.step in ("fold", "split", "phrasings")]
    assert sum("since" in what for what in why) == 3
    if failing:
        assert all("the endpoint is away" in what for what in why if "since" in what)
        np.testing.assert_array_equal(done.asks[0].vector, _encode(_texts(done))[0])


def test_synonyms_are_asked_besides(tmp_path: Path) -> None:
    file = tmp_path / "synonyms.txt"
    file.write_text("PTO, paid time off\n")
    spec = QuerySpec(phrasings=Synonyms(file=str(file), weight=0.25))
    done = process("PTO rules", spec)
    assert done.asks == (Ask("PTO rules"), Ask("paid time off rules", 0.25))


def test_made_up_answers_move_the_vector_and_not_the_text() -> None:
    spec = QuerySpec(hypothetical=HypotheticalSpec(answers=2))
    done = process(
        "Who built it?!", spec, Tools(model=Scripted(lambda _: "Built!!"), encode=_encode)
    )
    assert _texts(done) == ["Who built it?!"]
    assert done.changes[0].what == "towards 'Built!!'"
    np.testing.assert_allclose(done.asks[0].vector, np.array([1, 2, 0]) / np.sqrt(5), rtol=1e-6)


def test_a_map_is_used_where_it_helps() -> None:
    spec = QuerySpec(map="maps/faq")
    mapped = process("Who?", spec, Tools(encode=_encode, map=_map(helps=True)))
    np.testing.assert_array_equal(mapped.asks[0].vector, [0, 0, 1])
    unused = process("Who?", spec, Tools(encode=_encode, map=_map(helps=False)))
    np.testing.assert_array_equal(unused.asks[0].vector, [1, 0, 0])
    assert "no gain" in unused.changes[0].what
    off = process("Who?", QuerySpec(), Tools(encode=_encode, map=_map(helps=True)))
    assert off.asks[0].vector is None


def test_feedback_asks_the_viewers_slice_only() -> None:
    asked: list[int] = []

    def nearest(vector: Vectors, count: int) -> Vectors:
        asked.append(count)
        return np.array([[0, 0, 1]], np.float32)

    spec = QuerySpec(feedback=FeedbackSpec(passages=5, alpha=1.0, beta=1.0))
    done = process("Who?", spec, Tools(encode=_encode, nearest=nearest))
    assert asked == [5]
    np.testing.assert_allclose(done.asks[0].vector, np.array([1, 0, 1]) / np.sqrt(2), rtol=1e-6)
    blind = dataclasses.replace(
        Tools(encode=_encode), nearest=lambda *_: np.empty((0, 3), np.float32)
    )
    np.testing.assert_array_equal(process("Who?", spec, blind).asks[0].vector, [1, 0, 0])


def test_spelling_proposes_only_what_the_viewer_may_see() -> None:
    speller = Speller({"merger": 9, "member": 4})
    spec = QuerySpec(spelling=SpellingSpec())
    insider = process("mergr plan", spec, Tools(speller=speller))
    assert _texts(insider) == ["merger plan"]
    outsider = Tools(speller=speller, frequency=lambda word: {"member": 4}.get(word, 0))
    assert _texts(process("mergr plan", spec, outsider)) == ["mergr plan"]


@pytest.mark.parametrize(
    ("told", "step"),
    [
        ({"fold": {"kind": "model"}}, "fold"),
        ({"split": {"kind": "model"}}, "split"),
        ({"phrasings": {"kind": "model"}}, "phrasings"),
        ({"hypothetical": {}}, "hypothetical"),
        ({"feedback": {}}, "feedback"),
        ({"map": "maps"}, "map"),
        ({"spelling": {}}, "spelling"),
    ],
)
def test_a_step_without_its_tool_is_named(told: dict[str, Any], step: str) -> None:
    spec = QuerySpec.model_validate_json(json.dumps(told))
    assert {error.where for error in lacking(spec, Tools())} == {f"rag.query.{step}"}
    with pytest.raises(ConfigError, match="this step needs"):
        process("Who?", spec)


def test_settings_that_cannot_be() -> None:
    for wrong in ({"fold": {"kind": "magic"}}, {"spell": {}}, {"feedback": {"beta": 0}}):
        with pytest.raises(ValidationError):
            QuerySpec.model_validate(wrong)


def test_changes_are_said_in_words() -> None:
    done = process("WHO BUILT THE TOWER?", QuerySpec())
    assert done.changes == (
        Change("normalise", "'WHO BUILT THE TOWER?' -> 'who built the tower?'"),
    )


def test_a_bare_kind_is_enough_in_a_project_file() -> None:
    schema = QuerySpec.model_json_schema()["properties"]
    for name, field in SHORTHANDS.items():
        kinds = schema[name]["anyOf"]
        assert field == "kind"
        assert {"type": "string"} in kinds
        assert {"type": "null"} in kinds
