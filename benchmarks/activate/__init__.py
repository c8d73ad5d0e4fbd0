"""Delivery at scale: how near the product comes to what Klaviyo and Rule allow.

population   a published file with any number of members, and the same a day later
vendors      a server that keeps the vendors' documented limits exactly and stores nothing
delivery_run plan and send once, in a process of its own
floor        the least number of requests and of seconds that the limits leave
drt_run      `drt-core` with its own Klaviyo destination, in a process of its own
"""
