"""The tables of both databases, and the version each was made by.

Names that repeat (tenants, cohorts, groups of cells) are interned as small integers: a transaction's row stands in
five indexes, and every byte in it is paid five times.
"""

from typing import Final

JOURNAL_VERSION: Final = 1
JOURNAL_MIGRATIONS: Final[dict[int, str]] = {}
"""Version -> statements that lead from it to the next. The journal is never made anew: every version has an entry."""
VIEWS_VERSION: Final = 2

_PRODUCERS: Final = """
-- Producer sessions: see `projection.producers`. `lost`: whether something is known to be.
CREATE TABLE producer (
    number INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, name TEXT NOT NULL, lost INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (tenant, name)
);
CREATE INDEX producer_lost ON producer (tenant, name) WHERE lost;
CREATE TABLE producer_chunk (
    producer INTEGER NOT NULL, chunk INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (producer, chunk)
) WITHOUT ROWID;
CREATE TABLE producer_total (tenant INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""

_BY_COHORT: Final = """
-- Counting who of a cohort lasted so long, or is of a version, reads no row.
CREATE INDEX tx_cohort ON tx (cohort, opened, id, ended, version);
"""

_TERM_TOTALS: Final = """
CREATE TABLE term_total (
    tenant INTEGER NOT NULL, term TEXT NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (tenant, term)
) WITHOUT ROWID;
"""

VIEWS_MIGRATIONS: Final[dict[int, str]] = {
    1: _PRODUCERS + _TERM_TOTALS + "DROP INDEX tx_cohort;" + _BY_COHORT
}
"""The same for views. What tables cannot be altered into raises `PROJECTION_VERSION` too: then they are rebuilt."""

JOURNAL: Final = """
CREATE TABLE writer (ordinal INTEGER PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (tenant, name));
CREATE TABLE page (
    number INTEGER PRIMARY KEY, header BLOB NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL,
    secret BLOB NOT NULL, body BLOB NOT NULL
);
"""

VIEWS: Final = (
    """
-- One row: what is visible now, and who may change it.
CREATE TABLE present (
    one INTEGER PRIMARY KEY CHECK (one = 1), generation TEXT NOT NULL, projection INTEGER NOT NULL,
    revision INTEGER NOT NULL, position BLOB NOT NULL, log_from INTEGER NOT NULL,
    epoch INTEGER NOT NULL, holder TEXT, expires INTEGER NOT NULL, ttl INTEGER NOT NULL
);
CREATE TABLE epoch (epoch INTEGER PRIMARY KEY, last INTEGER NOT NULL);

CREATE TABLE tenant (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- Least and most of ended - opened and updated - opened: see `spans`.
CREATE TABLE span (
    tenant INTEGER PRIMARY KEY, ended_least INTEGER NOT NULL, ended_most INTEGER NOT NULL,
    updated_least INTEGER NOT NULL, updated_most INTEGER NOT NULL
);
CREATE TABLE cohort (
    number INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, flow TEXT NOT NULL, type TEXT NOT NULL,
    status TEXT NOT NULL, failures INTEGER NOT NULL, total INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, flow, type, status, failures)
);
CREATE TABLE grp (
    number INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, kind TEXT NOT NULL, parts BLOB NOT NULL,
    UNIQUE (tenant, kind, parts)
);

-- A transaction's header, and where its facts and pieces stand. `marks`, `tick`: see `rows`. `born`, `corrected`: the
-- revisions that made it and last moved its opened instant. `pages`: only of batches that added no piece.
CREATE TABLE tx (
    row INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, id BLOB NOT NULL, opened INTEGER NOT NULL,
    updated INTEGER NOT NULL, tick INTEGER NOT NULL, ended INTEGER, cohort INTEGER NOT NULL, revision INTEGER NOT NULL,
    born INTEGER NOT NULL, corrected INTEGER, deadline INTEGER, created INTEGER, block TEXT, marks INTEGER NOT NULL,
    version TEXT, object TEXT NOT NULL, facts INTEGER NOT NULL, pieces BLOB NOT NULL, pages BLOB
);
CREATE UNIQUE INDEX tx_id ON tx (tenant, id);
CREATE INDEX tx_opened ON tx (tenant, opened, id);
CREATE INDEX tx_tick ON tx (tenant, tick);
CREATE INDEX tx_ended ON tx (tenant, ended, id) WHERE ended IS NOT NULL;
CREATE INDEX tx_late ON tx (tenant, opened, id) WHERE deadline IS NOT NULL AND (ended IS NULL OR ended > deadline);
CREATE INDEX tx_corrected ON tx (tenant, corrected) WHERE corrected IS NOT NULL;
-- Facts and pieces of many transactions: see `bundles`. `held`: how many of them some transaction still has.
CREATE TABLE bundle (row INTEGER PRIMARY KEY, held INTEGER NOT NULL, body BLOB NOT NULL);

CREATE TABLE term (
    tenant INTEGER NOT NULL, term TEXT NOT NULL, opened INTEGER NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (tenant, term, opened, id)
) WITHOUT ROWID;
CREATE TABLE cell (
    grp INTEGER NOT NULL, width INTEGER NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (grp, width, start)
) WITHOUT ROWID;
CREATE TABLE link (
    tenant INTEGER NOT NULL, parent BLOB NOT NULL, child BLOB NOT NULL, relation TEXT NOT NULL,
    PRIMARY KEY (tenant, parent, child, relation)
) WITHOUT ROWID;
CREATE INDEX link_child ON link (tenant, child);
CREATE TABLE definition (
    tenant INTEGER NOT NULL, kind TEXT NOT NULL, name BLOB NOT NULL, at INTEGER NOT NULL, producer TEXT NOT NULL,
    seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tenant, kind, name)
) WITHOUT ROWID;
CREATE TABLE set_aside (
    tenant INTEGER NOT NULL, page INTEGER NOT NULL, leaf INTEGER NOT NULL, id BLOB NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (tenant, page, leaf, id, reason)
) WITHOUT ROWID;
-- `old` and `new`: ids, 16 bytes each, that a revision changed and that it made. `total`: ids logged so far.
CREATE TABLE change (
    revision INTEGER NOT NULL, tenant INTEGER NOT NULL, total INTEGER NOT NULL, old BLOB NOT NULL, new BLOB NOT NULL,
    PRIMARY KEY (revision, tenant)
) WITHOUT ROWID;
"""
    + _PRODUCERS
    + _TERM_TOTALS
    + _BY_COHORT
)
