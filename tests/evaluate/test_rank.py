"""Candidates score the same bytes and stand in the order of the bits they need."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from tiny_models import CORPUS, tiny, write
from torch.nn import functional

from luthier.core.errors import ConfigError, ModelError
from luthier.core.progress import Quiet
from luthier.evaluate._rank_texts import Text
from luthier.evaluate.rank import Counted, Weights, candidate, rank

LEARNED = [f"{text} {n}" for n, text in enumerate(CORPUS * 8)]
TEXTS = [
    Text(f"t{n}", f"t{n}", f"{CORPUS[n % 5]} And a {n}.\n" * (1 + 9 * (n % 4))) for n in range(12)
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("models")
    write(tiny("llama"), base / "one")
    write(tiny("gpt2", seed=1), base / "two")
    return base


def test_a_name_says_what_it_stands_for(folders: Path) -> None:
    assert candidate("ngram", folders, None) == Counted("ngram", 4)
    assert candidate("ngram:2", folders, None) == Counted("ngram:2", 2)
    assert candidate("one", folders, None) == Weights("one", folders / "one")
    assert candidate("tuned", folders, folders) == Weights("tuned", folders)
    assert isinstance(candidate("starter", folders, None), Weights)
    one = folders / "one"
    assert candidate("one:bfloat16", folders, None) == Weights("one:bfloat16", one, "bfloat16")
    assert candidate("tuned:4bit", folders, one) == Weights("tuned:4bit", one, quantisation="4bit")


@pytest.mark.parametrize("name", ["ngram:0", "ngram:11", "ngram:", "ngram:x", "ngram:-1"])
def test_an_order_that_is_none_is_refused(name: str) -> None:
    if name == "ngram:":
        assert candidate(name, Path(), None) == Counted("ngram:", 4)
        return
    with pytest.raises(ConfigError, match="from 1 to 10"):
        candidate(name, Path(), None)


def test_a_way_of_holding_weights_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="cannot be held as '3bit'") as caught:
        candidate("starter:3bit", Path(), None)
    assert "4bit" in caught.value.mend


def test_what_is_not_there_is_said_before_anything_is_scored(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing has been tuned"):
        candidate("tuned", tmp_path, None)
    with pytest.raises(ModelError, match="no such model folder"):
        candidate("./nowhere", tmp_path, None)


def test_what_fewer_bits_cost_is_measured_on_the_same_texts(folders: Path) -> None:
    asked = [candidate(n, folders, None) for n in ("one", "one:bfloat16", "one:8bit", "one:4bit")]
    rows = {r["name"]: r for r in rank(TEXTS, asked, Quiet(), resamples=500)["candidates"]}
    whole, four = rows["one"], rows["one:4bit"]
    apart = {name: row["bits_per_byte"]["mean"] for name, row in rows.items()}
    assert len(set(apart.values())) == 4
    assert abs(apart["one:8bit"] - apart["one"]) < abs(apart["one:4bit"] - apart["one"])
    assert four["memory_bytes"] < whole["memory_bytes"]
    assert rows["one:bfloat16"]["memory_bytes"] < 0.6 * whole["memory_bytes"]
    assert [four["precision"], four["quantisation"]] == ["float32", "4bit"]
    assert four["parameters"] == whole["parameters"]


def test_every_candidate_scores_every_byte_once(folders: Path) -> None:
    asked = [candidate(n, folders, None) for n in ("one", "ngram:2", "two", "ngram")]
    found = rank(TEXTS, asked, Quiet(), learned=[*LEARNED, TEXTS[0].text], resamples=500)
    size = sum(len(t.text.encode()) for t in TEXTS)
    assert {row["bytes"] for row in found["candidates"]} == {size} == {found["texts"]["bytes"]}
    bits = [row["bits_per_byte"]["mean"] for row in found["candidates"]]
    assert bits == sorted(bits)
    assert [r["name"] for r in found["candidates"][:2]] in (["ngram", "ngram:2"],)
    words = found["texts"]["words"]
    for row in found["candidates"]:
        nats = row["bits_per_byte"]["mean"] * size * math.log(2)
        assert math.log(row["perplexity_per_token"]) * row["tokens"] == pytest.approx(nats)
        assert math.log(row["perplexity_per_word"]) * words == pytest.approx(nats)
        assert row["tokens_per_word"] == row["tokens"] / words
        assert row["bits_per_byte"]["low"] <= row["bits_per_byte"]["mean"]
    best, *others = found["candidates"]
    assert "against_best" not in best
    assert [r["against_best"]["mean"] for r in others] == pytest.approx(
        [r["bits_per_byte"]["mean"] - bits[0] for r in others]
    )
    assert others[-1]["verdict"] == "worse"
    assert best["texts_learned_too"] == 1
    json.dumps(found, allow_nan=False)


def test_bits_per_byte_of_a_tiny_llama_are_those_of_plain_torch(folders: Path) -> None:
    texts = [t for t in TEXTS if len(t.text) < 150]
    found = rank(texts, [Weights("one", folders / "one")], Quiet())["candidates"][0]
    model, nats, size = tiny("llama"), 0.0, 0
    for text in texts:
        ids = model.tokenizer(text.text, add_special_tokens=False)["input_ids"]
        assert model.tokenizer.decode(ids) == text.text
        read = torch.tensor([[model.tokenizer.eos_token_id, *ids]])
        with torch.inference_mode():
            logits = model.network(input_ids=read).logits[0, :-1]
        nats += float(functional.cross_entropy(logits, read[0, 1:], reduction="sum"))
        size += len(text.text.encode())
    assert found["bits_per_byte"]["mean"] == pytest.approx(nats / math.log(2) / size, rel=1e-5)


def test_learned_texts_are_counted_whole_or_by_a_long_line() -> None:
    line = "eight words of a line tell texts apart"
    texts = [Text("a", "a", "two words"), Text("b", "b", f"new\n{line}\n"), Text("c", "c", "words")]
    learned = [f"{line}\nother words\nand words", " two\nwords"]
    found = rank(texts, [Counted("ngram", 2)], Quiet(), learned=learned)
    assert found["candidates"][0]["texts_learned_too"] == 2


def test_the_same_model_twice_cannot_be_told_apart(folders: Path) -> None:
    same = [Weights("a", folders / "one"), Weights("b", folders / "one")]
    found = rank(TEXTS, same, Quiet(), resamples=200)
    assert found["candidates"][1]["verdict"] == "cannot tell apart"
    assert found["headline"] == "Cannot tell a apart from b."
    few = rank(TEXTS[:3], same, Quiet(), resamples=200)
    assert few["candidates"][1]["verdict"] == "too few texts"
    assert few["candidates"][0]["bits_per_byte"]["low"] is None
    with pytest.raises(ConfigError, match="stands twice"):
        rank(TEXTS, [same[0], same[0]], Quiet())
