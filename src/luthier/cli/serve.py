"""``luthier serve``: answers over HTTP, as OpenAI's clients expect them."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundle", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option(
    "--store",
    "root",
    type=click.Path(path_type=Path),
    default=".luthier",
    show_default=True,
    help="Where the bundle is looked for and answers are logged.",
)
def command(bundle: str | None, host: str, port: int, root: Path) -> None:
    """Serve BUNDLE (a folder or a name; the latest run's if not given) over HTTP.

    Speaks OpenAI's protocol at /v1. If the environment has LUTHIER_API_KEY, clients must send
    it. Ctrl-C or SIGTERM lets running answers finish.
    """
    from luthier.core.journal import FILE_NAME
    from luthier.core.progress import Terminal
    from luthier.core.store import Store
    from luthier.serve.bundle import find_bundle
    from luthier.serve.serve import ServeSpec, serve

    spec = ServeSpec(host=host, port=port)
    path = find_bundle(Store(root), bundle)
    serve(path, spec, journal=root / FILE_NAME, progress=Terminal())
