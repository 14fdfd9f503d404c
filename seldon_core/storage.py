"""What model classes import to find files: a local path, or a `file://` address of one."""

import logging
from pathlib import Path

__all__ = ["Storage"]

log = logging.getLogger(__name__)

_PREFIX = "file://"


class Storage:
    """Models are downloaded before a container starts; a class is given the local path."""

    @staticmethod
    def download(uri: str, out_dir: str | None = None) -> str:
        """Find the files at `uri`.

        Args:
            uri: a path that exists, or `file://` and a path.
            out_dir: folder that gets links to the files.

        Returns:
            The path, or `out_dir` when it is given.

        Raises:
            RuntimeError: there is nothing at that path.
            ValueError: the address is of another kind.
        """
        path = Path(uri.removeprefix(_PREFIX))
        if not uri.startswith(_PREFIX) and "://" in uri:
            raise ValueError(f"Cannot recognize storage type for {uri}; give a local path, or set modelUri on the node")
        if not path.exists():
            raise RuntimeError(f"Local path {path} does not exist.")
        if out_dir is None:
            return str(path)
        target = Path(out_dir)
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            link = target / file.name
            if not link.exists():
                link.symlink_to(file.resolve())
        log.info("%s holds links to the files of %s", target, path)
        return out_dir
