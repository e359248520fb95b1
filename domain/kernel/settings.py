"""What the surroundings tell Waterline: typed, read once from the environment, wrong values named in plain words."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from domain.kernel.errors import Trouble


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """Each field is an environment variable of the same name in capitals."""

    waterline_home: Path = Path(".waterline")
    """Where the embedded database and the demo credentials live."""
    database_url: str | None = None
    """A Postgres server (15 or newer) for the application's role; without it the embedded Postgres is used."""
    database_admin_url: str | None = None
    """The same database for the role that owns the tables and migrates; default: DATABASE_URL, with a warning."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8000
    """The TCP port to listen on, 1 to 65535."""
    cors_origins: str = "*"
    """Origins that browsers may call from, separated by spaces; `*` allows any, without credentials."""
    database_pool: int = 12
    """Connections that one process holds at most for acts and queries."""
    housekeeping_seconds: int = 1
    """How often this process tidies up (expired holds, the journal's order, old keys); 0: never."""
    chart: Literal["retail", "ifrs", "us"] = "retail"
    """The chart of accounts that a new business begins with."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are still logged."""
    log_format: Literal["json", "text"] = "json"
    """`json` for machines, `text` for people."""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise Trouble(
                f"PORT is {self.port}, but ports go from 1 to 65535.", "Set PORT to a free port, or unset it."
            )
        if not 1 <= self.database_pool <= 1000:
            raise Trouble(f"DATABASE_POOL is {self.database_pool}.", "Set it to a number from 1 to 1000, or unset it.")
        for name, url in (("DATABASE_URL", self.database_url), ("DATABASE_ADMIN_URL", self.database_admin_url)):
            if url is not None and not url.startswith(("postgresql://", "postgres://")):
                raise Trouble(
                    f"{name} is no Postgres address.", f"Set {name} to postgresql://user:password@host/database."
                )
        if self.database_admin_url and not self.database_url:
            raise Trouble("DATABASE_ADMIN_URL is set, but DATABASE_URL is not.", "Set both, or neither.")


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. An empty variable counts as not set.

    Raises Trouble that names the variable when a value cannot be used.
    """
    surroundings = os.environ if environment is None else environment
    given = {name: value for name, value in surroundings.items() if value.strip()}
    known = {
        field.encode_name: given[field.encode_name]
        for field in msgspec.structs.fields(Settings)
        if field.encode_name in given
    }
    try:
        return msgspec.convert(known, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        name = str(error).rpartition("`$.")[2].rstrip("`") or "a setting"
        raise Trouble(f"The environment variable {name} cannot be used: {error}.", "Correct it or unset it.") from None
