"""Find passages by meaning: the vectors nearest to a question's by cosine.

Up to `EXACT_ROWS` rows of a slice are compared exactly, in float32. More are compared by codes of
eight bits for each number (one scale for each vector), which is four times less to read; the best
few hundred of them are then compared exactly.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from luthier.models.encode import Vectors
from luthier.rag.search.lists import Rows
from luthier.rag.search.native import library, pointer, top

EXACT_ROWS = 10_000
"""Rows that are compared exactly."""
_SPARE = 4  # so many times as many as asked for are compared exactly after the codes
_LEAST_SPARE = 400


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Coded:
    """Vectors of length 1 with their codes.

    Attributes:
        values: float32, shape (rows, numbers).
        codes: int8, of the same shape.
        scales: float32, of each row: code * scale is near the value.
        sums: int32, 128 times the sum of each row's codes.
    """

    values: Vectors
    codes: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    sums: npt.NDArray[np.int32]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All its numbers, by the names of the fields."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.values.shape[1])

    def nearest(
        self,
        asked: Vectors,
        rows: Rows | None,
        mask: npt.NDArray[np.uint8] | None,
        most: int,
        *,
        exact: bool,
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """The rows nearest to a vector of length 1, with cosines, best first.

        Args:
            asked: The vector.
            rows: Those that are compared, growing; None for all.
            mask: With ``rows`` None: 1 for those that count; None for all.
            most: How many at most.
            exact: Whether all are compared exactly.
        """
        count = len(self.values) if rows is None else len(rows)
        most = max(0, min(most, count))
        spare = min(count, max(_LEAST_SPARE, _SPARE * most))
        if not exact and spare < count:
            rows, mask = np.sort(self._coarse(asked, rows, mask, spare)), None
            most = min(most, len(rows))
        return self._exact(asked, rows, mask, most)

    def _exact(
        self, asked: Vectors, rows: Rows | None, mask: npt.NDArray[np.uint8] | None, most: int
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        kernels: Any = library()[0]
        count = len(self.values) if rows is None else len(rows)
        if kernels is None:
            chosen = _chosen(count, rows, mask)
            return top(self.values[chosen] @ asked, chosen, most)
        scores, found = np.empty(most, np.float32), np.empty(most, np.int32)
        size = kernels.nearest(
            pointer(self.values), self.width, pointer(rows), count, pointer(mask), pointer(asked),
            most, pointer(scores), pointer(found),
        )  # fmt: skip
        if size < 0:
            raise MemoryError("no memory for a search")
        return found[:size], scores[:size]

    def _coarse(
        self, asked: Vectors, rows: Rows | None, mask: npt.NDArray[np.uint8] | None, most: int
    ) -> Rows:
        scale = float(np.abs(asked).max()) / 127.0 or 1.0
        query = np.rint(asked / np.float32(scale)).astype(np.int32)
        kernels: Any = library()[0]
        count = len(self.values) if rows is None else len(rows)
        if kernels is None:
            chosen = _chosen(count, rows, mask)
            products = self.codes[chosen].astype(np.int32) @ query
            return top(products.astype(np.float32) * self.scales[chosen], chosen, most)[0]
        lifted = (query + 128).astype(np.uint8)
        scores, found = np.empty(most, np.float32), np.empty(most, np.int32)
        size = kernels.nearest_codes(
            pointer(self.codes), pointer(self.scales), pointer(self.sums), self.width,
            pointer(rows), count, pointer(mask), pointer(lifted), most, pointer(scores),
            pointer(found),
        )  # fmt: skip
        if size < 0:
            raise MemoryError("no memory for a search")
        return found[:size]


def _chosen(count: int, rows: Rows | None, mask: npt.NDArray[np.uint8] | None) -> Rows:
    if rows is not None:
        return rows
    return np.arange(count, dtype=np.int32) if mask is None else np.flatnonzero(mask).astype("i4")


def unit(vectors: Vectors) -> Vectors:
    """Vectors as float32 of length 1; those of length 0 stay as they are."""
    values: Vectors = np.ascontiguousarray(vectors, np.float32)
    if values.ndim == 1 and abs(float(values @ values) - 1.0) < 1e-4:  # as encoders make them
        return values
    lengths = np.sqrt(np.einsum("...i,...i->...", values, values))
    if np.all((np.abs(lengths - 1.0) < 1e-4) | (lengths == 0)):
        return values
    with np.errstate(invalid="ignore"):
        scaled: Vectors = (values / np.where(lengths > 0, lengths, 1.0)[..., None]).astype("f4")
    return scaled


def coded(vectors: Vectors) -> Coded:
    """Vectors with their codes.

    Args:
        vectors: Shape (rows, numbers); brought to length 1.
    """
    values = unit(vectors)
    rows, width = values.shape
    kernels: Any = library()[0]
    if kernels is not None:
        codes = np.empty((rows, width), np.int8)
        scales, sums = np.empty(rows, np.float32), np.empty(rows, np.int32)
        kernels.encode_rows(
            pointer(values), width, rows, pointer(codes), pointer(scales), pointer(sums)
        )
        return Coded(values, codes, scales, sums)
    most = np.abs(values).max(axis=1, initial=0.0).astype(np.float32)
    scales = np.where(np.isfinite(most), most / np.float32(127.0), 0.0).astype(np.float32)
    with np.errstate(invalid="ignore"):
        codes = np.rint(values / np.where(scales > 0, scales, 1.0)[:, None])
    codes = np.where(scales[:, None] > 0, np.nan_to_num(codes), 0.0).astype(np.int8)
    return Coded(values, codes, scales, 128 * codes.sum(axis=1, dtype=np.int32))
