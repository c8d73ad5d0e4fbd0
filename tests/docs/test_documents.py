"""What the documents name exists, and what exists is named: commands, targets, settings, tables."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import duckdb
import pytest
import typer.main

from orchestration.cli.app import app
from orchestration.cli.summary import QUERIES
from orchestration.settings import ENVIRONMENT_ONLY, variable_names
from reverse_etl.ledger import Ledger

ROOT = Path(__file__).parents[2]
WRITTEN = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
    *sorted(ROOT.glob("dlt_sources/*/README.md")),
]
BY_HAND = [path for path in WRITTEN if "reference" not in path.parts]
# Switches of the tests themselves; no settings of the product.
OF_THE_TESTS = {"LOYALTY_REQUIRE_BROWSER", "LOYALTY_WRITE_FAULT_TABLE"}
COMMANDS = typer.main.get_command(app)
assert isinstance(COMMANDS, click.Group) or hasattr(COMMANDS, "commands")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(path: Path) -> Iterator[str]:
    """Everything a reader may copy: code spans, and the lines of code blocks without comments."""
    prose = []
    inside = False
    for line in path.read_text().splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif inside:
            yield from (part.strip() for part in line.split(" #")[0].split("&&"))
        else:
            prose.append(line)
    yield from re.findall(r"`([^`]+)`", "\n".join(prose))


def typed(path: Path, program: str) -> Iterator[list[str]]:
    """Arguments of each call of `program` that a document shows."""
    for text in code(path):
        words = text.removeprefix("$ ").removeprefix(".venv/bin/").split()
        if words and words[0] == program:
            yield words[1:]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools/generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def manifest(generator: ModuleType) -> Mapping[str, Any]:
    found: Mapping[str, Any] = generator._manifest()
    return found


@pytest.mark.parametrize("path", BY_HAND, ids=name)
def test_every_make_target_that_a_document_names_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in typed(path, "make"):
        assert not words or words[0] in targets, f"make {' '.join(words)}"


def test_make_help_explains_each_of_at_most_a_dozen_targets() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):(.*)$", text, re.MULTILINE)
    assert len(targets) <= 12
    silent = [target for target, rest in targets if "## " not in rest]
    assert silent == []
    done = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [line.split()[1] for line in done.stdout.splitlines()] == [t for t, _ in targets]


@pytest.mark.parametrize("path", BY_HAND, ids=name)
def test_every_loyalty_command_that_a_document_names_exists_with_its_options(path: Path) -> None:
    of_sandbox = subprocess.run(
        [sys.executable, "-m", "sandbox", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for words in typed(path, "loyalty"):
        known = {option for p in COMMANDS.params for option in p.opts}
        for word in words:
            if word.startswith("--"):
                assert word in known or ("sandbox" in words and word in of_sandbox), words
            elif word in COMMANDS.commands:  # type: ignore[attr-defined]
                command = COMMANDS.commands[word]  # type: ignore[attr-defined]
                known |= {option for p in command.params for option in p.opts}
        plain = [word for word in words if not word.startswith("--")]
        assert not plain or plain[0] in COMMANDS.commands, words  # type: ignore[attr-defined]


def test_the_readme_names_every_command() -> None:
    named = {word for words in typed(ROOT / "README.md", "loyalty") for word in words}
    named |= {word for words in typed(ROOT / "README.md", "make") for word in words}
    assert set(COMMANDS.commands) - named == set()  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_every_variable_that_a_document_names_is_a_setting(path: Path) -> None:
    named = set(re.findall(r"\b(?:SMILE|YOTPO|KLAVIYO|RULE|LOYALTY)_[A-Z_]+\b", path.read_text()))
    assert named <= {*variable_names().values(), *ENVIRONMENT_ONLY} | OF_THE_TESTS


@pytest.mark.parametrize("document", [".env.example", "docs/reference/settings.md"])
def test_every_setting_is_documented(document: str) -> None:
    text = (ROOT / document).read_text()
    assert [v for v in variable_names().values() if not re.search(rf"\b{v}\b", text)] == []


def test_variables_that_only_the_environment_gives_are_documented_and_read() -> None:
    reference = (ROOT / "docs/reference/settings.md").read_text()
    sources = [*ROOT.glob("orchestration/**/*.py"), *ROOT.glob("dbt_project/*.yml")]
    for variable in ENVIRONMENT_ONLY:
        assert f"`{variable}`" in reference
        assert any(f"{variable}" in path.read_text() for path in sources)


def test_the_example_file_can_be_used_as_it_is(tmp_path: Path) -> None:
    from orchestration.settings import Settings

    settings = Settings(_env_file=ROOT / ".env.example")  # type: ignore[call-arg]
    assert not any(settings.has_key(v) for v in ("smile", "yotpo", "klaviyo", "rule"))


def test_the_generated_documents_are_current(
    generator: ModuleType, manifest: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "_manifest", lambda: manifest)
    stale = [name(p) for p, text in generator.documents().items() if p.read_text() != text]
    assert stale == [], "run `make docs`"


@pytest.mark.parametrize("path", BY_HAND, ids=name)
def test_every_table_that_a_document_names_is_built(
    path: Path, manifest: Mapping[str, Any]
) -> None:
    built = {node["name"] for node in manifest["nodes"].values()}
    named = {
        span.removeprefix("marts.")
        for span in code(path)
        if re.fullmatch(r"(marts\.)?(dim|fct|kpi|hub|audit|stg|int)_[a-z_]*[a-z]", span)
    }
    assert named <= built


def test_the_readme_names_every_dimension_fact_and_audit(manifest: Mapping[str, Any]) -> None:
    published = {
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "marts"
    }
    readme = set(code(ROOT / "README.md"))
    assert published - readme == set(), "add it to the table, with questions it answers"


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, link


@pytest.mark.parametrize("path", BY_HAND, ids=name)
def test_every_file_that_a_document_names_exists(path: Path) -> None:
    for span in code(path):
        if re.fullmatch(r"[\w.]+(/[\w.]+)+\.(py|yml|md|csv|sql|sh|yaml)", span):
            assert (ROOT / span).exists() or (path.parent / span).exists(), span


def _examples() -> dict[str, str]:
    found = {f"summary: {question}": query for question, query in QUERIES.items()}
    for path in BY_HAND:
        for number, block in enumerate(
            re.findall(r"```sql\n(.*?)```", path.read_text(), re.DOTALL)
        ):
            found[f"{name(path)} {number + 1}"] = block
    return found


@pytest.mark.parametrize("query", _examples().values(), ids=list(_examples()))
def test_every_example_query_runs_on_the_published_columns(
    query: str, manifest: Mapping[str, Any], tmp_path: Path
) -> None:
    with duckdb.connect() as connection:
        Ledger(tmp_path / "ledger.duckdb").export(connection)
        for node in manifest["nodes"].values():
            if node["resource_type"] == "model" and node["schema"] in ("marts", "activation"):
                columns = ", ".join(
                    f'"{c["name"]}" {c["data_type"]}' for c in node["columns"].values()
                )
                connection.execute(f"create schema if not exists {node['schema']}")
                connection.execute(f"create table {node['schema']}.{node['name']} ({columns})")
        connection.execute(query)
