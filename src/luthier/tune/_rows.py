"""Token rows: conversations and texts as the training loop eats them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import ModelError
from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message
from luthier.models.render import Rendered, Renderer
from luthier.tune._truncate import Fitted, longest, shorten, split, too_long
from luthier.tune.objectives import Truncation

_AT_ONCE = 1024  # conversations rendered together

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
        weights: float32, same length as ids: what each token's loss is multiplied by, 0 where it
            is not learned; None if every learned token counts fully.
        taken: Conversations and documents the rows are of, and drills.
    """

    ids: NDArray[np.int32]
    mask: NDArray[np.bool_]
    starts: NDArray[np.int64]
    learned_bytes: int
    origins: tuple[str, ...]
    weights: NDArray[np.float32] | None = None
    taken: int = 0

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

    @property
    def weight(self) -> float:
        """What the losses of all tokens are divided by for their mean."""
        return float(self.learned_tokens if self.weights is None else self.weights.sum())


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    ids: list[int]
    mask: list[bool]
    text_bytes: int
    origin: str
    weights: list[float] | None = None


def from_examples(
    examples: Sequence[Example],
    renderer: Renderer,
    *,
    max_length: int,
    learn_all: bool,
    ledger: Ledger,
    truncation: Truncation = "error",
) -> Rows:
    """Render conversations.

    One conversation is one row, but for chat templates that rewrite earlier turns, and for those
    that are split.

    Args:
        examples: Conversations.
        renderer: The model's.
        max_length: Tokens per row.
        learn_all: Loss on every token (pretraining) instead of answers only.
        ledger: Where refusals and changes go, also of what the chat template cannot render.
        truncation: What becomes of longer rows: refused (``error``, ``drop``) or cut as it says.
    """
    rows: list[_Row] = []
    taken = 0
    for begin in range(0, len(examples), _AT_ONCE):
        some = examples[begin : begin + _AT_ONCE]
        found = renderer.rows_of([(e.messages, e.tools) for e in some])
        for example, rendered in zip(some, found, strict=True):
            if isinstance(rendered, ModelError):
                ledger.refuse(rendered.what, example.origin, rendered.mend)
                continue
            if not any(any(row.mask) for row in rendered):
                ledger.refuse("nothing to learn: every token is masked", example.origin)
                continue
            if learn_all:
                rendered = [_all_learned(row) for row in rendered[-1:]]
            whole = longest(rendered) <= max_length
            if not whole:
                rendered = _fitted(example, rendered, renderer, max_length, truncation, ledger)
            texts = [m.content for m in example.messages if learn_all or _is_learned(m)]
            plain = whole and not any(m.tool_calls for m in example.messages)
            sizes = [_bytes(texts), *[0] * len(rendered)] if plain else _sizes(rendered, renderer)
            taken += bool(rendered)
            for row, size in zip(rendered, sizes, strict=False):
                row.mask[0] = False  # nothing stands before it to predict it from
                rows.append(_Row(row.ids, row.mask, size, example.origin, row.weights))
    return _join(rows, taken)


def _fitted(
    example: Example,
    rows: list[Rendered],
    renderer: Renderer,
    max_length: int,
    truncation: Truncation,
    ledger: Ledger,
) -> list[Rendered]:
    """Rows of a conversation that is too long, and a line in the ledger."""
    most = longest(rows)
    learn_all = all(all(row.mask) for row in rows)
    match truncation:
        case "error" | "drop":
            ledger.refuse(too_long(max_length), example.origin, f"{most} tokens", most)
            return []
        case "truncate_prompt":
            fitted = shorten(rows, example.messages, example.tools, renderer, max_length)
            done = f"prompt cut to max_length {max_length}"
        case "split":
            fitted = (
                Fitted(_windows(rows, max_length), 0)
                if learn_all
                else split(example.messages, example.tools, renderer, max_length)
            )
            done = f"split at max_length {max_length}"
        case _:
            assert_never(truncation)
    if not fitted.rows:
        ledger.refuse(
            f"its answer does not fit max_length {max_length}",
            example.origin,
            f"{most} tokens",
            most,
        )
        return []
    detail = f"{most} tokens in {len(fitted.rows)} rows, {fitted.lost} left out"
    ledger.change(done, example.origin, detail, fitted.lost)
    return [_all_learned(row) for row in fitted.rows] if learn_all else fitted.rows


