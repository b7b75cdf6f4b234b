"""Settings of retrieval by dotted names."""

from __future__ import annotations

import pytest

from luthier.core.errors import ConfigError
from luthier.core.space import Dimension, probes
from luthier.rag.measuring.settings import applied, default_space, index_names, steps, values
from luthier.rag.rank import RankSpec
from luthier.rag.spec import RagSpec


@pytest.mark.parametrize("retriever", ["hybrid", "bm25", "dense"])
def test_every_value_of_the_default_space_can_be_set(retriever: str) -> None:
    spec = RagSpec.model_validate({"retriever": retriever})
    space = default_space(spec)
    assert set(values(spec, space)) >= set(space)
    for name, dimension in space.items():
        for value in probes(dimension):
            applied(spec, {name: value})
    for switch in steps(spec).values():
        applied(spec, switch.off)
        applied(spec, switch.on)


def test_parts_are_switched_on_and_off() -> None:
    on = applied(RagSpec(), {"query.spelling": True, "query.split": "rules"})
    assert on.query.spelling is not None
    assert on.query.split is not None
    off = applied(on, {"query.spelling": False, "query.split": ""})
    assert off == RagSpec()
    assert values(on, {})["query.split"] == "rules"
    assert values(RagSpec(), {})["query.spelling"] is False


def test_steps_of_the_project_are_switched_and_keep_their_settings() -> None:
    query = {
        "split": {"kind": "rules", "weight": 0.3},
        "phrasings": {"kind": "synonyms", "file": "own.txt"},
        "hypothetical": {"answers": 2},
        "map": "fitted/map",
    }
    spec = RagSpec.model_validate({"query": query})
    switched = steps(spec)
    assert set(switched) >= {"split", "phrasings", "hypothetical", "map"}
    assert "map" not in steps(RagSpec())
    now = values(spec, {})
    assert (now["query.map"], now["query.phrasings"]) == (True, "synonyms")
    for name in ("split", "phrasings", "hypothetical", "map"):
        assert getattr(applied(spec, switched[name].off).query, name) is None
        assert applied(spec, switched[name].on) == spec
    assert applied(spec, now) == spec


def test_the_share_of_a_reranker_may_be_searched_though_it_has_no_value() -> None:
    told = values(RagSpec(), {"ranking.rerank_weight": Dimension(low=0, high=1)})
    assert told["ranking.rerank_weight"] == 0.7


def test_present_values_change_nothing() -> None:
    spec = RagSpec(ranking=RankSpec(title_weight=0.3))
    assert applied(spec, values(spec, default_space(spec))) == spec


def test_names_and_values_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="there is no setting"):
        values(RagSpec(), {"words.k9": Dimension(low=0, high=1)})
    with pytest.raises(ConfigError, match="is a section"):
        values(RagSpec(), {"words": Dimension(choices=("x",))})
    with pytest.raises(ConfigError, match="cannot be"):
        applied(RagSpec(), {"words.b": 7.0})


def test_an_index_is_built_anew_only_for_what_decides_it() -> None:
    space = {"chunker.chunk_size": Dimension(low=64, high=256, integer=True),
             "words.stemmer": Dimension(choices=("none", "english")),
             "words.k1": Dimension(low=1, high=2)}  # fmt: skip
    assert index_names(space) == ["chunker.chunk_size", "words.stemmer"]
