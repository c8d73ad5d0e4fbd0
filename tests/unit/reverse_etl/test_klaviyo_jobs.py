"""Several import jobs are looked up together; few are asked about one by one."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from reverse_etl.destinations.klaviyo_jobs import JOBS, ImportJobs
from vendor_http import ApiClient


class Account:
    """The jobs of an account: newest first, two to a page, whatever size is asked for."""

    def __init__(self, jobs: Mapping[str, str]) -> None:
        self.jobs = jobs
        self.asked: Counter[str] = Counter()

    def get_json(self, path: str, *, params: Mapping[str, Any] | None = None, **_: Any) -> Any:
        if path != JOBS:
            self.asked["job"] += 1
            status = self.jobs.get(path.rpartition("/")[2])
            return {"data": {"attributes": {"status": status}}} if status else None
        self.asked["list"] += 1
        start = int((params or {}).get("page[cursor]", 0))
        data = [
            {"id": name, "attributes": {"status": status}}
            for name, status in list(self.jobs.items())[start : start + 2]
        ]
        more = start + 2 < len(self.jobs)
        link = f"https://elsewhere/api?page%5Bcursor%5D={start + 2}" if more else None
        return {"data": data, "links": {"next": link}}


def jobs_of(account: Account, *ours: str) -> ImportJobs:
    found = ImportJobs(cast("ApiClient", account))
    for job_id in ours:
        found.add(job_id)
    return found


def test_two_jobs_are_asked_about_one_by_one() -> None:
    account = Account({"b": "processing", "a": "complete"})
    jobs = jobs_of(account, "a", "b")
    assert jobs.attributes("a") == {"status": "complete"}
    assert jobs.attributes("b") == {"status": "processing"}
    assert account.asked == {"job": 2}


def test_many_jobs_are_found_in_the_list_and_it_is_read_no_further_than_needed() -> None:
    account = Account(dict.fromkeys("fedcba", "complete"))
    jobs = jobs_of(account, "c", "d", "e", "f")
    found = [jobs.attributes(name) for name in "cdef"]
    assert found == [{"status": "complete"}] * 4
    assert account.asked == {"list": 2, "job": 2}, "the last two are few again"


def test_a_job_that_the_list_does_not_show_is_asked_about_itself() -> None:
    account = Account(dict.fromkeys("hgfedcba", "processing"))
    jobs = jobs_of(account, "a", "h", "g", "gone")
    assert jobs.attributes("gone") is None
    assert account.asked == {"list": 4, "job": 1}
    assert jobs.attributes("a") == {"status": "processing"}


def test_an_answer_of_the_list_serves_one_question() -> None:
    account = Account(dict.fromkeys("cba", "processing"))
    jobs = jobs_of(account, "a", "b", "c")
    for _ in range(2):
        assert jobs.attributes("a") == {"status": "processing"}
    assert account.asked == {"list": 4}
