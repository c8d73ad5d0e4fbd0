"""Events: what members did, told to each destination once.

    contract   the columns of an activation model of events, and what may be sent of them
    plan       rows of the model that nobody has accepted yet, judged and shaped, in DuckDB SQL
    delivery   batches -> destination -> outcome per event -> ledger
    ledger     one row per destination and event: sent, accepted, refused, and why
    engine     one whole sync: pick up, plan, guard, deliver

Unlike a property, an event is never taken back and never changes: one that was accepted is not sent
again, whatever happens to its row. E-mails and payloads live in databases only.
"""
