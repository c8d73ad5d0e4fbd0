"""The Dagster UI as an operator uses it, in a real browser."""

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import Ui, until

pytestmark = pytest.mark.timeout(480)
PAGE_MS = 60_000  # a page of the UI on a busy machine
RUN_MS = 200_000  # the whole job for a small shop on a busy machine
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


def test_the_job_launches_from_the_ui_and_succeeds(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/locations/loyalty/jobs/refresh_loyalty_job")
    page.get_by_role("button", name="Materialize all").click()
    expect(page.get_by_text(re.compile("Launched run")).first).to_be_visible()
    page.goto(f"{ui.base_url}/runs")
    expect(page.locator('a[href^="/runs/"]').first).to_be_visible()
    verdict = page.get_by_text(re.compile(r"^(Success|Failure)$")).first
    expect(verdict).to_be_visible(timeout=RUN_MS)
    assert verdict.inner_text() == "Success", ui.output.read_text()[-3000:]
    assert (ui.home / "published" / "loyalty.duckdb").exists()


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
    for name in ("planned", "accepted", "rejected", "unchanged", "by_operation"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()


def test_the_schedule_is_there_and_off(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.base_url}/automation")
    expect(page.get_by_text("daily_refresh_loyalty_job").first).to_be_visible()
    switch = page.get_by_role("switch").or_(page.locator('input[type="checkbox"]')).last
    assert not switch.is_checked()


def test_no_address_of_a_person_is_in_dagsters_storage(ui: Ui) -> None:
    import duckdb

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
