"""The lane server: joins a dispatcher, keeps an engine host per lane, and reports what becomes of each bucket.

`ledger` and `contact` decide and do no I/O; `service` and `lanes` act on what they say.
"""
