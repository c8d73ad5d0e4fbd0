"""Four vendors as strangers would serve them: other data, stricter habits, another base path.

Independent of `sandbox/`: shapes come from the vendors' published documents alone. Each vendor
answers exactly what it documents, refuses whatever is not documented (unknown parameter, missing
header, null in a bulk import, a member of the body nobody named) with the documented error, and
writes each breach down in `violations`. Where the documents leave a habit open, it is a flag.
"""
