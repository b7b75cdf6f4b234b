"""``luthier serve``: answers over HTTP, as OpenAI's clients expect them."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli._project import project_options, read_project, store_root


@click.command()
@click.argument("bundle", required=False)
@click.option("--host", help="Address to listen on.", show_default="serve.host")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 for any free one.",
    show_default="serve.port",
)
@click.option(
    "--living",
    is_flag=True,
    help="Retrieve from the project's living index (luthier rag), not from the bundle's own.",
)
@project_options
def command(
    bundle: str | None,
    host: str | None,
    port: int | None,
    living: bool,
    project: Path | None,
    store: Path | None,
) -> None:
    """Serve BUNDLE (a folder or a name; the latest run's if not given) over HTTP.

    Speaks OpenAI's protocol at /v1. If the environment has LUTHIER_API_KEY, clients must send
    it. Ctrl-C or SIGTERM lets running answers finish.
    """
    from luthier.core.errors import ConfigError
    from luthier.core.journal import FILE_NAME
    from luthier.core.progress import Terminal
    from luthier.core.store import Store
    from luthier.serve.bundle import find_bundle
    from luthier.serve.serve import ServeSpec, serve

    found = read_project(project, store)
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    spec = (found.serve if found else ServeSpec()).model_copy(update=given)
    root = store_root(project, store)
    index = None
    if living:
        if found is None:
            raise ConfigError(
                "whose living index is it?", where="--living", mend="Name the project: --project."
            )
        index = root / "index" / found.name
    serve(
        find_bundle(Store(root), bundle),
        spec,
        journal=root / FILE_NAME,
        progress=Terminal(),
        index=index,
    )
