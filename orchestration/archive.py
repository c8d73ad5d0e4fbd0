"""The archive of a backup: how it is written, and how it is checked to the last byte.

A tar under zstd. Its last member is the manifest with size and SHA-256 of each file before it, so
that an archive that was cut off has none. Knows no more of a home than that it is files.
"""

import hashlib
import os
import sqlite3
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

import duckdb
import orjson
import zstandard

from vendor_http import LoyaltyError

MANIFEST = "manifest.json"
FORMAT = 1
_LEVEL = 3  # of zstd: as fast as a disk, a third of the size
_CHUNK = 1024 * 1024
Say = Callable[[str], None]


class Archive:
    """An archive that is being written; ends with its manifest."""

    def __init__(self, file: IO[bytes]) -> None:
        compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=-1, write_checksum=True)
        self._stream = compressor.stream_writer(file, closefd=False)
        self._sink = _Sink(self._stream)
        self._tar = tarfile.open(  # noqa: SIM115 - closed with this
            fileobj=cast("IO[bytes]", self._sink), mode="w|", format=tarfile.PAX_FORMAT
        )
        self.files: dict[str, dict[str, object]] = {}

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # nobody reads it, and the disk may be full
            self._sink.is_open = False
            self._tar.close()
            return
        manifest = {
            "format": FORMAT,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "product": version("loyalty-warehouse"),
            "duckdb": version("duckdb"),
            "files": self.files,
        }
        content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(content)
        self._tar.addfile(info, BytesIO(content))
        self._tar.close()
        self._stream.flush(zstandard.FLUSH_FRAME)

    def add(self, name: str, path: Path, staging: Path) -> None:
        """Add a file, or an empty folder; what has gone meanwhile is left out."""
        if path.is_dir():  # dlt wants its empty folders back
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o700
            self._tar.addfile(info)
            return
        with suppress(FileNotFoundError):
            if path.suffix == ".db":
                path = _copy_sqlite(path, staging)
            with path.open("rb") as file:
                hashing = _Hashing(file)
                info = tarfile.TarInfo(name)
                info.size = os.fstat(file.fileno()).st_size  # what is appended later stays out
                info.mtime = int(path.stat().st_mtime)
                info.mode = 0o600
                self._tar.addfile(info, hashing)
            self.files[name] = {"bytes": info.size, "sha256": hashing.digest.hexdigest()}


class _Sink:
    """What a tar is written to; of one that is given up nothing is written any more."""

    def __init__(self, stream: zstandard.ZstdCompressionWriter) -> None:
        self._stream = stream
        self.is_open = True

    def write(self, content: bytes) -> int:
        return self._stream.write(content) if self.is_open else len(content)


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.digest.update(content)
        return content


def _copy_sqlite(path: Path, staging: Path) -> Path:
    """A database of Dagster as of one moment, although Dagster goes on writing it."""
    copy = staging / "copy.db"
    copy.unlink(missing_ok=True)
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise LoyaltyError(
            f"{path} cannot be read ({error}); if Dagster cannot either, move it away"
        ) from None
    return copy


@dataclass(frozen=True)
class Contents:
    """What an archive holds, after it was checked.

    Attributes:
        made_at: when the backup ended.
        product: version that made it.
        tables: of each DuckDB file, the number of tables.
    """

    made_at: datetime
    product: str
    files: int
    size_bytes: int
    tables: Mapping[str, int]


def check(archive: Path, folder: Path, say: Say) -> Contents:
    """Unpack into `folder` and check everything.

    Raises:
        LoyaltyError: the archive is damaged or torn, or of a newer release.
    """
    say(f"unpacking {archive.name}")
    try:
        with archive.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            found = _unpack(stream, folder)
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise _damaged(archive, str(error)) from None
    except OSError as error:
        raise LoyaltyError(f"{archive} cannot be unpacked ({error.strerror or error})") from None
    if not (folder / MANIFEST).exists():
        raise _damaged(archive, "its end is missing")
    manifest: dict[str, Any] = orjson.loads((folder / MANIFEST).read_bytes())
    if manifest["format"] > FORMAT:
        raise LoyaltyError(
            f"{archive.name} was made by release {manifest['product']}, which is newer; restore it "
            "with that release"
        )
    wanted = {name: (each["bytes"], each["sha256"]) for name, each in manifest["files"].items()}
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            raise _damaged(archive, f"{name} is not as it was backed up")
    (folder / MANIFEST).unlink()
    tables = {
        str(file.relative_to(folder)): _open(archive, file)
        for file in sorted(folder.rglob("*.duckdb"))
    }
    return Contents(
        datetime.fromisoformat(manifest["made_at"]),
        str(manifest["product"]),
        len(wanted),
        sum(int(size) for size, _ in wanted.values()),
        tables,
    )


def _unpack(stream: Any, folder: Path) -> dict[str, tuple[int, str]]:
    """Size and hash of each file as it came out."""
    found = {}
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            tar.extract(member, folder, filter="data")
            if member.isfile() and member.name != MANIFEST:
                with (folder / member.name).open("rb") as file:
                    digest = hashlib.sha256()
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
                found[member.name] = (member.size, digest.hexdigest())
    return found


def _open(archive: Path, file: Path) -> int:
    """The number of tables; opening also takes in a log that lies beside the file."""
    try:
        file.chmod(0o600)
        with duckdb.connect(str(file)) as connection:
            found = connection.execute("select count(*) from duckdb_tables()").fetchone()
    except duckdb.Error as error:
        raise _damaged(archive, f"{file.name} cannot be opened: {error}") from None
    return int(found[0]) if found else 0


def _damaged(archive: Path, why: str) -> LoyaltyError:
    return LoyaltyError(f"{archive} is damaged ({why}); nothing was changed. Take another backup")
