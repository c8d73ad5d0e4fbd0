"""How the build grows: generated populations of 100 thousand to a million members.

    python -m benchmarks.growth                       # all three, about five minutes
    python -m benchmarks.growth --members 100000

A population is raw tables as extraction leaves them: both programmes, 20 ledger rows a member, 20
rewards, coupons, tiers, referrals; made by SQL from row numbers, so the same size gives the same
rows. The build is the product's own, with all its data tests, in a process of its own.
"""
