"""No e-mail and no phone number survives in a text that other programs wrote."""

from hypothesis import given
from hypothesis import strategies as st

from orchestration.masking import masked, without_addresses


def test_addresses_go_and_what_an_operator_needs_stays() -> None:
    text = "row 12 of 1,234: 'ava@shop.test' (+46 70-123 45 67)\nsince 2026-11-20 09:59"
    assert masked(text) == "row 12 of 1,234: '***' (***) since 2026-11-20 09:59"
    assert without_addresses("a@b.c\nx") == "***\nx"
    assert masked("x" * 900, 10) == "x" * 10


@given(st.text(), st.emails(), st.text())
def test_an_address_anywhere_is_gone(before: str, address: str, after: str) -> None:
    text = masked(f"{before} {address} {after}", 10_000)
    assert "@" + address.rpartition("@")[2] not in text
