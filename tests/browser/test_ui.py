"""The Dagster UI as an operator uses it, in a real browser.

With LOYALTY_WRITE_PICTURE=1 the README's picture is made anew, of the published tables' page.
"""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import orjson
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from orchestration.home import Home
from orchestration.slot import writer_slot
from sandbox.control_client import ControlClient
from tests.browser.conftest import Ui, until

pytestmark = pytest.mark.timeout(2100)
PAGE_MS = 120_000  # a page of the UI on a busy machine
RUN_SECONDS = 1500  # the whole job for a small shop: 40 s alone, 430 s beside three test suites
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "dagster.png"
# Read here, because a test sees none of the product's variables.
WRITES_PICTURE = os.environ.get("LOYALTY_WRITE_PICTURE") == "1"
JOB = "refresh_loyalty_job"
GROUPS = (
    *("extract_smile", "extract_yotpo", "staging", "intermediate", "marts", "activation"),
    *("published", "activation_klaviyo", "activation_rule"),
)


@pytest.fixture(scope="module")
def page(ui: Ui, browser_path: str) -> Iterator[Page]:
    """One tab, as an operator keeps it open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        tab = browser.new_page(viewport={"width": 1600, "height": 1000})
        tab.set_default_timeout(PAGE_MS)
        expect.set_options(timeout=PAGE_MS)
        yield tab
        browser.close()


def newest_run(ui: Ui) -> tuple[str, str]:
    """Id and status of the run that was made last; empty before the first."""
    query = "{runsOrError(limit: 1) {... on Runs {results {runId status}}}}"
    answer = httpx.post(f"{ui.base_url}/graphql", json={"query": query}, timeout=60).json()
    found = answer["data"]["runsOrError"]["results"]
    return (found[0]["runId"], found[0]["status"]) if found else ("", "")


def launch(page: Page, ui: Ui) -> str:
    """Launch the refresh as it is offered, wait for its end, and read there how it ended."""
    before, _ = newest_run(ui)
    page.goto(f"{ui.base_url}/locations/loyalty/jobs/{JOB}")
    page.get_by_role("button", name="Materialize all").click()
    expect(page.get_by_text(re.compile("Launched run")).first).to_be_visible()
    page.goto("about:blank")  # a page that shows a run in progress takes half a processor

    def has_ended() -> bool:
        run, status = newest_run(ui)
        return run != before and status in ("SUCCESS", "FAILURE", "CANCELED")

    until(has_ended, RUN_SECONDS, "the end of the run", ui.output)
    page.goto(f"{ui.base_url}/runs/{newest_run(ui)[0]}")
    verdict = page.get_by_text(re.compile(r"^(Success|Failure|Failed)$")).first
    expect(verdict).to_be_visible()
    return verdict.inner_text()


def test_the_job_launches_from_the_ui_and_succeeds(page: Page, ui: Ui) -> None:
    assert launch(page, ui) == "Success", ui.output.read_text()[-3000:]
    assert (ui.home / "published" / "loyalty.duckdb").exists()


@pytest.mark.parametrize("job", [JOB, "quick_refresh_job", "approved_sync_job"])
def test_the_launchpad_opens_with_defaults_that_are_valid(page: Page, ui: Ui, job: str) -> None:
    page.goto(f"{ui.base_url}/locations/loyalty/jobs/{job}")
    page.get_by_role("button", name="Materialize all").click(modifiers=["Shift"])
    expect(page.get_by_text("No errors", exact=True)).to_be_visible()
    # its name begins with that of its icon
    expect(page.get_by_role("button", name=re.compile(r"Materialize$"))).to_be_enabled()
    page.goto("about:blank")


def test_the_graph_shows_every_stage_from_extraction_to_the_vendors(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/asset-groups")
    for group in GROUPS:
        expect(page.get_by_text(group, exact=True).first).to_be_visible()


def test_the_lineage_of_klaviyos_profiles_reaches_both_programmes(page: Page, ui: Ui) -> None:
    page.goto(
        f"{ui.base_url}/assets/klaviyo/profiles?view=lineage&lineageScope=upstream&lineageDepth=20"
    )
    drawn = page.locator("foreignObject")
    for group in GROUPS[:-1]:  # all but Rule's, which is beside the way
        expect(drawn.filter(has_text=group).first).to_be_attached()
    assert drawn.filter(has_text="activation_rule").count() == 0


def test_nothing_asks_the_operator_to_join_a_newsletter(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/assets")
    expect(page.get_by_text("dim_members").first).to_be_visible()
    assert page.get_by_role("dialog").count() == 0


def test_the_checks_of_a_mart_are_visible_and_passed(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/assets/marts/dim_members?view=checks")
    expect(page.get_by_text(re.compile(r"^Checks \(\d+\)$")).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible()
    assert page.get_by_text("Failed", exact=True).count() == 0
    expect(page.get_by_text(re.compile("blocking")).first).to_be_visible()


def test_a_sync_shows_what_was_sent_and_what_became_of_it(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/assets/klaviyo/profiles")
    for name in ("planned", "accepted", "rejected", "with_nothing_to_send", "by_operation"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()


def test_the_schedule_is_there_and_off(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/locations/loyalty/schedules/daily_refresh_loyalty_job")
    expect(page.get_by_text("daily_refresh_loyalty_job").first).to_be_visible()
    switch = page.get_by_role("switch").or_(page.locator('input[type="checkbox"]')).first
    expect(switch).to_be_attached()
    assert not switch.is_checked()


@pytest.mark.parametrize(
    ("asset", "plot"),
    [
        ("published/loyalty", "points_by_day"),
        ("published/loyalty", "rewards_within_reach"),
        ("klaviyo/profiles", "profiles_by_day"),
        ("rule/subscribers", "profiles_by_day"),
    ],
)
def test_an_asset_shows_its_plot(page: Page, ui: Ui, asset: str, plot: str) -> None:
    page.goto(f"{ui.base_url}/assets/{asset}")
    page.locator("tr").filter(has_text=plot).get_by_text("Show Markdown").first.click()
    picture = page.locator("img[src^='data:image/png;base64,']").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 400
    if WRITES_PICTURE and plot == "points_by_day":
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
    page.keyboard.press("Escape")
    assert PICTURE.exists(), "LOYALTY_WRITE_PICTURE=1 makes it"


TWICE = "twice"  # the mark of the planted row


def in_raw_tables(ui: Ui, sql: str) -> None:
    """Change the raw tables behind the product's back."""
    with writer_slot(Home(ui.home)) as warehouse, duckdb.connect(str(warehouse)) as connection:
        connection.execute(sql)


