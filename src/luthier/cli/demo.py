"""``luthier demo``: the example project, copied where it can be changed, and run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

EXAMPLE = "python-docs"


@click.command()
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
@click.option(
    "--folder",
    default="luthier-demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the example is copied to; an existing copy is used as it is.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be made.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(sets: tuple[str, ...], folder: Path, dry_run: bool, as_json: bool, quiet: bool) -> None:
    """Copy the example project and run it.

    It builds an assistant for the documentation of your Python's standard library and compares
    five ways of answering. Run it again, and only what you changed is remade.
    """
    from luthier.cli.run import run_project

    project = copy_example(folder)
    run_project(project, sets, dry_run=dry_run, as_json=as_json, quiet=quiet)


def copy_example(folder: Path) -> Path:
    """Copy the example into a folder unless a project file is there; returns the project file.

    Raises:
        ResourceError: This installation lacks the example.
    """
    target = folder / "luthier.yaml"
    if target.is_file():
        return target
    source = example_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_file() and path.name != target.name and not path.name.startswith("."):
            shutil.copyfile(path, folder / path.name)
    beside = target.with_name(f".{target.name}.{os.getpid()}")  # the project file last, and whole
    try:
        shutil.copyfile(source / target.name, beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def example_folder() -> Path:
    """Where the example stands: in the installed package, or in the source tree.

    Raises:
        ResourceError: In neither.
    """
    import luthier
    from luthier.core.errors import ResourceError

    package = Path(luthier.__file__).parent
    for folder in (package / "_examples" / EXAMPLE, package.parents[1] / "examples" / EXAMPLE):
        if (folder / "luthier.yaml").is_file():
            return folder
    raise ResourceError(
        f"this installation lacks the example '{EXAMPLE}'", mend="Install Luthier again."
    )
