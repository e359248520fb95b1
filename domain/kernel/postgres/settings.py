"""The server's settings: little memory, no TCP, durable writes, processes that can be recognized."""

from pathlib import Path

from domain.kernel.postgres.places import Place

PORT = 5432
SCARCE = 1024  # megabytes to be had; below, the cache shrinks


def text(place: Place, socket_folder: Path, shared_buffers: int) -> str:
    """The contents of waterline.conf, written at every start because the socket may move."""
    return f"""# Written by Waterline at every start. Your own settings belong at the end of postgresql.conf.
listen_addresses = ''
port = {PORT}
unix_socket_directories = '{socket_folder}'
unix_socket_permissions = 0700
cluster_name = '{title(place)}'
max_connections = 100
shared_buffers = {shared_buffers}MB
jit = off
fsync = on
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = off
log_error_verbosity = terse
"""


def title(place: Place) -> str:
    """The cluster's name, which its processes carry in their titles: so orphans are found after a crash."""
    return f"waterline-{place.mark}"


def shared_buffers() -> int:
    """Megabytes for the cache: 256, or 64 where memory is scarce."""
    return 64 if available() < SCARCE else 256


def available() -> int:
    """Megabytes that this machine or container can still give; plenty where it cannot be told."""
    found = [4 * SCARCE]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit.isdigit():
            found.append(int(limit) // 1024**2)
    except (OSError, ValueError, IndexError):
        pass
    return min(found)