def writes_at_the_vendors(ui: Ui) -> int:
    """Write requests that the simulated Klaviyo and Rule have received so far."""
    address = orjson.loads((ui.home / "sandbox" / "address.json").read_bytes())
    with ControlClient(address["base_url"]) as control:
        counts = control.call("GET", "/requests")
    return sum(int(counts[name]["writes"]) for name in ("klaviyo", "rule"))


def open_checks_of_the_ledger(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/assets/staging/stg_smile__points_transactions?view=checks")
    expect(page.get_by_text(re.compile(r"^Checks \(\d+\)$")).first).to_be_visible()


def test_a_planted_bad_row_turns_its_check_red_and_nothing_leaves(page: Page, ui: Ui) -> None:
    published = ui.home / "published" / "loyalty.duckdb"
    before = published.stat()
    writes = writes_at_the_vendors(ui)
    assert writes
    # A row that came twice, as a load leaves it that was not undone. Of all tables this one is
    # guarded by its check alone; the oldest row is read again by no extraction of today.
    in_raw_tables(
        ui,
        f"""insert into raw_smile.points_transactions by name
        select * replace ('{TWICE}' as internal_note) from raw_smile.points_transactions
        order by created_at, id limit 1""",
    )
    assert launch(page, ui) != "Success"
    open_checks_of_the_ledger(page, ui)
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("blocking")).first).to_be_visible()
    assert published.stat().st_ino == before.st_ino  # readers keep yesterday's tables
    assert published.stat().st_mtime_ns == before.st_mtime_ns
    assert writes_at_the_vendors(ui) == writes


def test_the_check_recovers_with_the_row(page: Page, ui: Ui) -> None:
    published = ui.home / "published" / "loyalty.duckdb"
    before = published.stat().st_mtime_ns
    in_raw_tables(ui, f"delete from raw_smile.points_transactions where internal_note = '{TWICE}'")
    assert launch(page, ui) == "Success", ui.output.read_text()[-3000:]
    open_checks_of_the_ledger(page, ui)
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible()
    assert page.get_by_text("Failed", exact=True).count() == 0
    assert published.stat().st_mtime_ns > before


def test_no_address_of_a_person_is_in_dagsters_storage(ui: Ui) -> None:
    with duckdb.connect(str(ui.home / "published" / "loyalty.duckdb"), read_only=True) as file:
        rows = file.execute(
            "select email from marts.dim_members where email is not null"
        ).fetchall()
    people = [str(row[0]).encode() for row in rows]
    assert people
    for path in (ui.home / "dagster").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [p for p in people if p in content], path


def test_ctrl_c_ends_everything_that_dev_had_started(ui: Ui) -> None:
    assert len(ui.belongings()) > 3
    assert ui.end(signal.SIGINT) == 0, ui.output.read_text()[-2000:]
    assert "Traceback" not in ui.output.read_text()
    until(lambda: not ui.belongings(), 10, "processes that outlived `loyalty dev`")
