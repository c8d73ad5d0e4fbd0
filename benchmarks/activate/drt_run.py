"""drt-core's own Klaviyo destination, in a process of its own that sees drt's folder alone.

    python -I benchmarks/activate/drt_run.py --packages FOLDER --base-url URL --records FILE

Calls the destination's `load` with rows that are in memory already, so neither its source nor its
bookkeeping is measured. Its address is a constant of the module; that alone is replaced. It gets
the whole documented minute, 750 requests; its default is 600.
"""

import argparse
import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Load the records once and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--records", type=Path, required=True)
    options = parser.parse_args()
    sys.path.insert(0, str(options.packages))

    from drt.config.models import KlaviyoDestinationConfig, RateLimitConfig, SyncOptions
    from drt.destinations import klaviyo

    klaviyo._BASE = f"{options.base_url}/klaviyo/api"
    records = json.loads(options.records.read_text())
    config = KlaviyoDestinationConfig(
        type="klaviyo", api_key="key", rate_limit=RateLimitConfig(requests_per_second=12.5)
    )
    began = time.monotonic()
    result = klaviyo.KlaviyoDestination().load(records, config, SyncOptions())
    seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds, "rows": result.success, "failed": result.failed}))


if __name__ == "__main__":
    main()
