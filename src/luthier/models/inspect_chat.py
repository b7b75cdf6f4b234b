"""A model's tokenizer and chat template: what they are, and whether they are fit for tuning."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.core.errors import ModelError
from luthier.core.records import Message

if TYPE_CHECKING:
    from luthier.models.render import Rendered

_ASK = Message("user", "How many strings has a violin?")
_TELL = Message("assistant", "Four.")
_MORE = (_ASK, _TELL, Message("user", "And a lute?"), Message("assistant", "Many."))
_TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "count_strings",
                "description": "Counts the strings of an instrument.",
                "parameters": {"type": "object", "properties": {"of": {"type": "string"}}},
            },
        }
    ]
)


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One thing a chat template must, or may, be able to do.

    Attributes:
        name: What is looked at.
        passed: Whether it is so.
        needed: Whether tuning needs it.
        told: Details, or what is wrong.
    """

    name: str
    passed: bool
    needed: bool
    told: str


@dataclasses.dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenizer, and how it cuts texts.

    Attributes:
        kind: ``BPE``, ``Unigram``, ``WordPiece``, or the name of its class.
        vocabulary: Entries, added ones counted.
        special: Tokens by use: ``bos``, ``eos``, ``pad``, ``unk``.
        texts: Texts counted.
        words: In them, between blanks.
        tokens_per_word: None without texts.
        bytes_per_token: None without texts.
        unknown: Share of tokens that are the unknown sign.
    """

    kind: str
    vocabulary: int
    special: dict[str, str]
    texts: int
    words: int
    tokens_per_word: float | None
    bytes_per_token: float | None
    unknown: float


def tokens_of(folder: Path, texts: Sequence[str]) -> tuple[Tokens | None, Any]:
    """Facts of a folder's tokenizer, and the tokenizer; None for both without one.

    Args:
        folder: A model folder.
        texts: The user's own; may be none.

    Raises:
        ModelError: There is one, and it cannot be loaded.
    """
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "tokenizer.model")
    if not any((folder / name).is_file() for name in names):
        return None, None
    from luthier.models.load import load_tokenizer

    tokenizer = load_tokenizer(folder)
    words = sum(len(text.split()) for text in texts)
    count = size = unknown = 0
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        count += len(ids)
        size += len(text.encode())
        unknown += sum(i == tokenizer.unk_token_id for i in ids)
    uses = ("bos", "eos", "pad", "unk")
    special = {use: str(getattr(tokenizer, f"{use}_token") or "") for use in uses}
    found = Tokens(
        kind=_kind(folder, tokenizer),
        vocabulary=len(tokenizer),
        special={use: token for use, token in special.items() if token},
        texts=len(texts),
        words=words,
        tokens_per_word=round(count / words, 4) if words else None,
        bytes_per_token=round(size / count, 4) if count else None,
        unknown=unknown / count if count and tokenizer.unk_token_id is not None else 0.0,
    )
    return found, tokenizer


def chat_checks(tokenizer: Any) -> list[Check]:
    """Try a tokenizer's chat template on small conversations.

    Args:
        tokenizer: Of transformers.
    """
    from luthier.models.render import Renderer

    try:
        renderer = Renderer(tokenizer)
    except ModelError as error:
        return [Check("chat template", passed=False, needed=True, told=_told(error))]
    stops = ", ".join(sorted(map(str, tokenizer.convert_ids_to_tokens(list(renderer.stop_ids)))))
    system = (Message("system", "You know instruments."), _ASK, _TELL)

    def checked() -> str:
        renderer.check()
        return stops

    def tools() -> str:
        renderer.prompt_ids([_ASK], tools=_TOOLS)
        return "shown to the model"

    return [
        Check("chat template", passed=True, needed=True, told=f"digest {renderer.digest[:12]}"),
        _tried("prompt is how training begins", True, lambda: _begins(renderer)),
        _tried("stop token is learned", True, checked),
        _tried("several turns", False, lambda: _learned(renderer.render(_MORE))),
        _tried("system message", False, lambda: _learned(renderer.render(system))),
        _tried("tools", False, tools),
    ]


def _tried(name: str, needed: bool, attempt: Callable[[], str]) -> Check:
    try:
        return Check(name, passed=True, needed=needed, told=attempt())
    except ModelError as error:
        return Check(name, passed=False, needed=needed, told=_told(error))


def _told(error: ModelError) -> str:
    """What is wrong, and what to do about it."""
    return f"{error.what}. {error.mend}" if error.mend else error.what


def _learned(row: Rendered) -> str:
    """How much of a training row is learned."""
    return f"{sum(row.mask)} of {len(row.ids)} tokens are learned"


def _begins(renderer: Any) -> str:
    """How many tokens the prompt has, if the training row begins with them."""
    prompt, row = renderer.prompt_ids([_ASK]), renderer.render([_ASK, _TELL]).ids
    if row[: len(prompt)] != prompt:
        raise ModelError("the prompt served differs from the prompt trained")
    return f"its first {len(prompt)} of {len(row)} tokens"


def _kind(folder: Path, tokenizer: Any) -> str:
    try:
        told = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        return str(told["model"]["type"])
    except (OSError, ValueError, KeyError, TypeError):
        return type(tokenizer).__name__
