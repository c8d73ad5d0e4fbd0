"""The sensor that evaluates alerts once a minute, as long as the daemon runs."""

import dagster as dg

from orchestration.home import Home
from orchestration.operations.alerting import Round, look_and_tell
from orchestration.operations.runbooks import runbook
from orchestration.settings import load_settings
from vendor_http import LoyaltyError

NAME = "alert_sensor"
SECONDS = 60


class AlertsNotDeliveredError(LoyaltyError):
    """A channel took no message; the tick fails, so that the UI shows it."""


def alert_sensor() -> dg.SensorDefinition:
    """Looks at everything and tells what is new; starts no run. On from the beginning: without a
    channel (LOYALTY_ALERT_WEBHOOK, LOYALTY_ALERT_EMAIL_TO) it keeps the book for `loyalty alerts`.
    """

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells Slack and e-mail when something breaks and when it is over, once each. "
        f"Runbook: {runbook('sensor', NAME)}",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = load_settings()
        home = Home(settings.home)
        home.prepare()
        definitions = context.repository_def
        keys = sorted(definitions.asset_graph.asset_check_keys) if definitions else []
        done = look_and_tell(context.instance, home, settings, keys)
        if done.problems:
            raise AlertsNotDeliveredError("; ".join(done.problems))
        return dg.SkipReason(in_words(done))

    return sensor


def in_words(done: Round) -> str:
    """A round in one line."""
    going_on = ", ".join(incident.trouble.key for incident in done.book.open) or "none"
    return f"open incidents: {going_on}; messages sent: {done.told}"
