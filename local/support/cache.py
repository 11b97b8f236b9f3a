"""Things that are slow to make, made once per user and kept under the home folder."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name in the cache, filled by `make` unless an earlier call completed it.

    A second process waits for the first; a half-filled folder is emptied and filled again. The cache is
    `TRUSTCAST_CACHE`, or `~/.cache/trustcast`.

    Args:
        name: identifies the content exactly, including versions: the folder is never filled a second time.
        make: fills an empty folder, and may write the folder's path into the content.
    """
    folder = _cache_folder() / name
    complete = folder / ".complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            complete.touch()
    return folder


def _cache_folder() -> Path:
    return Path(os.environ.get("TRUSTCAST_CACHE") or Path.home() / ".cache" / "trustcast")
