"""The audit ledger: pages, their chain, proofs, and what verifies them.

Intake makes pages here and stores keep them; whoever reads the journal reads them here again. Everything but
`check` is pure: bytes in, bytes out. The format, to the byte, is docs/journal.md.
"""
