"""The producer inside a host application: says what happens to objects, and never gets in the way.

    api ──► transactions, blocks ──► frozen statements ──► outbox ──► delivery thread ──► server
                                      (host's thread)       │         (redacts, encodes, sends)
                                                            bounded

Nothing here raises into the host, waits for a network or a disk on the host's thread, or runs code of the values
it is given. What is cut, redacted or dropped is marked or counted.
"""
