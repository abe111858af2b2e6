"""``cairn db``."""

from __future__ import annotations

import typer

from cairn.cli.output import AsJson, show

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def _group() -> None: ...


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the database to the present schema; makes an SQLite file that is missing."""
    from sqlalchemy.engine import make_url

    from cairn.persistence import migrate
    from cairn.settings import get_settings

    url = get_settings().database
    migrate.upgrade(url)
    shown = make_url(url).render_as_string(hide_password=True)
    show({"database": shown, "migrated": True}, as_json, lambda: f"{shown} has the present schema.")
