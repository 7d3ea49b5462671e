import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type AttemptUpdate, attemptUpdate, type TimelineEntry, timelineEntry } from '@cronium/contracts';
import { z } from 'zod';
import type { StoodStill } from '../attempt/job-clock.ts';
import type { Claim } from '../claim/claim.ts';
import type { Stop } from '../outcome/evidence.ts';
import type { SandboxBinding } from '../sandbox/runtime.ts';
import { MIGRATIONS } from './schema.ts';
import { StateDirError } from './state-dir.ts';

/**
 * How far an attempt is known to have come:
 *
 * ```text
 * claimed -> bound -> launched -> ended
 * ```
 *
 * `claimed`: no user code has run and nothing of a log was sent, so the attempt may begin afresh. `bound`: the program may or
 * may not have been sent, or an attempt that came to no program is closing its log. `launched`: it was. `ended`: the
 * log is stored and the outcome stands in the outbox.
 */
export const JOURNAL_PHASES = ['claimed', 'bound', 'launched', 'ended'] as const;
export type JournalPhase = (typeof JOURNAL_PHASES)[number];

/** What is to happen to the job in the queue once results knows the outcome. */
export const settlement = z.discriminatedUnion('type', [
  z.object({ type: z.literal('complete') }),
  z.object({ type: z.literal('retry'), at: z.number(), data: z.string() }),
]);
export type Settlement = z.infer<typeof settlement>;

/** How long what need not be durable at once waits for more of it. */
const GATHER_MS = 50;

/** An outcome that results has not acknowledged, or that the queue does not know yet. */
export interface Unsettled {
  readonly update: AttemptUpdate;
  readonly settlement: Settlement;
}

/** An attempt as the journal has it. */
export interface JournalEntry {
  readonly claim: Claim;
  readonly phase: JournalPhase;
  readonly binding: SandboxBinding | undefined;
  readonly jti: string | undefined;
  readonly timeline: readonly TimelineEntry[];
  readonly stood: StoodStill | undefined;
  /** Why it was being stopped. */
  readonly stop: Stop | undefined;
  readonly unsettled: Unsettled | undefined;
}

/**
 * What this node must remember over its own death: which containers belong to which attempts and lock tokens, and which
 * outcomes are not told yet. Every call is durable when it returns, but for timelines and what is forgotten: those are
 * written a moment later, together, as many attempts of a batch come and go in that time. What is not forgotten yet is
 * told and settled once more by a successor, which changes nothing. One process per state directory.
 */
export class Journal {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof SQL, StatementSync>>;
  /** Timelines that have grown since the last write. */
  readonly #grown = new Map<string, readonly TimelineEntry[]>();
  /** Attempts that are over, and still stand here. */
  readonly #over = new Set<string>();
  readonly #isOwn: boolean;
  #isOpen = true;
  #saving: NodeJS.Timeout | undefined;

