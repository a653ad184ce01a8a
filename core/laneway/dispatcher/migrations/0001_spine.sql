-- What the dispatcher keeps. Times are epoch seconds, JSON is text. The farm itself lives in memory: it is restored from the
-- jobs' snapshots and the history rows after them.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY,
    created  REAL NOT NULL,
    payload  TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    seq      INTEGER NOT NULL -- the last history row that the snapshot contains
);

CREATE TABLE history (
    seq     INTEGER PRIMARY KEY,
    at      REAL NOT NULL,
    kind    TEXT NOT NULL,
    job     INTEGER,
    attempt INTEGER,
    server  TEXT,
    items   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    actor   TEXT NOT NULL,
    data    TEXT NOT NULL,
    replay  INTEGER NOT NULL
);
CREATE INDEX history_job ON history (job, seq);

-- Attempts that are over; those at work are in memory. lo and hi are positions in the job's plan, half open.
CREATE TABLE attempts (
    id          INTEGER PRIMARY KEY,
    job         INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    lo          INTEGER NOT NULL,
    hi          INTEGER NOT NULL,
    items       TEXT NOT NULL,
    state       TEXT NOT NULL,
    server      TEXT NOT NULL,
    hostname    TEXT NOT NULL,
    lane        INTEGER NOT NULL,
    created     REAL NOT NULL,
    started     REAL,
    finished    REAL NOT NULL,
    fraction    REAL NOT NULL,
    exit        INTEGER,
    signal      INTEGER,
    reason      TEXT,
    cpu_seconds REAL NOT NULL,
    max_rss     INTEGER NOT NULL,
    log_bytes   INTEGER NOT NULL,
    commandline TEXT NOT NULL
);
CREATE INDEX attempts_job ON attempts (job, id);
CREATE INDEX attempts_place ON attempts (job, lo);

CREATE TABLE servers (
    id   TEXT PRIMARY KEY,
    info TEXT NOT NULL
) WITHOUT ROWID;

-- Which job a submission made, by the key that its sender chose: a submission that is repeated makes no second job.
CREATE TABLE submissions (
    key TEXT PRIMARY KEY,
    job INTEGER NOT NULL
) WITHOUT ROWID;

-- Deleted jobs whose history and attempts are still to be removed, a little at a time.
CREATE TABLE doomed (
    job INTEGER PRIMARY KEY
);