def _windows(rows: Sequence[Rendered], max_length: int) -> list[Rendered]:
    """Pieces of rows, the last token of each repeated as context of the next."""
    return [
        Rendered(row.ids[at : at + max_length], row.mask[at : at + max_length])
        for row in rows
        for at in range(0, len(row.ids) - 1, max_length - 1)
    ]


def _all_learned(row: Rendered) -> Rendered:
    return dataclasses.replace(row, mask=[True] * len(row.ids), weights=None)


def _is_learned(message: Message) -> bool:
    return message.role == "assistant" and message.weight > 0


def _sizes(rows: Sequence[Rendered], renderer: Renderer) -> list[int]:
    """Bytes of text that each row's learned tokens stand for."""
    stops = renderer.stop_ids
    learned = [
        [i for i, keep in zip(row.ids, row.mask, strict=True) if keep and i not in stops]
        for row in rows
    ]
    return [_bytes([renderer.tokenizer.decode(ids)]) for ids in learned]


def from_documents(documents: Iterable[Document], renderer: Renderer, *, max_length: int) -> Rows:
    """Tokenise plain text, end token before and behind; long texts go on in further rows.

    Each later row repeats the last token of the one before as context, so that every token is
    learned exactly once.
    """
    end = renderer.tokenizer.eos_token_id
    rows = []
    taken = 0
    for document in documents:
        taken += 1
        ids = [end, *renderer.text_ids(f"{document.title}\n{document.text}"), end]
        size = _bytes([document.title, "\n", document.text])
        for start in range(0, len(ids) - 1, max_length - 1):
            piece = ids[start : start + max_length]
            rows.append(_Row(piece, [False] + [True] * (len(piece) - 1), size, document.origin))
            size = 0
    return _join(rows, taken)


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
    return _join(rows, len(rows))


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Several lots of rows as one."""
    lengths = np.concatenate([p.lengths for p in parts])
    return Rows(
        np.concatenate([p.ids for p in parts]),
        np.concatenate([p.mask for p in parts]),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        sum(p.learned_bytes for p in parts),
        tuple(o for p in parts for o in p.origins),
        _weights(parts),
        sum(p.taken for p in parts),
    )


def _weights(parts: Sequence[Rows]) -> NDArray[np.float32] | None:
    if all(p.weights is None for p in parts):
        return None
    own = [p.mask.astype(np.float32) if p.weights is None else p.weights for p in parts]
    return np.concatenate(own)


def _bytes(texts: Sequence[str]) -> int:
    return sum(len(t.encode()) for t in texts)


def join(rows: Sequence[tuple[Rendered, str]], taken: int) -> Rows:
    """Rendered rows with their origins, laid end to end.

    Args:
        rows: (a row, its origin) each; the text they stand for is not counted.
        taken: Conversations they are of.
    """
    return _join([_Row(r.ids, r.mask, 0, origin, r.weights) for r, origin in rows], taken)


def _join(rows: Sequence[_Row], taken: int) -> Rows:
    lengths = [len(r.ids) for r in rows]
    total = sum(lengths)
    weights = None
    if any(r.weights is not None for r in rows):
        own = (w for r in rows for w in (r.mask if r.weights is None else r.weights))
        weights = np.fromiter(own, dtype=np.float32, count=total)
    return Rows(
        np.fromiter((i for r in rows for i in r.ids), dtype=np.int32, count=total),
        np.fromiter((m for r in rows for m in r.mask), dtype=np.bool_, count=total),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        sum(r.text_bytes for r in rows),
        tuple(r.origin for r in rows),
        weights,
        taken,
    )
