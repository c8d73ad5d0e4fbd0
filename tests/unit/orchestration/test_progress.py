"""The line that says how far an extraction is."""

from orchestration.progress import Progress


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_records_pages_rate_and_time_left_are_told() -> None:
    said: list[str] = []
    clock = Clock()
    progress = Progress(said.append, clock)
    progress("customers", 250, 1, 1_000)
    clock.now = 10.0
    progress("customers", 500, 2, 1_000)
    assert said[-1] == (
        "500 of 1,000 records, 2 pages, 0.2 pages/s, about 20 s left: customers 500"
    )


def test_the_time_left_is_that_of_the_chain_that_takes_longest() -> None:
    clock = Clock()
    progress = Progress(lambda _: None, clock)
    for chain, expected in (("customers", 1_000), ("points_transactions", 10_000)):
        progress(chain, 0, 1, expected)
    clock.now = 10.0
    progress("customers", 900, 10, 1_000)
    progress("points_transactions", 1_000, 10, 10_000)
    assert "about 90 s left" in progress.text() or "about 2 min left" in progress.text()
    assert progress.text().startswith("1,900 of 11,000 records, 20 pages")


def test_what_an_earlier_process_read_counts_as_read_and_not_for_the_rate() -> None:
    clock = Clock()
    progress = Progress(lambda _: None, clock)
    progress("customer_details", 80_000, 80_000, 100_000)
    clock.now = 100.0
    progress("customer_details", 80_500, 80_500, 100_000)
    text = progress.text()
    assert text.startswith("80,500 of 100,000 records")
    assert "5.0 pages/s" in text
    assert "about 65 min left" in text


def test_without_an_expectation_no_total_and_no_time_is_invented() -> None:
    clock = Clock()
    progress = Progress(lambda _: None, clock)
    progress("customers", 250, 1, None)
    clock.now = 5.0
    progress("customers", 500, 2, None)
    assert "of" not in progress.text().split("records")[0]
    assert "left" not in progress.text()


def test_a_list_longer_than_expected_is_never_more_than_whole() -> None:
    progress = Progress(lambda _: None, Clock())
    progress("customers", 1_200, 5, 1_000)
    assert progress.text().startswith("1,200 of 1,200 records")
