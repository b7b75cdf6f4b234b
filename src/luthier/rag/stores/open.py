"""Open the store that a project names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from luthier.core.secrets import SecretUrl
from luthier.core.spec import Spec, runtime

if TYPE_CHECKING:
    from luthier.rag.stores.store import PassageStore

_SCHEMES = ("postgresql://", "postgres://")


class StoreSpec(Spec):
    """Where passages are kept."""

    backend: SecretUrl = "lance"
    """`lance` (a folder; the default), `sqlite` (one file, for small collections), or the URL of a
    PostgreSQL database, ``postgresql://user:${PASSWORD}@host/database``."""
    table: str = runtime("luthier", pattern=r"^[a-z_][a-z0-9_]{0,40}$")
    """In PostgreSQL, what the names of the tables begin with: one index each."""
    keep_versions: int = runtime(10, ge=1, le=10_000)
    """Versions that can be read and gone back to; older ones are forgotten at the next change."""
    search: Literal["auto", "memory", "store"] = runtime("auto")
    """Where the living index is searched: in ``memory``, which is quicker, or in the ``store``, for
    a corpus that memory does not hold; ``auto`` takes memory while `memory_gb` suffices."""
    memory_gb: float | None = Field(None, ge=0.0, json_schema_extra={"runtime": True})
    """Most memory that searching in memory may take; null for half of what is free."""

    @field_validator("backend")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ("lance", "sqlite") and not value.startswith((*_SCHEMES, "${")):
            raise ValueError(f"expected lance, sqlite or a postgresql:// URL, not '{value}'")
        return value


def open_store(spec: StoreSpec, folder: Path) -> PassageStore:
    """Open a store, empty or not; nothing is written before the first change.

    Args:
        spec: Which.
        folder: Where it is, or would be, for the stores that live in a folder.

    Raises:
        ResourceError: Its library is not installed, or the server cannot be reached.
        StoreError: It is damaged, or of another format.
    """
    match spec.backend:
        case "lance":
            from luthier.rag.stores.lance import LanceStore

            return LanceStore(folder, spec.keep_versions)
        case "sqlite":
            from luthier.rag.stores.sqlite import SqliteStore

            return SqliteStore(folder, spec.keep_versions)
        case url:
            from luthier.rag.stores.postgres import PostgresStore

            return PostgresStore(url, spec.table, spec.keep_versions)
