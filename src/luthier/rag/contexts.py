"""Training conversations shown with context passages, in the form retrieval will use.

A model tuned only on bare questions has never seen a context. Here a share of the conversations
get one: the passage their answer stands in, among neighbours of its document, in random order, so
that the model learns to find the answer rather than to copy the first passage.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Callable, Sequence

from luthier.core.records import Document, Example, Passage
from luthier.rag.augment import augment
from luthier.rag.passages import Offsets, cut

NEIGHBOURS = 8  # distractors come from so many documents before and behind


def with_passages(
    examples: Sequence[Example],
    documents: Sequence[Document],
    *,
    share: float,
    most: int,
    budget_tokens: int,
    count_tokens: Callable[[str], int],
    token_offsets: Callable[[str], Offsets],
    chunk_size: int,
    chunk_overlap: int,
    seed: int,
) -> list[Example]:
    """Give a share of the examples a context.

    Args:
        examples: Of the training and validation sides.
        documents: All documents, in the order in which neighbours resemble each other.
        share: Of the examples, 0 to 1; which ones is decided by a hash of their ids.
        most: Passages in a context, at most.
        budget_tokens: See ``augment``.
        count_tokens: How the model counts.
        token_offsets: How passages are measured (the encoder's).
        chunk_size: As in the index.
        chunk_overlap: As in the index.
        seed: Of shares, distractors and order.

    Returns:
        All examples, in their order; those without a document are as they came.
    """
    places = {d.id: i for i, d in enumerate(documents)}
    passages: dict[str, list[Passage]] = {}

    def cut_one(document: Document) -> list[Passage]:
        if document.id not in passages:
            passages[document.id] = cut(
                document, token_offsets, size=chunk_size, overlap=chunk_overlap
            )
        return passages[document.id]

    done = []
    for example in examples:
        choice = _random(seed, example.id)
        place = places.get(example.document_id)
        if place is None or choice.random() >= share:
            done.append(example)
            continue
        gold = _holding(cut_one(documents[place]), example.answer)
        low, high = max(0, place - NEIGHBOURS), place + NEIGHBOURS + 1
        near = [d for d in documents[low:high] if d.id != example.document_id]
        picked = choice.sample(near, min(len(near), choice.randrange(most)))
        shown = [gold, *(cut_one(d)[0] for d in picked)]
        fitting = augment(
            example.prompt, shown, budget_tokens=budget_tokens, count_tokens=count_tokens
        )[1]
        mixed = list(fitting)
        choice.shuffle(mixed)
        prompt, _ = augment(
            example.prompt, mixed, budget_tokens=budget_tokens, count_tokens=count_tokens
        )
        done.append(dataclasses.replace(example, messages=(*prompt, example.messages[-1])))
    return done


def _holding(passages: Sequence[Passage], answer: str) -> Passage:
    """The passage that holds the answer word for word, else the first."""
    wanted = " ".join(answer.split())
    return next((p for p in passages if wanted in " ".join(p.text.split())), passages[0])


def _random(seed: int, name: str) -> random.Random:
    return random.Random(hashlib.sha256(f"{seed}:{name}".encode()).digest())
