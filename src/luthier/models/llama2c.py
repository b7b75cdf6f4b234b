"""Checkpoints of llama2.c (Karpathy 2023) as model folders of transformers.

The format, version 0: seven int32 (width, hidden width of the MLP, layers, heads, heads of keys
and values, entries of the vocabulary, context), then float32 matrices, kind by kind. A negative
vocabulary says that the projection to it has weights of its own. Queries and keys rotate
neighbouring values there, and halves of a head in transformers, so their rows change places.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import ModelError
from luthier.models._quiet import quietly

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = NDArray[np.float32]

UNKNOWN, BEGIN, END = 0, 1, 2
_BYTES = 256
_SPECIAL = ("<unk>", "<s>", "</s>")
_MAGIC = 0x616B3432  # "ak42": versions 1 and 2


def convert(checkpoint: Path, vocabulary: Path, folder: Path) -> dict[str, Any]:
    """Write a checkpoint and its vocabulary as a model folder.

    The converted model has no chat template: it continues texts.

    Args:
        checkpoint: A ``.bin`` file of llama2.c, version 0.
        vocabulary: The ``tok*.bin`` file that belongs to it.
        folder: The new folder; it must not exist, or be empty.

    Returns:
        Its facts, see ``models.folder.facts``.

    Raises:
        ModelError: A file is not of that format, the two do not belong together, or the folder
            holds something.
    """
    import torch
    from transformers import GenerationConfig, LlamaForCausalLM

    from luthier.models.folder import facts

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(
            "this folder holds something already", where=str(folder), mend="Name a new one."
        )
    shape, weights = read_checkpoint(checkpoint)
    pieces = read_vocabulary(vocabulary)
    if len(pieces) != shape["vocab_size"]:
        raise ModelError(
            f"the vocabulary has {len(pieces)} entries, the model {shape['vocab_size']}",
            where=str(vocabulary),
            mend="Name the vocabulary that the model was trained with.",
        )
    with torch.device("meta"):
        network = LlamaForCausalLM(_config(shape))
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    if shape["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    network.load_state_dict(state, assign=True)
    network.tie_weights()
    # llama2.c's stories are parted by the token that begins them
    network.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=BEGIN, eos_token_id=[BEGIN, END]
    )
    with quietly():
        network.save_pretrained(folder)
        tokenizer(pieces, context_length=shape["max_position_embeddings"]).save_pretrained(folder)
    return facts(folder)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    """A checkpoint's shape and weights, under the names transformers has for a Llama.

    Args:
        path: The ``.bin`` file.

    Returns:
        Settings as in a ``LlamaConfig``, and float32 arrays.

    Raises:
        ModelError: It cannot be read, is of another version, or has another length than its
            header says.
    """
    data = _bytes(path)
    if len(data) < 28:
        raise ModelError("too short for a checkpoint of llama2.c", where=str(path))
    header = struct.unpack("<7i", data[:28])
    if header[0] == _MAGIC:
        raise ModelError(
            f"a checkpoint of llama2.c in version {header[1]}; version 0 can be read",
            where=str(path),
            mend="Export it with `python export.py --version 0`.",
        )
    width, inner, layers, heads, key_heads, entries, context = header
    usual = min(header[:5]) > 0 and entries != 0 and context > 0
    if not usual or width % heads or heads % key_heads or max(header) > 1 << 24:
        raise ModelError(f"no checkpoint of llama2.c: its header is {header}", where=str(path))
    shape = {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "vocab_size": abs(entries),
        "max_position_embeddings": context,
        "tie_word_embeddings": entries > 0,
    }
    parts = list(_parts(shape))
    values = sum(math.prod(size) for _, size in parts)
    if len(data) != 28 + 4 * values:
        raise ModelError(
            f"no whole checkpoint of llama2.c: {len(data):,} bytes, its header wants "
            f"{28 + 4 * values:,}",
            where=str(path),
        )
    return shape, _named(np.frombuffer(data, dtype="<f4", offset=28), parts, shape)


def read_vocabulary(path: Path) -> list[tuple[float, bytes]]:
    """The entries of a ``tok*.bin`` file: score and bytes, by id.

    Raises:
        ModelError: It cannot be read, or is no such file.
    """
    data, place, pieces = _bytes(path), 4, []
    try:
        while place < len(data):
            score, length = struct.unpack_from("<fi", data, place)
            place += 8 + length
            if not 0 <= length <= len(data) or place > len(data):
                raise ValueError("an entry is cut off")
            pieces.append((score, data[place - length : place]))
        if len(pieces) < 3 + _BYTES:
            raise ValueError("it is too short to hold every byte")
        for _, piece in pieces:
            piece.decode()
    except (struct.error, ValueError) as error:
        raise ModelError(f"no vocabulary of llama2.c: {error}", where=str(path)) from error
    return pieces


def tokenizer(pieces: list[tuple[float, bytes]], *, context_length: int) -> Any:
    """A tokenizer of transformers that cuts text as llama2.c does.

    A space is put before the text. It is cut into characters; those without an entry into bytes.
    Then the neighbours whose union has the best score are merged, the leftmost first.

    Args:
        pieces: From ``read_vocabulary``.
        context_length: Of the model.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    texts = [*_SPECIAL, *(piece.decode() for _, piece in pieces[3:])]
    vocabulary: dict[str, int] = {}
    for number, text in enumerate(texts):
        vocabulary.setdefault(text, number)
    words = {t: i for t, i in vocabulary.items() if i >= 3 + _BYTES}
    merges: list[tuple[float, int, str, str]] = []
    for text, number in words.items():
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in words and right in words:
                merges.append((-pieces[number][0], number, left, right))
    merges.sort(key=lambda merge: merge[:2])
    made = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[(left, right) for _, _, left, right in merges],
            unk_token=_SPECIAL[UNKNOWN],
            byte_fallback=True,
        )
    )
    made.normalizer = normalizers.Prepend(" ")
    made.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", left=1, right=0)]
    )
    begin = (_SPECIAL[BEGIN], BEGIN)
    made.post_processor = processors.TemplateProcessing(
        single=f"{begin[0]} $A", pair=f"{begin[0]} $A {begin[0]}:1 $B:1", special_tokens=[begin]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made,
        unk_token=_SPECIAL[UNKNOWN],
        bos_token=_SPECIAL[BEGIN],
        eos_token=_SPECIAL[END],
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )


def _config(shape: dict[str, Any]) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        **shape, rms_norm_eps=1e-5, bos_token_id=BEGIN, eos_token_id=END, pad_token_id=None
    )


def _parts(shape: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of what stands in a checkpoint, in order; {} stands for the layer."""
    width, inner, layers = (
        shape["hidden_size"],
        shape["intermediate_size"],
        shape["num_hidden_layers"],
    )
    keys = width // shape["num_attention_heads"] * shape["num_key_value_heads"]
    yield "model.embed_tokens.weight", (shape["vocab_size"], width)
    yield "model.layers.{}.input_layernorm.weight", (layers, width)
    yield "model.layers.{}.self_attn.q_proj.weight", (layers, width, width)
    yield "model.layers.{}.self_attn.k_proj.weight", (layers, keys, width)
    yield "model.layers.{}.self_attn.v_proj.weight", (layers, keys, width)
    yield "model.layers.{}.self_attn.o_proj.weight", (layers, width, width)
    yield "model.layers.{}.post_attention_layernorm.weight", (layers, width)
    yield "model.layers.{}.mlp.gate_proj.weight", (layers, inner, width)
    yield "model.layers.{}.mlp.down_proj.weight", (layers, width, inner)
    yield "model.layers.{}.mlp.up_proj.weight", (layers, inner, width)
    yield "model.norm.weight", (width,)
    half = width // shape["num_attention_heads"] // 2
    yield "", (2, shape["max_position_embeddings"], half)  # cosines and sines of the rotation
    if not shape["tie_word_embeddings"]:
        yield "lm_head.weight", (shape["vocab_size"], width)


def _named(
    values: Floats, parts: list[tuple[str, tuple[int, ...]]], shape: dict[str, Any]
) -> dict[str, Floats]:
    found, place = {}, 0
    for name, size in parts:
        array = values[place : place + math.prod(size)].reshape(size).astype(np.float32)
        place += array.size
        if "{}" not in name:
            found[name] = array
            continue
        for layer in range(size[0]):
            heads = "num_attention_heads" if "q_proj" in name else "num_key_value_heads"
            turned = "q_proj" in name or "k_proj" in name
            own = _halves(array[layer], shape[heads]) if turned else array[layer]
            found[name.format(layer)] = np.ascontiguousarray(own)
    found.pop("", None)
    return found


def _halves(matrix: Floats, heads: int) -> Floats:
    """Rows of each head, the even ones first."""
    rows, width = matrix.shape
    return matrix.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read this file: {error.strerror}", where=str(path)) from error