  /**
   * @param kept where to write instead, as {@link openJournal} gave it: it stays open, and a successor gets it again
   * @throws StateDirError when another process uses the directory, or it cannot be written
   */
  constructor(stateDir: string, kept?: DatabaseSync) {
    this.#isOwn = kept === undefined;
    this.#database = kept ?? openJournal(join(stateDir, 'node.db'), stateDir);
    const statement = (sql: string) => this.#database.prepare(sql);
    this.#statements = {
      open: statement(SQL.open),
      bind: statement(SQL.bind),
      closing: statement(SQL.closing),
      phase: statement(SQL.phase),
      timeline: statement(SQL.timeline),
      stood: statement(SQL.stood),
      stop: statement(SQL.stop),
      end: statement(SQL.end),
      forget: statement(SQL.forget),
      forgetOutcome: statement(SQL.forgetOutcome),
      all: statement(SQL.all),
    };
  }

  /** An attempt was claimed. */
  open(claim: Claim, jti: string): void {
    if (this.#over.has(claim.attemptId)) this.#save();
    this.#write('open', claim.attemptId, JSON.stringify(claim), jti);
  }

  /** Its sandbox stands; user code may run from now on. */
  bind(attemptId: string, binding: SandboxBinding): void {
    this.#write('bind', JSON.stringify(binding), attemptId);
  }

  /** Its log is about to be closed: an attempt under the same number could not store another. */
  closing(attemptId: string): void {
    this.#write('closing', attemptId);
  }

  launched(attemptId: string): void {
    this.#write('phase', 'launched', attemptId);
  }

  /** @param timeline is read when it is written */
  saveTimeline(attemptId: string, timeline: readonly TimelineEntry[]): void {
    if (this.#over.has(attemptId)) return;
    this.#grown.set(attemptId, timeline);
    this.#saveLater();
  }

  /** How long the attempt's container was held still. */
  saveStood(attemptId: string, stood: StoodStill): void {
    this.#write('stood', JSON.stringify(stood), attemptId);
  }

  /** The attempt is to be stopped: by its exit alone a successor could not tell why it ended. */
  saveStop(attemptId: string, stop: Stop): void {
    this.#write('stop', JSON.stringify(stop), attemptId);
  }

  /** The outcome is durable from here on; it is sent until results acknowledges it. */
  end(update: AttemptUpdate, settlement: Settlement): void {
    this.#write('end', update.attemptId, JSON.stringify(update), JSON.stringify(settlement));
    // The update has it.
    this.#grown.delete(update.attemptId);
  }

  /** Nothing of the attempt is left to do. */
  forget(attemptId: string): void {
    this.#grown.delete(attemptId);
    this.#over.add(attemptId);
    this.#saveLater();
  }

  /**
   * Everything that a former process left, oldest first. A record that this version cannot read is forgotten: its
   * container is removed as one that nobody knows, and its job is run again.
   */
  entries(): JournalEntry[] {
    this.#save();
    return this.#statements.all.all().flatMap((raw) => {
      try {
        return [entryFrom(raw)];
      } catch {
        this.forget(z.object({ attempt_id: z.string() }).parse(raw).attempt_id);
        return [];
      }
    });
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#save();
    this.#isOpen = false;
    if (this.#isOwn) this.#database.close();
  }

  #saveLater(): void {
    this.#saving ??= setTimeout(() => {
      try {
        this.#save();
      } catch {
        // Kept for the next time. What must not be lost is written by calls that say so to their caller.
      }
    }, GATHER_MS);
  }

  #save(): void {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    if (this.#grown.size + this.#over.size === 0 || !this.#isOpen) return;
    this.#transaction(() => {
      for (const [attemptId, timeline] of this.#grown) {
        this.#statements.timeline.run(JSON.stringify(timeline), attemptId);
      }
      for (const attemptId of this.#over) {
        this.#statements.forgetOutcome.run(attemptId);
        this.#statements.forget.run(attemptId);
      }
    });
    this.#grown.clear();
    this.#over.clear();
  }

  /** A closed journal takes nothing any more, as if the process had died: what is under way then is the successor's. */
  #write(name: keyof typeof SQL, ...values: string[]): void {
    if (this.#isOpen) this.#statements[name].run(...values);
  }

  #transaction(run: () => void): void {
    if (!this.#isOpen) return;
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      run();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

const SQL = {
  open: `INSERT INTO attempts (attempt_id, claim, jti, phase) VALUES (?, ?, ?, 'claimed')
    ON CONFLICT (attempt_id) DO UPDATE SET claim = excluded.claim, jti = excluded.jti`,
  bind: `UPDATE attempts SET binding = ?, phase = 'bound' WHERE attempt_id = ?`,
  closing: `UPDATE attempts SET phase = 'bound' WHERE attempt_id = ? AND phase = 'claimed'`,
  phase: 'UPDATE attempts SET phase = ? WHERE attempt_id = ?',
  timeline: 'UPDATE attempts SET timeline = ? WHERE attempt_id = ?',
  stood: 'UPDATE attempts SET stood = ? WHERE attempt_id = ?',
  stop: 'UPDATE attempts SET stop = ? WHERE attempt_id = ?',
  end: `INSERT INTO outbox (attempt_id, body, settlement) VALUES (?, ?, ?)
    ON CONFLICT (attempt_id) DO UPDATE SET body = excluded.body, settlement = excluded.settlement`,
  forget: 'DELETE FROM attempts WHERE attempt_id = ?',
  forgetOutcome: 'DELETE FROM outbox WHERE attempt_id = ?',
  all: `SELECT attempt_id, claim, phase, binding, jti, timeline, stood, stop, body, settlement FROM attempts LEFT JOIN outbox USING (attempt_id)
    ORDER BY attempts.rowid`,
} as const;

const row = z.object({
  claim: z.string(),
  phase: z.enum(JOURNAL_PHASES),
  binding: z.string().nullable(),
  jti: z.string().nullable(),
  timeline: z.string(),
  stood: z.string().nullable(),
  stop: z.string().nullable(),
  body: z.string().nullable(),
  settlement: z.string().nullable(),
});

function entryFrom(raw: unknown): JournalEntry {
  const { claim, phase, binding, jti, timeline, stood, stop, body, settlement: settled } = row.parse(raw);
  return {
    // Claim, binding, standstill and stop were written by this program under this schema version.
    claim: JSON.parse(claim) as Claim,
    phase: body === null ? phase : 'ended',
    binding: binding === null ? undefined : (JSON.parse(binding) as SandboxBinding),
    jti: jti ?? undefined,
    timeline: z.array(timelineEntry).parse(JSON.parse(timeline)),
    stood: stood === null ? undefined : (JSON.parse(stood) as StoodStill),
    stop: stop === null ? undefined : (JSON.parse(stop) as Stop),
    unsettled:
      body === null || settled === null
        ? undefined
        : {
            update: attemptUpdate.parse(JSON.parse(body)),
            settlement: settlement.parse(JSON.parse(settled)),
          },
  };
}

/** Opens the database of a journal: a file, or `:memory:` for one that need not outlive this process. */
export function openJournal(file: string, stateDir: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 1000 });
    // Exclusive: the lock is held until this process ends, however it ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    // Each checkpoint waits for the disk: with 4 KiB a page, after 32 MiB instead of 4.
    database.exec('PRAGMA wal_autocheckpoint = 8192;');
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      throw new StateDirError(
        'STATE_DIR_BUSY',
        `the state directory ${stateDir} is in use by another worker on this machine. Stop that one, or give this one a CRONIUM_STATE_DIR and CRONIUM_NODE of its own.`,
        { cause: error },
      );
    }
    throw new StateDirError(
      'STATE_DIR_UNUSABLE',
      `the state database ${file} cannot be opened. Look at the folder's owner and free space.`,
      { cause: error },
    );
  }
}

const SQLITE_BUSY = 5;

function migrate(database: DatabaseSync): void {
  database.exec('BEGIN EXCLUSIVE');
  const { user_version: version } = z
    .object({ user_version: z.int() })
    .parse(database.prepare('PRAGMA user_version').get());
  for (const sql of MIGRATIONS.slice(version)) database.exec(sql);
  database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  database.exec('COMMIT');
}
