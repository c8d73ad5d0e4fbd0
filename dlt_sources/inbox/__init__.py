"""Webhooks as they arrive: received, kept on disk, and loaded as `raw_<vendor>.webhook_events`.

    sender -> receiver -> store (segments on disk) -> 2xx
                             segments -> rows -> spool -> dlt -> warehouse -> loaded/

The receiver answers only for what is on disk; the loader moves a segment away only after its rows
are in the warehouse. Nothing here is imported eagerly: the receiver must not wait for dlt.
"""
