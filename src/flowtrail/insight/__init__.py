"""Arithmetic on what the store counted, and on its rows: statistics, the flow graph, what is normal.

Everything here is exact where it counts and adds; percentiles of cells are within 2.2 % of the nearest rank.
"""
