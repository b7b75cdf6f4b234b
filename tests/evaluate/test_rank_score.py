"""Bits are those that torch and nltk find, and no tokenizer can hide what it does not know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import CORPUS, tiny, vocabulary, write
from torch.nn import functional

from luthier.core.errors import ModelError
from luthier.core.progress import Quiet
from luthier.evaluate._rank_score import (
    encode,
    score_counts,
    score_folder,
    score_model,
    score_ngram,
    start_id,
)
from luthier.models.ngram import laid, train

LEARNED = [f"{text} {n}" for n, text in enumerate(CORPUS * 8)]


def words_only() -> Any:
    """A tokenizer of three words; all others are one unknown token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {"[UNK]": 0, "[BOS]": 1, "a": 2, "lute": 3, "sings": 4}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", bos_token="[BOS]")


def test_a_models_nats_are_those_of_plain_cross_entropy() -> None:
    model = tiny()
    texts = [CORPUS[0], CORPUS[3], "x"]
    found = score_model("tiny", model, texts, Quiet())
    for text, nats, tokens in zip(texts, found.nats, found.tokens, strict=True):
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        read = torch.tensor([[model.tokenizer.eos_token_id, *ids]])
        with torch.inference_mode():
            logits = model.network(input_ids=read).logits[0, :-1]
        expected = functional.cross_entropy(logits, read[0, 1:], reduction="sum")
        assert nats == pytest.approx(float(expected), rel=1e-5)
        assert tokens == len(ids)
    weights = sum(p.numel() for p in model.network.parameters())
    assert found.facts["parameters"] == weights
    assert found.facts["memory_bytes"] >= 4 * weights
    assert (found.changed, found.unknown, found.facts["texts_in_windows"]) == (0, 0, 0)


def test_a_long_text_is_read_in_windows_to_its_end() -> None:
    model = tiny()  # a context of 128 tokens
    long = " ".join(CORPUS * 3)
    found = score_model("tiny", model, [long, "short"], Quiet())
    assert found.tokens[0] > 128
    assert (found.facts["texts_in_windows"], found.facts["window_tokens"]) == (1, 128)
    other = score_model("tiny", model, [long + " more", "short"], Quiet())
    assert other.nats[0] > found.nats[0]


def test_a_folder_without_a_chat_template_is_scored_as_one_with_it(tmp_path: Path) -> None:
    folder = write(tiny(), tmp_path / "tiny")
    dressed = score_folder("tiny", folder, [CORPUS[0]], Quiet(), device="cpu")
    (folder / "chat_template.jinja").unlink()
    bare = score_folder("tiny", folder, [CORPUS[0]], Quiet(), device="cpu")
    assert bare.nats.tolist() == dressed.nats.tolist()
    assert bare.facts["precision"] == "float32"
    assert not (folder / "chat_template.jinja").exists()


def test_an_ngram_models_nats_are_nltks() -> None:
    lm = pytest.importorskip("nltk.lm")
    from nltk.util import everygrams

    tokenizer = vocabulary()
    end = tokenizer.eos_token_id
    learned = [f" {text}" for text in CORPUS]
    words = " ".join(CORPUS).split()  # in another order: known tokens, pairs known and unknown
    held = ["".join(f" {words[(i * 7 + n) % len(words)]}" for i in range(20)) for n in range(3)]
    rows = [[str(i) for i in ids] for ids in encode(tokenizer, learned).ids]
    padded = [["<s>", *row, "</s>"] for row in rows]
    theirs = lm.KneserNeyInterpolated(2, discount=0.3)
    theirs.fit([everygrams(row, max_len=2) for row in padded], [t for r in padded for t in r])
    ids, starts = laid([[end, *map(int, row), end] for row in rows])
    model = train(ids, starts, end=end, vocab_size=len(tokenizer), order=2, discount=0.3)
    found = score_counts(model, tokenizer, held)
    for text, nats in zip(held, found.nats, strict=True):
        own = [str(i) for i in tokenizer(text)["input_ids"]]
        pairs = zip(["<s>", *own], own, strict=False)
        bits = -sum(theirs.logscore(word, [before]) for before, word in pairs)
        assert nats / math.log(2) == pytest.approx(bits, rel=1e-9)


def test_an_ngram_model_trains_its_own_vocabulary_and_knows_what_it_learned() -> None:
    found = score_ngram("ngram", 3, LEARNED, [LEARNED[2], "Zebras quibble."], Quiet())
    bits = found.nats / math.log(2) / [len(LEARNED[2].encode()), len(b"Zebras quibble.")]
    assert bits[0] < 1 < 5 < bits[1]
    assert found.facts["order"] == 3
    assert 300 < found.facts["vocab_size"] <= 512
    again = score_ngram("ngram", 3, LEARNED, [LEARNED[2], "Zebras quibble."], Quiet())
    np.testing.assert_array_equal(again.nats, found.nats)


def test_an_ngram_model_needs_something_to_learn() -> None:
    with pytest.raises(ModelError, match="two tokens"):
        score_ngram("ngram", 3, [], ["text"], Quiet())


def test_unknown_signs_are_spelled_out_at_eight_bits_a_byte() -> None:
    found = encode(words_only(), ["a lute sings", "a zither sings naïve"])
    assert found.unknown == 2
    spelled = found.spelled / math.log(2)
    assert spelled.tolist() == pytest.approx([0, 8 * (len("zither") + len("naïve".encode()))])


def test_a_tokenizer_that_changes_texts_is_told_on() -> None:
    from tokenizers import normalizers

    kept = encode(vocabulary(), ["A Lute", "naïve 🎻\n\n  x"])
    assert kept.changed == 0
    tokenizer = vocabulary.__wrapped__()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert encode(tokenizer, ["A Lute", "a lute", ""]).changed == 1


def test_a_text_starts_with_bos_else_with_the_end_token() -> None:
    assert start_id(words_only()) == 1
    assert start_id(vocabulary()) == vocabulary().eos_token_id
    bare = words_only()
    bare.bos_token = None
    with pytest.raises(ModelError, match="neither a BOS nor an EOS"):
        start_id(bare)
