"""The pure fold of records into states, and everything derived from one state.

No I/O, no clock: the same records give the same bytes in any order, on any machine, in any process.
"""
