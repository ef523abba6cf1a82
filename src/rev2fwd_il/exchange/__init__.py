"""Datasets to and from other projects' formats: one module a format, `conversion.convert_dataset` for all of them.

Every conversion goes through Episodes. A digest of their content travels along, so that what comes back is bit for bit
what went out or is refused.
"""
