"""BERT as an ONNX graph of ONNX Runtime's own fused operators, in float32 or int8.

The graph is written from the weights, without tracing: one operator each for the embeddings, for a
product with its bias, attention, GELU, and a norm with the sum before it. In int8 the matrices are
quantised symmetrically, each output by itself; what they are multiplied with is quantised while it
is computed, to 8 bits of the whole batch's range (``DynamicQuantizeMatMul``).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from luthier.core.errors import ModelError
from luthier.models._body import Pooling, missing

if TYPE_CHECKING:
    from collections.abc import Mapping

GRAPH_VERSION = 1
_OPSET, _IR, _LARGEST_BYTES = 17, 8, 1_900_000_000
_FUSED = "com.microsoft"


def write(
    network: Any, path: Path, precision: Literal["float32", "int8"], pooling: Pooling
) -> None:
    """Write a graph: ``ids``, ``kinds``, ``mask`` (int32 [rows, longest]) to ``pooled``.

    Args:
        network: A ``BertModel`` in float32.
        path: The file to write.
        precision: Of the matrix products.
        pooling: How the states of a row become one.

    Raises:
        ModelError: Another architecture, or weights too large for one file.
        ResourceError: The package ``onnx`` is not installed.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise missing("onnx", "encoder.runtime") from error
    graph = _Graph(network, precision == "int8", onnx)
    states = graph.states()
    graph.pool(states, pooling)
    model = graph.model()
    if model.ByteSize() > _LARGEST_BYTES:
        raise ModelError(
            "this encoder is too large for one ONNX file",
            where=str(path),
            mend="Take `runtime: torch`.",
        )
    path.write_bytes(model.SerializeToString())


def quantised(
    matrix: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """A matrix [in, out] in 8 bits, and for each output what a step of it is worth."""
    step = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / 127.0
    return np.round(matrix / step).astype(np.int8), step.astype(np.float32)


class _Graph:
    """Nodes and weights of one graph."""

    def __init__(self, network: Any, int8: bool, onnx: Any) -> None:
        config = network.config
        known = (
            type(network).__name__ == "BertModel"
            and config.hidden_act == "gelu"
            and getattr(config, "position_embedding_type", None) in (None, "absolute")
            and not getattr(config, "is_decoder", False)
        )
        if not known:
            raise ModelError(
                f"there is no ONNX graph for {type(network).__name__}",
                where="encoder.runtime",
                mend="Leave `runtime` out, or take `torch`.",
            )
        self._onnx, self._int8, self._config = onnx, int8, config
        self._nodes: list[Any] = []
        self._stored: list[Any] = []
        self._weights: Mapping[str, npt.NDArray[np.float32]] = {
            name: np.ascontiguousarray(tensor.detach().float().numpy())
            for name, tensor in network.state_dict().items()
            if tensor.is_floating_point()
        }

    def states(self) -> str:
        """The last states, by the embeddings and all blocks."""
        norm = "embeddings.LayerNorm"
        names = ("word", "position", "token_type")
        tables = [f"embeddings.{name}_embeddings.weight" for name in names]
        inputs = ["ids", "kinds", *map(self._keep, (*tables, f"{norm}.weight", f"{norm}.bias"))]
        eps = float(self._config.layer_norm_eps)
        self._add("EmbedLayerNormalization", [*inputs, "mask"], ["x", "lengths"], epsilon=eps)
        x = "x"
        for number in range(self._config.num_hidden_layers):
            x = self._block(x, f"encoder.layer.{number}")
        return x

    def pool(self, states: str, pooling: Pooling) -> None:
        """One state for each row."""
        if pooling == "first":
            self._add("Gather", [states, self._constant("zero", 0)], ["pooled"], "", axis=1)
            return
        self._add("Cast", ["mask"], ["counts"], "", to=1)
        axes = self._constant("axis", [1])
        self._add("Unsqueeze", ["counts", axes], ["row"], "")
        self._add("MatMul", ["row", states], ["summed"], "")
        self._add("ReduceSum", ["counts", axes], ["many"], "", keepdims=1)
        self._add("Squeeze", ["summed", axes], ["flat"], "")
        self._add("Div", ["flat", "many"], ["pooled"], "")

    def model(self) -> Any:
        """The whole."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        inputs = [
            helper.make_tensor_value_info(name, kinds.INT32, ["rows", "longest"])
            for name in ("ids", "kinds", "mask")
        ]
        width = self._config.hidden_size
        output = helper.make_tensor_value_info("pooled", kinds.FLOAT, ["rows", width])
        graph = helper.make_graph(self._nodes, "bert", inputs, [output], self._stored)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR)

    def _block(self, x: str, name: str) -> str:
        own, heads = f"{name}.attention.self", self._config.num_attention_heads
        three = [self._weights[f"{own}.{part}.weight"].T for part in ("query", "key", "value")]
        biases = [self._weights[f"{own}.{part}.bias"] for part in ("query", "key", "value")]
        sides = self._product(x, f"{own}.sides", np.hstack(three), np.hstack(biases))
        parts = [f"{own}.{part}" for part in "qkv"]
        thirds = self._constant(f"{own}.thirds", [self._config.hidden_size] * 3)
        self._add("Split", [sides, thirds], parts, "", axis=2)
        mixed = f"{own}.mixed"
        self._add("MultiHeadAttention", [*parts, "", "mask"], [mixed], num_heads=int(heads))
        x = self._norm(
            self._linear(mixed, f"{name}.attention.output.dense"), x, f"{name}.attention"
        )
        inner = self._linear(x, f"{name}.intermediate.dense")
        self._add("Gelu", [inner], [f"{inner}.active"])
        last = self._linear(f"{inner}.active", f"{name}.output.dense")
        return self._norm(last, x, name)

    def _norm(self, made: str, x: str, name: str) -> str:
        norm = f"{name}.output.LayerNorm"
        inputs = [made, x, self._keep(f"{norm}.weight"), self._keep(f"{norm}.bias")]
        eps = float(self._config.layer_norm_eps)
        self._add("SkipLayerNormalization", inputs, [f"{norm}.y"], epsilon=eps)
        return f"{norm}.y"

    def _linear(self, x: str, name: str) -> str:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return self._product(x, name, weight.T, bias)

    def _product(
        self, x: str, name: str, matrix: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
    ) -> str:
        """Multiply x with a matrix [in, out], and add a bias."""
        added = self._store(f"{name}.bias", bias)
        if self._int8:
            whole, step = quantised(matrix)
            inputs = [x, self._store(f"{name}.whole", whole), self._store(f"{name}.step", step)]
            self._add("DynamicQuantizeMatMul", [*inputs, "", added], [f"{name}.y"])
            return f"{name}.y"
        stored = self._store(f"{name}.matrix", np.ascontiguousarray(matrix))
        self._add("MatMul", [x, stored], [f"{name}.plain"], "")
        self._add("Add", [f"{name}.plain", added], [f"{name}.y"], "")
        return f"{name}.y"

    def _keep(self, name: str) -> str:
        return self._store(name, self._weights[name])

    def _constant(self, name: str, value: Any) -> str:
        return self._store(name, np.array(value, dtype=np.int64))

    def _store(self, name: str, array: npt.NDArray[Any]) -> str:
        if name not in {one.name for one in self._stored}:
            self._stored.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _add(
        self, kind: str, inputs: list[str], outputs: list[str], domain: str = _FUSED, **more: Any
    ) -> None:
        self._nodes.append(
            self._onnx.helper.make_node(kind, inputs, outputs, domain=domain, **more)
        )
