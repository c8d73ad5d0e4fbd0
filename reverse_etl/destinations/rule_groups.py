"""Clearing by deleting a group: of one person at Rule, the group of fields that is ours alone.

    GET    /api/v2/subscribers/{e-mail}                        for the numeric id
    DELETE /api/v3/custom-field-data/{id}/group/{group}        then the upsert writes the group anew

Between the two the person has no loyalty values: segments that are computed in that moment see
none. Rule says of neither call when it takes effect, and once called the API deprecated; so this is
switched on on purpose, and a group that Rule does not know gets empty texts as well.
Facts: Rule's SDK (https://github.com/rulecom/rule-io-sdk), `docs/custom-fields.md`.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from reverse_etl.destinations.base import Outcome
from reverse_etl.planned import PlannedRow
from vendor_http import ApiClient, ConfigurationError, RequestRefusedError

SUBSCRIBERS = "/api/v2/subscribers"
FIELD_DATA = "/api/v3/custom-field-data"
OWN_GROUP = "Loyalty"


def find_subscriber(api: ApiClient, email: str) -> Mapping[str, Any] | None:
    """What Rule shows of a person, None for somebody it does not know."""
    answer = api.get_json(
        f"{SUBSCRIBERS}/{quote(email, safe='')}",
        params={"identified_by": "email"},
        accept=(404,),
        name="GET subscriber",
    )
    if answer is None:
        return None
    found = answer.get("subscriber")
    return found if isinstance(found, Mapping) else {}


def erase_group(api: ApiClient, row: PlannedRow, check: Callable[[], None]) -> PlannedRow | Outcome:
    """Delete our group of one person.

    Args:
        check: called before each request; raises when the account has no room for an error.

    Returns:
        the row as its upsert must say it now, or the outcome where there is none to make.

    Raises:
        ConfigurationError: Rule does not offer the deletion.
        VendorUnavailableError: passing trouble outlived the tries; the group may be gone.
    """
    check()
    person = find_subscriber(api, row.email)
    if person is None:
        if row.must_exist:
            return Outcome(row.email, "accepted", "never_created")
        return Outcome(row.email, "accepted", "no_profile") if row.operation == "clear" else row
    identity = person.get("id")
    if identity is None:
        return _with_empty_texts(row)
    check()
    try:
        response = api.send(
            "DELETE",
            f"{FIELD_DATA}/{quote(str(identity), safe='')}/group/{OWN_GROUP}",
            accept=(404,),
            name="DELETE group of fields",
        )
    except RequestRefusedError as refusal:
        if refusal.status in (405, 410, 501):
            raise ConfigurationError(
                f"Rule deletes no groups of fields here ({refusal.status}). Set RULE_CLEARS=empty"
            ) from None
        return Outcome(row.email, "rejected", f"group_refused_{refusal.status}")
    return row if response.is_success else _with_empty_texts(row)


def _with_empty_texts(row: PlannedRow) -> PlannedRow:
    """The row with an empty text for each value of the group that ended."""
    patch = orjson.loads(row.patch)
    ended = [name for name, value in patch.items() if value is None]
    fields = [{"key": n, "value": ""} for n in ended if n.startswith(f"{OWN_GROUP}.")]
    body = orjson.dumps([*orjson.loads(row.body), *fields])
    return row._replace(body=body.decode())
