"""How fast, how large and how polite extraction is.

`python -m benchmarks.extract` measures three things and writes `benchmarks/results/extract.md`:

    speed    records per second from HTTP to merged in DuckDB, beside dlt's `rest_api` source
    memory   peak memory of an extraction of one, two and five million transactions, and of a sweep
    limits   the share of a documented request rate that is used, and the 429 it costs

Servers run in processes of their own; whatever is measured runs in a fresh one each time.
"""
