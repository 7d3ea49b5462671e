import type { Redis } from 'ioredis';

/** What tells whether a job is still where this node had it. */
export interface Retaking {
  readonly jobId: string;
  readonly token: string;
  /** How often the job had been taken when this node took it. */
  readonly started: number;
  readonly lockMs: number;
  /** The queue's keys: the list of its active jobs, and the set of those that its stalled check looks at. */
  readonly keys: { readonly active: string; readonly stalled: string; readonly job: string };
}

/**
 * Sets a lock again that has run out, if nobody took the job in the meantime: it is still among the active ones, and was
 * not taken once more. One script, so that no stalled check and no other worker can come in between.
 */
const SCRIPT = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'ats') ~= ARGV[4] then return 0 end
if not redis.call('LPOS', KEYS[3], ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SREM', KEYS[4], ARGV[3])
return 1`;

/** @returns is the job this node's again? */
export async function retake(connection: Redis, retaking: Retaking): Promise<boolean> {
  const { jobId, token, started, lockMs, keys } = retaking;
  const names = [`${keys.job}:lock`, keys.job, keys.active, keys.stalled];
  const values = [token, String(lockMs), jobId, String(started)];
  return (await connection.eval(SCRIPT, names.length, ...names, ...values)) === 1;
}
