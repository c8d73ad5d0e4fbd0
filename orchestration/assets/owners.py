"""Who answers for an asset in the UI: whoever makes the tables, or whoever uses what is sent."""

DATA = ["team:data"]
MARKETING = ["team:data", "team:marketing"]
