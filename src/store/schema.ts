/**
 * The journal's schema, as the list of steps that made it: `PRAGMA user_version` counts the steps
 * that a file has had. A step that has been released is never changed; what is new is appended.
 */

export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT UNIQUE,
    name TEXT,
    uid INTEGER NOT NULL,
    spec TEXT NOT NULL,                  -- JSON, defaults filled in
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, -- starts tried, fenced ones included
    stopping TEXT,
    stopping_boot_ms INTEGER,            -- CLOCK_BOOTTIME when the stop was asked for
    adopted INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    message TEXT,
    exit_code TEXT,                      -- 'code:signal', '-999:0' unknown, NULL nothing executed
    user_time_ms INTEGER,
    system_time_ms INTEGER,
    max_memory INTEGER,                  -- bytes
    submitted_at INTEGER NOT NULL,       -- ms since 1970, as every *_at and *_time
    started_at INTEGER,
    ended_at INTEGER
  ) STRICT;
  CREATE INDEX jobs_live ON jobs (state) WHERE state IN ('QUEUED', 'STARTING', 'RUNNING');
  CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;

  CREATE TABLE resource_allocations (
    job_id INTEGER PRIMARY KEY REFERENCES jobs (id),
    allocated_cpus INTEGER NOT NULL,
    allocated_memory INTEGER NOT NULL,   -- bytes
    node_name TEXT NOT NULL,
    process_id INTEGER,                  -- the leader
    process_start_ticks INTEGER,
    shim_process_id INTEGER,
    shim_start_ticks INTEGER,
    boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    token TEXT NOT NULL,
    released INTEGER NOT NULL DEFAULT 0,
    released_time INTEGER
  ) STRICT;

  CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    stopping TEXT,
    reason TEXT,
    message TEXT
  ) STRICT;
  CREATE INDEX events_of_job ON events (job_id);

  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN array_id INTEGER; -- the id of its first job; NULL for no array
  ALTER TABLE jobs ADD COLUMN array_index INTEGER;
  ALTER TABLE jobs ADD COLUMN array_size INTEGER;
  ALTER TABLE jobs ADD COLUMN read_bytes INTEGER;
  ALTER TABLE jobs ADD COLUMN written_bytes INTEGER;
  CREATE INDEX jobs_of_array ON jobs (array_id) WHERE array_id IS NOT NULL;

  ALTER TABLE resource_allocations ADD COLUMN cgroup TEXT;  -- its directory, absolute
  ALTER TABLE resource_allocations ADD COLUMN cpu_set TEXT; -- JSON list of the CPUs of a pinned job

  CREATE TABLE pools (
    name TEXT PRIMARY KEY,
    job_limit INTEGER,                   -- jobs at once, NULL for no limit
    paused INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  `,
  `
  CREATE TABLE large_changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    ids TEXT NOT NULL,                   -- JSON list of [first, last]
    done_until INTEGER NOT NULL,         -- rows up to this id are written
    skipped TEXT NOT NULL                -- JSON list of ids above it whose rows are written too
  ) STRICT;

  DROP INDEX jobs_live;
  CREATE INDEX jobs_by_state ON jobs (state);
  CREATE INDEX jobs_by_name ON jobs (name) WHERE name IS NOT NULL;
  CREATE INDEX allocations_held ON resource_allocations (job_id) WHERE released = 0;
  `,
  `
  -- by how many ms the wall clock was ahead of the steady clock (supervisor/steady_time.ts)
  ALTER TABLE jobs ADD COLUMN submitted_ahead INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN ended_ahead INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN elapsed_ms INTEGER; -- from start to end by CLOCK_BOOTTIME, where known
  DROP INDEX jobs_ended;
  CREATE INDEX jobs_by_age ON jobs (ended_at - ended_ahead) WHERE ended_at IS NOT NULL;
  `,
];
