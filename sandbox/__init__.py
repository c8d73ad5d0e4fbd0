"""The four vendor APIs, simulated on loopback and driven by a real purchase history.

Owns the simulated shop, both loyalty programmes and the vendor-side state. It imports nothing of
the product: the product meets it only through HTTP. Start it with `python -m sandbox`.
"""
