"""The model that writes and labels rows while data is prepared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from luthier.core.spec import Spec
from luthier.models.remote import RemoteSpec


class LocalWriter(Spec):
    """A model on this machine."""

    kind: Literal["local"] = "local"
    model: str | None = None
    """A folder, a hub id or ``starter``; null: the model the project starts from."""


WriterSpec = Annotated[LocalWriter | RemoteSpec, Field(discriminator="kind")]
