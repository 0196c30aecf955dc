"""Records, ids, instants, statuses, pages, conditions and errors: the words everything above speaks.

Nothing here does I/O or knows a store, a server or a projection.
"""
