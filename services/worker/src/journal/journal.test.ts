import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { attemptUpdate, jobSpec } from '@cronium/contracts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Claim, readClaim } from '../claim/claim.ts';
import type { SandboxBinding } from '../sandbox/runtime.ts';
import { Journal } from './journal.ts';
import { loadNodeKey, StateDirError } from './state-dir.ts';

const JOB = 'job_000000000000';
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cronium-journal-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function claimOf(jobId = JOB): Claim {
  const spec = jobSpec.parse({ type: 'script', script: { language: 'bash', source: 'true' } });
  const payload = {
    v: 1,
    spec,
    tenant: 't',
    traceId: '0'.repeat(31).concat('1'),
    receivedAt: 1,
    acceptedAt: 1,
  };
  const job = { id: jobId, data: JSON.stringify(payload), started: 1, keep: true };
  return readClaim(job, { queue: 'default', token: 'n:t', now: 1000 });
}

const BINDING: SandboxBinding = {
  jobId: JOB,
  attempt: 1,
  attemptId: `${JOB}.1`,
  containerId: 'c',
  sidecarId: 's',
  networkId: 'n',
  slot: 'slot_AAAAAAAAAAAA',
  holderId: 'h',
  subnet: '10.201.0.0/28',
  nonce: 'a'.repeat(32),
  image: { reference: 'i', id: 'sha256:1' },
};

test('what was written is there for the next process, phase by phase', () => {
  const claim = claimOf();
  const first = new Journal(folder);
  first.open(claim, 'jti');
  first.bind(claim.attemptId, BINDING);
  first.saveTimeline(claim.attemptId, [{ moment: 'claimed', at: 1 }]);
  first.launched(claim.attemptId);
  first.saveStood(claim.attemptId, { ms: 5, since: 9 });
  first.close();
  const second = new Journal(folder);
  expect(second.entries()).toEqual([
    {
      claim: JSON.parse(JSON.stringify(claim)),
      phase: 'launched',
      binding: BINDING,
      jti: 'jti',
      timeline: [{ moment: 'claimed', at: 1 }],
      stood: { ms: 5, since: 9 },
      unsettled: undefined,
    },
  ]);
  const { attemptId, jobId, attempt, payload, day } = claim;
  const update = attemptUpdate.parse({
    attemptId,
    jobId,
    attempt,
    payload,
    day,
    node: 'n',
    state: 'lost',
    timeline: [],
  });
  second.end(update, { type: 'retry', at: 5, data: '{}' });
  expect(second.entries()[0]).toMatchObject({
    phase: 'ended',
    unsettled: { update, settlement: { type: 'retry', at: 5 } },
  });
  second.forget(attemptId);
  expect(second.entries()).toEqual([]);
  second.close();
});

test('what is forgotten is gone when its attempt begins anew, and when the process ends', () => {
  const claim = claimOf();
  const first = new Journal(folder);
  first.open(claim, 'jti');
  first.bind(claim.attemptId, BINDING);
  first.forget(claim.attemptId);
  first.saveTimeline(claim.attemptId, [{ moment: 'claimed', at: 1 }]);
  first.open(claim, 'next');
  expect(first.entries()).toMatchObject([
    { phase: 'claimed', jti: 'next', binding: undefined, timeline: [] },
  ]);
  first.forget(claim.attemptId);
  first.close();
  const second = new Journal(folder);
  expect(second.entries()).toEqual([]);
  second.close();
});

test('many timelines and forgotten attempts are one write, a moment later', () => {
  vi.useFakeTimers();
  const claims = Array.from({ length: 20 }, (_, index) => claimOf(`job_${String(index).padStart(12, '0')}`));
  const journal = new Journal(folder);
  const written = () => statSync(join(folder, 'node.db-wal')).size;
  for (const claim of claims) journal.open(claim, 'jti');
  const before = written();
  for (const { attemptId } of claims) {
    journal.saveTimeline(attemptId, [{ moment: 'claimed', at: 1 }]);
    journal.forget(attemptId);
  }
  expect(written()).toBe(before);
  vi.runAllTimers();
  vi.useRealTimers();
  expect(written()).toBeGreaterThan(before);
  journal.close();
});

test('a record that cannot be read is forgotten, and the others are not', () => {
  const [first, second] = [claimOf(), claimOf('job_000000000001')];
  const written = new Journal(folder);
  for (const claim of [first, second]) written.open(claim, 'jti');
  written.close();
  const database = new DatabaseSync(join(folder, 'node.db'));
  database.prepare('UPDATE attempts SET claim = ? WHERE attempt_id = ?').run('{', first.attemptId);
  database.close();
  const journal = new Journal(folder);
  for (const _ of [1, 2]) expect(journal.entries().map(({ claim }) => claim.jobId)).toEqual([second.jobId]);
  journal.close();
});

test('a second worker on the same state directory is refused with what to do', () => {
  const first = new Journal(folder);
  expect(() => new Journal(folder)).toThrow(StateDirError);
  expect(() => new Journal(folder)).toThrow(/in use by another worker.*CRONIUM_STATE_DIR/);
  first.close();
  new Journal(folder).close();
});

test('a state database that is no database is refused with its path', () => {
  writeFileSync(join(folder, 'node.db'), 'not a database, but long enough to look like one'.repeat(100));
  expect(() => new Journal(folder)).toThrow(/node\.db cannot be opened/);
});

test('the node’s key is made once and readable by its owner alone', async () => {
  const key = await loadNodeKey(folder);
  expect(await loadNodeKey(folder)).toEqual(key);
  expect(statSync(join(folder, 'node-key.json')).mode & 0o777).toBe(0o600);
  writeFileSync(join(folder, 'node-key.json'), '{}');
  await expect(loadNodeKey(folder)).rejects.toThrow(/is not a node key/);
});

test('a closed journal takes nothing any more, and says nothing of it', () => {
  const claim = claimOf();
  const first = new Journal(folder);
  first.open(claim, 'jti');
  first.close();
  first.bind(claim.attemptId, BINDING);
  first.saveStop(claim.attemptId, { type: 'cancelled', by: 'ada' });
  first.forget(claim.attemptId);
  const second = new Journal(folder);
  expect(second.entries()).toMatchObject([{ phase: 'claimed', binding: undefined, stop: undefined }]);
  second.saveStop(claim.attemptId, { type: 'cancelled', by: 'ada' });
  expect(second.entries()).toMatchObject([{ stop: { type: 'cancelled', by: 'ada' } }]);
  second.close();
});
