"""Commands that begin: a demo, a simulated bank, compiled kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from muledetect import console
from muledetect.cli.app import app
from muledetect.command import Overwrite, out, progress_bar


@app.command(epilog="Example: `muledetect demo --output muledetect-demo`")
def demo(
    output: Annotated[Path, Option(help="Folder for the data, model, scores, rings and metrics.")] = Path(
        "muledetect-demo"
    ),
    accounts: Annotated[int, Option(min=2_000, help="Accounts of each simulated bank.")] = 6_500,
    days: Annotated[int, Option(min=90, help="Days to simulate.")] = 90,
    seed: Annotated[int, Option(min=0, help="Equal seeds give equal worlds.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Simulate two banks, train on one, score, find rings and measure on the other, on one screen."""
    from muledetect.demo import run_demo

    with progress_bar() as progress:
        result = run_demo(output, n_accounts=accounts, n_days=days, seed=seed, overwrite=overwrite, progress=progress)
    console.show_demo(out, result)


@app.command(epilog="Example: `muledetect warm-up`")
def warm_up(
    target: Annotated[
        Literal["active", "ever"], Option(help="Of models of this target; ever needs a part of the kernels.")
    ] = "active",
) -> None:
    """Compile the kernels, so that the first run is as fast as later ones; in the image of a container, say."""
    from muledetect.warm_up import warm_up as compile_kernels

    with progress_bar() as progress:
        compile_kernels(target, progress=progress)
    out.print("The kernels are compiled; numba keeps them on disk.")


@app.command(
    epilog="Example: `muledetect simulate world --preset thai_bank --accounts 20000 --set evasion=0.5 --seed 1`"
)
def simulate(
    output: Annotated[Path, Argument(help="Folder to write the tables to.")],
    preset: Annotated[str | None, Option(help="thai_bank, small, hard or no_crime.")] = None,
    accounts: Annotated[int | None, Option(help="Accounts of the bank; the preset's if not given.")] = None,
    days: Annotated[int | None, Option(help="Days; the preset's if not given.")] = None,
    seed: Annotated[int, Option(min=0, help="Equal seeds give equal bytes.")] = 0,
    settings: Annotated[
        list[str] | None, Option("--set", help="Any parameter of WorldConfig, as name=value; may be repeated.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a bank's transfers with scam call centres in it, with full truth."""
    from muledetect.simulation import parse_settings, world_config, write_world

    sizes = {"n_accounts": accounts, "n_days": days, "seed": seed}
    parameters = {name: value for name, value in sizes.items() if value is not None} | parse_settings(settings or [])
    with progress_bar() as progress:
        rows = write_world(world_config(preset, **parameters), output, progress, overwrite=overwrite)
    console.show_tables(out, rows, output)
