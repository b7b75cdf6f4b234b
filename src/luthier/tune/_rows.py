"""Token rows: conversations and texts as the training loop eats them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import ModelError
from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example
from luthier.models.render import Renderer

DRILL_TOKENS = 160  # of one copy drill
DRILL_SOURCE = 64  # random tokens it begins with


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Token rows laid end to end.

    Attributes:
        ids: int32, all rows' tokens.
        mask: bool, same length: which tokens are learned.
        starts: int64, where each row begins, and a last entry for the end.
        learned_bytes: UTF-8 bytes of text the learned tokens stand for.
        origins: One per row.
    """

    ids: NDArray[np.int32]
    mask: NDArray[np.bool_]
    starts: NDArray[np.int64]
    learned_bytes: int
    origins: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per row."""
        return np.diff(self.starts)

    @property
    def learned_tokens(self) -> int:
        """Tokens with a loss."""
        return int(self.mask.sum())


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    ids: list[int]
    mask: list[bool]
    text_bytes: int
    origin: str


def from_examples(
    examples: Iterable[Example],
    renderer: Renderer,
    *,
    max_length: int,
    learn_all: bool,
    ledger: Ledger,
) -> Rows:
    """Render conversations.

    Args:
        examples: Conversations.
        renderer: The model's.
        max_length: Longer rows are refused with a line in the ledger, never cut.
        learn_all: Loss on every token (pretraining) instead of answers only.
        ledger: Where refusals go, also of what the chat template cannot render.
    """
    rows = []
    for example in examples:
        try:
            rendered = renderer.render(example.messages)
        except ModelError as error:
            ledger.refuse(error.what, example.origin, error.mend)
            continue
        if len(rendered.ids) > max_length:
            detail = f"{len(rendered.ids)} tokens"
            ledger.refuse(f"longer than max_length {max_length}", example.origin, detail)
        elif not any(rendered.mask):
            ledger.refuse("nothing to learn: every token is masked", example.origin)
        else:
            mask = [True] * len(rendered.ids) if learn_all else rendered.mask
            mask[0] = False  # nothing stands before it to predict it from
            texts = [m.content for m in example.messages if learn_all or m.role == "assistant"]
            rows.append(_Row(rendered.ids, mask, _bytes(texts), example.origin))
    return _join(rows)


def from_documents(documents: Iterable[Document], renderer: Renderer, *, max_length: int) -> Rows:
    """Tokenise plain text, end token before and behind; long texts go on in further rows.

    Each later row repeats the last token of the one before as context, so that every token is
    learned exactly once.
    """
    end = renderer.tokenizer.eos_token_id
    rows = []
    for document in documents:
        ids = [end, *renderer.text_ids(f"{document.title}\n{document.text}"), end]
        size = _bytes([document.title, "\n", document.text])
        for start in range(0, len(ids) - 1, max_length - 1):
            piece = ids[start : start + max_length]
            rows.append(_Row(piece, [False] + [True] * (len(piece) - 1), size, document.origin))
            size = 0
    return _join(rows)


def copy_drills(tokens: int, vocabulary: Sequence[int], end: int, *, seed: int) -> Rows:
    """Rows of random tokens followed by spans of themselves, learned but for each span's first.

    Only looking back predicts them, so they teach a small model early what answering from a
    context needs: find the place and go on from there (induction, Olsson et al. 2022).

    Args:
        tokens: About how many in all.
        vocabulary: Ids to draw from.
        end: Id that begins each row.
        seed: Of the draw.
    """
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(tokens // DRILL_TOKENS):
        source = draw.choice(vocabulary, DRILL_SOURCE, replace=False).tolist()
        ids, mask = [end, *source], [False] * (1 + DRILL_SOURCE)
        while len(ids) < DRILL_TOKENS:
            length = int(draw.integers(4, 16))
            start = int(draw.integers(0, DRILL_SOURCE - length))
            span = source[start : start + length][: DRILL_TOKENS - len(ids)]
            ids += span
            mask += [False] + [True] * (len(span) - 1)
        rows.append(_Row(ids, mask, 0, f"copy drill {number}"))
    return _join(rows)


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Several lots of rows as one."""
    starts = [np.zeros(1, dtype=np.int64)]
    for part in parts:
        starts.append(part.starts[1:] + starts[-1][-1])
    return Rows(
        np.concatenate([p.ids for p in parts]),
        np.concatenate([p.mask for p in parts]),
        np.concatenate(starts),
        sum(p.learned_bytes for p in parts),
        tuple(o for p in parts for o in p.origins),
    )


def _bytes(texts: Sequence[str]) -> int:
    return sum(len(t.encode()) for t in texts)


def _join(rows: Sequence[_Row]) -> Rows:
    lengths = [len(r.ids) for r in rows]
    return Rows(
        np.fromiter((i for r in rows for i in r.ids), dtype=np.int32, count=sum(lengths)),
        np.fromiter((m for r in rows for m in r.mask), dtype=np.bool_, count=sum(lengths)),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        sum(r.text_bytes for r in rows),
        tuple(r.origin for r in rows),
    )
