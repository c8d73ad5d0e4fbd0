"""Who was erased stays out of every chunk: by key, by mention, in quarantine, whatever the case."""

import orjson
import pyarrow as pa
import pytest

from dlt_sources.declarations import QUARANTINE
from dlt_sources.erased import TAKEN_OUT, Erased, without_mentions
from dlt_sources.smile.resources import CUSTOMERS, POINTS_TRANSACTIONS
from dlt_sources.yotpo.resources import COMPLETED_REFERRALS, CUSTOMER_DETAILS

GONE = "ada@shop.dev"


@pytest.fixture
def erased() -> Erased:
    return Erased({GONE: 0}.get, {"7": 0}.get)


def rows(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def test_a_customer_goes_by_id_and_by_an_e_mail_in_any_spelling(erased: Erased) -> None:
    given = rows(id=["7", "8", "9", None], email=[None, " ADA@Shop.dev ", "b@shop.dev", None])
    kept = erased.without(CUSTOMERS, given)
    assert kept["id"].to_pylist() == ["9", None]
    assert erased.left_out == {0}


def test_a_new_id_of_an_erased_person_is_remembered(erased: Erased) -> None:
    erased.without(CUSTOMERS, rows(id=["7", "8"], email=[GONE, GONE]))
    assert erased.met == {"8": 0}


def test_what_a_member_did_goes_with_the_member(erased: Erased) -> None:
    given = rows(id=["1", "7"], customer_id=["7", "3"], description=["a", f"Thanks, {GONE}!"])
    kept = erased.without(POINTS_TRANSACTIONS, given)
    assert kept.to_pylist() == [
        {"id": "7", "customer_id": "3", "description": f"Thanks, {TAKEN_OUT}!"}
    ]


def test_the_friend_of_a_referral_goes_out_of_the_referrers_details_too(erased: Erased) -> None:
    friends = [{"email": "Ada@shop.dev", "first_name": "Ada"}, {"email": "bo@shop.dev"}]
    link = orjson.dumps({"link": "x.dev/r", "completed_referral_customers": friends}).decode()
    kept = erased.without(
        CUSTOMER_DETAILS, rows(email_key=["c@shop.dev"], email=["c@shop.dev"], referral_link=[link])
    )
    assert orjson.loads(kept["referral_link"].to_pylist()[0]) == {
        "link": "x.dev/r",
        "completed_referral_customers": [{"email": "bo@shop.dev"}],
    }
    given = rows(email_key=["c@shop.dev"] * 2, friend_email=[GONE, "bo@shop.dev"])
    assert erased.without(COMPLETED_REFERRALS, given)["friend_email"].to_pylist() == ["bo@shop.dev"]


def test_a_record_set_aside_goes_when_it_names_the_person_and_stays_when_it_does_not(
    erased: Erased,
) -> None:
    given = rows(
        resource=["customers", "points_products", "points_transactions", "customers"],
        record_id=["7", "7", "1", "8"],
        payload=["{}", "{}", '{"customer_id":7}', '{"mail":"ada@shop.dev"}'],
    )
    assert erased.without(QUARANTINE, given)["resource"].to_pylist() == ["points_products"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nobody here", "nobody here"),
        ("nada@shop.dev", "nada@shop.dev"),
        ("ada@shop.dev.br", "ada@shop.dev.br"),
        ("(ada@shop.dev)", "((erased))"),
        ("mail ADA@SHOP.DEV.", "mail (erased)."),
        ('{"a":"ada@shop.dev"}', '{"a":"(erased)"}'),
        ("{broken ada@shop.dev", "{broken (erased)"),
    ],
)
def test_only_the_very_address_is_taken_out(text: str, expected: str) -> None:
    assert without_mentions(text, {GONE}.__contains__) == expected
