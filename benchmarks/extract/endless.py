"""Smile in shape, with any number of transactions: `python -m benchmarks.extract.endless`.

Keeps nothing: a page is made from its cursor when it is asked for, by id from the newest down, as
https://dev.smile.io/api/pagination/cursor-pagination documents it. All other listings are empty.
"""

import argparse
from collections.abc import Callable
from urllib.parse import parse_qs

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

_FIRST_ID = 300_000_000
_MEMBERS = 1_000_003
_DESCRIPTIONS = (
    "Placed an order",
    "Redeemed for a coupon worth 50 kr",
    "Birthday",
    "Followed us on a network",
    "Points expired",
)
_JSON = [(b"content-type", b"application/json")]


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    uvicorn.run(
        application(options.rows), host="127.0.0.1", port=options.port, lifespan="off",
        log_level="warning", access_log=False, ws="none",
    )  # fmt: skip


def application(rows: int) -> ASGIApp:
    """The server as an ASGI application."""
    transaction = transactions()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        query = parse_qs(scope["query_string"].decode())
        listing = scope["path"].rpartition("/")[2]
        body, status = b'{"error": {"message": "none"}}', 404
        if listing == "points_transactions":
            following = int(query.get("cursor", [str(rows)])[0])
            body, status = page(transaction, following, int(query["limit"][0])), 200
        elif listing != "points_settings":
            body, status = b'{"%s": [], "metadata": {"next_cursor": ""}}' % listing.encode(), 200
        await send({"type": "http.response.start", "status": status, "headers": _JSON})
        await send({"type": "http.response.body", "body": body})

    return app


def page(transaction: Callable[[int], str], following: int, size: int) -> bytes:
    """Transactions number `following` - 1 and below, and the cursor after them."""
    end = max(0, following - size)
    rows = ",".join([transaction(number) for number in range(following - 1, end - 1, -1)])
    cursor = f'"{end}"' if end else "null"
    return f'{{"points_transactions":[{rows}],"metadata":{{"next_cursor":{cursor}}}}}'.encode()


def transactions() -> Callable[[int], str]:
    """Transaction by number as JSON; later ones have later times, a second apart."""
    days = [f"202{year}-{month:02d}-{day:02d}T" for year in range(4, 7)
            for month in range(1, 13) for day in range(1, 29)]  # fmt: skip
    # 86,400 a day would take 58 days; so spread over all of them.
    per_day = 5_000_000 // len(days) + 1
    times = [f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{second % 1000:03d}Z"
             for second in range(per_day)]  # fmt: skip

    def transaction(number: int) -> str:
        day, second = divmod(number, per_day)
        moment = days[day % len(days)] + times[second]
        return (
            f'{{"id":{_FIRST_ID + number},"customer_id":{number * 7919 % _MEMBERS},'
            f'"points_change":{number % 400 - 100},"description":"{_DESCRIPTIONS[number % 5]}",'
            f'"internal_note":null,"created_at":"{moment}","updated_at":"{moment}"}}'
        )

    return transaction


if __name__ == "__main__":
    main()
