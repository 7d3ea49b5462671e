/** The node's own database. Changes come as further entries; an entry that was released is never edited. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE attempts (
    attempt_id TEXT PRIMARY KEY,
    claim TEXT NOT NULL,
    phase TEXT NOT NULL,
    binding TEXT,
    jti TEXT,
    timeline TEXT NOT NULL DEFAULT '[]'
  ) STRICT;
  CREATE TABLE outbox (
    attempt_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    settlement TEXT NOT NULL
  ) STRICT;`,
  'ALTER TABLE attempts ADD COLUMN stood TEXT',
  'ALTER TABLE attempts ADD COLUMN stop TEXT',
];
