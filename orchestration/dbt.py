"""How this product calls dbt: project, environment, variables, and a manifest that is never stale.

dbt is reached through its project folder and its manifest only. Its target and logs live under
LOYALTY_HOME, so that the project folder may be read-only.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from graphlib import TopologicalSorter
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from dagster_dbt import DbtProject
from filelock import FileLock

from orchestration.dictionary import Entry, entries, in_one_text
from orchestration.home import Home
from orchestration.publish import DeliveryModel, Described
from orchestration.settings import Settings
from vendor_http import LoyaltyError

PROJECT_FOLDER = Path(__file__).parents[1] / "dbt_project"
DELIVERIES_TAG = "deliveries"
_IGNORED = {"target", "logs", "dbt_packages", "__pycache__"}


def project(home: Home) -> DbtProject:
    """The dbt project with its target under LOYALTY_HOME."""
    return DbtProject(
        project_dir=PROJECT_FOLDER,
        profiles_dir=PROJECT_FOLDER,
        target_path=home.dbt / "target",
    )


def export_environment(home: Home) -> None:
    """Set what `profiles.yml` and dbt itself read; for this process and the dbt it starts."""
    os.environ["LOYALTY_WAREHOUSE"] = str(home.warehouse)
    commands = str(Path(sys.executable).parent)  # dbt lies beside the Python that runs this
    if commands not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = commands + os.pathsep + os.environ.get("PATH", "")
    os.environ["DBT_LOG_PATH"] = str(home.dbt / "logs")
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"


def variables(settings: Settings) -> dict[str, Any]:
    """The dbt variables that come from settings; all others keep their default."""
    return {
        "program_priority": list(settings.program_priority),
        "smile_tier_basis": settings.smile_tier_basis,
    }


def ensure_manifest(home: Home) -> Path:
    """Path of a manifest that matches the project's files; parses the project when it must."""
    home.prepare()
    export_environment(home)
    dbt_project = project(home)
    stamp_file = home.dbt / "manifest.stamp"
    stamp = _fingerprint(PROJECT_FOLDER)
    with FileLock(home.lock("manifest")):
        known = stamp_file.read_text() if stamp_file.exists() else ""
        if known != stamp or not dbt_project.manifest_path.exists():
            _provide(dbt_project, stamp)
            stamp_file.write_text(stamp)
    return dbt_project.manifest_path


def _provide(dbt_project: DbtProject, stamp: str) -> None:
    """Parse, or take what this environment parsed before for another home (demo, tests)."""
    kept = Path(sys.prefix) / "loyalty-manifests" / f"{stamp}.json"
    manifest = dbt_project.manifest_path
    if kept.exists():
        manifest.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, manifest)
        return
    _parse(dbt_project)
    with suppress(OSError):  # an environment that cannot be written is no reason to fail
        kept.parent.mkdir(exist_ok=True)
        temporary = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(manifest, temporary)
        temporary.replace(kept)


def _parse(dbt_project: DbtProject) -> None:
    """Write the manifest; in a process of its own, because dbt keeps a project in memory."""
    target = dbt_project.manifest_path.parent
    folder = str(PROJECT_FOLDER)
    done = subprocess.run(  # noqa: S603 - the dbt beside this Python, fixed arguments
        [
            *(str(Path(sys.executable).parent / "dbt"), "--quiet", "parse"),
            *("--project-dir", folder, "--profiles-dir", folder, "--target-path", str(target)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LoyaltyError(f"The dbt project cannot be parsed: {' '.join(done.stdout.split())}")


def read_manifest(home: Home) -> Mapping[str, Any]:
    """The manifest's content."""
    manifest: Mapping[str, Any] = orjson.loads(ensure_manifest(home).read_bytes())
    return manifest


def descriptions(home: Home) -> dict[tuple[str, str], Described]:
    """What the models' yml says of every table and column, by (schema, table)."""
    return {
        (node["schema"], node["name"]): Described(
            table=_one_line(node["description"]),
            columns={
                name: in_one_text(column)
                for name, column in node["columns"].items()
                if column["description"]
            },
        )
        for node in read_manifest(home)["nodes"].values()
        if node["resource_type"] == "model" and node["description"]
    }


def delivery_models(home: Home) -> list[DeliveryModel]:
    """The models tagged `deliveries` that a build has made, each after those it reads."""
    tagged = {
        unique_id: node
        for unique_id, node in read_manifest(home)["nodes"].items()
        if node["resource_type"] == "model" and DELIVERIES_TAG in node["tags"]
    }
    order = TopologicalSorter(
        {key: set(tagged).intersection(node["depends_on"]["nodes"]) for key, node in tagged.items()}
    )
    compiled = home.dbt / "build" / "compiled"
    found = []
    for node in (tagged[unique_id] for unique_id in order.static_order()):
        file = compiled / node["package_name"] / node["original_file_path"]
        if file.exists():
            found.append(DeliveryModel(node["schema"], node["name"], file.read_text()))
    return found


def dictionary(home: Home) -> list[Entry]:
    """Every property that is written to a vendor, in words."""
    return entries(read_manifest(home))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fingerprint(folder: Path) -> str:
    digest = sha256(str(folder).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _IGNORED.intersection(path.relative_to(folder).parts):
            digest.update(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()
