"""Commands about one person: where the values come from, and erasure."""
