"""A sender of webhooks that costs little itself: raw HTTP/1.1 over connections that stay open.

Also used by the storm test. Bodies are Yotpo's documented sample of earned points, numbered.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson

SECRET = "storm"  # noqa: S105 - of a receiver that lives for minutes
PATH = "/webhooks/yotpo"
START_SECONDS = 30.0
_REFERRAL_CODE = {
    "code": "117yu4g", "shares": 0, "facebook_shares": 0, "twitter_shares": 0, "email_shares": 0,
    "emails_sent": 0, "emails_viewed": 0, "links_clicked_from_email": 0,
    "links_clicked_from_twitter": 0, "links_clicked_from_facebook": 0, "orders": 0,
    "amount_cents": 0, "average_amount_cents": 0, "expires_at": None, "expired": False,
    "completed_referral_customers": [], "unique_clicks": 0, "total_clicks": 0,
}  # fmt: skip


def body(number: int) -> bytes:
    """Delivery `number`; about 1.4 KiB."""
    email = f"member{number}@mail.loyalty-sandbox.dev"
    moment = "2026-11-15T15:29:27.911Z"
    return orjson.dumps(
        {
            "topic": "swell/points/earned", "name": "Swell Points Earned", "email": email,
            "customer": {
                "total_spend_cents": 0, "total_purchases": 0, "perks_redeemed": 0,
                "last_purchase_at": None, "email": email, "points_earned": 200,
                "points_balance": 200, "points_expire_at": None, "first_name": "Ava",
                "last_name": "Chen", "last_seen_at": moment, "third_party_id": str(number),
                "referral_code": {**_REFERRAL_CODE, "email": email},
            },
            "perk": {
                "id": number, "campaign_id": 1, "merchant_id": 1, "customer_id": number,
                "reward_points": 200, "completed": True, "completed_at": moment, "awarded": True,
                "awarded_at": moment, "pending": False, "reversed": False, "reversed_at": None,
                "expired": False, "expired_at": None, "expires_at": None,
                "redemption_option_id": None, "history_title": "Create an account",
                "created_at": moment,
            },
        }
    )  # fmt: skip


def number_of(content: bytes | str) -> int:
    """Which delivery a body is."""
    return int(orjson.loads(content)["perk"]["id"])


class Connection:
    """One connection to the receiver, opened when needed, kept while it lasts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, content: bytes) -> int:
        """The status of one delivery.

        Raises:
            OSError, EOFError: no answer came; the connection is given up.
        """
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(
                b"POST %b HTTP/1.1\r\nHost: receiver\r\nAuthorization: %b\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (PATH.encode(), SECRET.encode(), len(content), content)
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, EOFError):
            await self.close()
            raise
        if b"connection: close" in head:
            await self.close()
        return int(head.split(b" ", 2)[1])

    async def close(self) -> None:
        """Give the connection up."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Receiver:
    """`loyalty webhooks` as a process of its own.

    Args:
        home: its LOYALTY_HOME.
        port: to listen at.
        before: words of a command that the receiver is started by, `ulimit` say.
    """

    def __init__(self, home: Path, port: int, before: Sequence[str] = ()) -> None:
        environment = {
            **os.environ,
            "LOYALTY_HOME": str(home),
            "LOYALTY_ENV_FILE": os.devnull,
            "YOTPO_WEBHOOK_SECRET": SECRET,
        }
        command = [sys.executable, "-m", "orchestration.cli.app", "webhooks", "--port", str(port)]
        self.process = subprocess.Popen(
            [*before, *command], env=environment, stdout=subprocess.DEVNULL
        )
        self.port = port
        until = time.monotonic() + START_SECONDS
        while not _answers(port):  # it listens from when its inbox is open
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                raise RuntimeError("the receiver did not start")
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
