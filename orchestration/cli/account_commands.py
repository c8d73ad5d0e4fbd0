"""Commands about accounts: sign in at a vendor, and out again."""

from typing import Annotated

import typer

from orchestration.cli.base import app, console, known, open_home
from orchestration.settings import CONNECTABLE

Vendor = Annotated[str, typer.Argument(help="klaviyo", show_default=False)]


@app.command(rich_help_panel="Accounts")
def connect(
    vendor: Vendor,
    port: Annotated[
        int, typer.Option(help="port of the redirect address on this machine", min=0, max=65535)
    ] = 8766,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="only print the address of the consent page")
    ] = False,
    file: Annotated[
        bool,
        typer.Option("--file", help="keep the tokens in an encrypted file even beside a key store"),
    ] = False,
    seconds: Annotated[int, typer.Option(help="how long to wait for the consent", min=1)] = 300,
) -> None:
    """Sign in at Klaviyo in a browser (OAuth with PKCE) instead of setting a private key."""
    from orchestration.sign_in import sign_in_klaviyo

    known([vendor], CONNECTABLE)
    settings, _ = open_home()
    done = sign_in_klaviyo(
        settings,
        lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
        port=port,
        opens_browser=not no_browser,
        prefers_file=file,
        seconds=seconds,
    )
    where = "the operating system's key store" if done.place == "key store" else "an encrypted file"
    console.print(f"signed in at {done.account}; tokens in {where}", highlight=False, markup=False)
    if settings.klaviyo_api_key is not None:
        console.print("[yellow]KLAVIYO_API_KEY is set and wins over this sign-in[/]")


@app.command(rich_help_panel="Accounts")
def disconnect(vendor: Vendor) -> None:
    """End the sign-in at Klaviyo and forget its tokens."""
    from orchestration.sign_in import sign_out_klaviyo

    known([vendor], CONNECTABLE)
    settings, _ = open_home()
    sign_out_klaviyo(settings)
    console.print(f"signed out at {vendor}; its tokens are revoked and forgotten", highlight=False)
