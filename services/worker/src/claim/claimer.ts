import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { QueueRecord } from '@cronium/contracts';
import { comesWithin, deadline, graceAfter, pause, waitFor } from '@cronium/lifecycle';
import { type Claim, readClaim } from './claim.ts';
import type { ClaimWatch } from './claim-watch.ts';
import type { Gate } from './gate.ts';
import type { Lease, Leases } from './leases.ts';
import type { JobQueue } from './queue.ts';
import type { Slot, Slots } from './slots.ts';

export interface ClaimerOptions {
  readonly node: string;
  readonly queue: JobQueue;
  readonly record: QueueRecord;
  readonly gate: Gate;
  readonly slots: Slots;
  /** How many jobs are prepared at once: none is claimed that would only wait for the daemon here, and not for another node. */
  readonly preparing: Slots;
  readonly leases: Leases;
  readonly watch: ClaimWatch;
  /** Is the node's name surely this worker's? Asked before each claim; when it is not, the gate is closed. */
  isNameOurs(): Promise<boolean>;
  /** Takes over claim, lease, slot and turn; returns at once. */
  start(claim: Claim, lease: Lease, place: Place): void;
  onError(error: unknown): void;
}

/** What a job takes of its node: a slot until its container has ended, and a turn until it is prepared. */
export interface Place {
  readonly slot: Slot;
  readonly turn: Slot;
}

/** An idle claimer looks at its queue this often even when nothing wakes it: a wake-up can be lost with its receiver. */
const IDLE_MS = 5000;
const ERROR_PAUSE_MS = 500;
const PASS_ON_MS = 1000;
/** When claiming ends, a job that is just being taken gets so long to come; later it is as if the process had died. */
const TAKE_MS = 1000;
/**
 * A job that comes when none waits is prepared before the queue is looked at again, if that takes no longer: to look costs
 * the processors as much as a warm start's own questions.
 */
const FIRST_ALONE_MS = 10;
/** More at once would only share the same processors, and keep jobs from nodes that have some to spare. */
export const PREPARED_AT_ONCE: number = Math.max(8, 2 * availableParallelism());

/** Takes jobs from one queue, as long as the gate is open and a slot is free. Never rejects. */
export async function claimFrom(options: ClaimerOptions, signal: AbortSignal): Promise<void> {
  const { gate, record, slots, queue, watch } = options;
  let nextAt: number | undefined;
  let isEmpty = false;
  using given = graceAfter(signal, TAKE_MS);
  while (!signal.aborted) {
    try {
      const waits = isEmpty;
      // Whatever becomes of the wait, the queue is looked at after it.
      isEmpty = false;
      if (waits) await waitForWork(options, nextAt, signal);
      await gate.open(record.pool, signal);
      const slot = await slots.take(signal);
      const taken = await waitFor(takeInto(slot, options, { signal, given }), given);
      watch.worked(queue.name);
      isEmpty = taken.type === 'empty';
      if (waits && taken.type === 'job') await comesWithin(taken.prepared, FIRST_ALONE_MS, signal);
      nextAt = taken.type === 'empty' ? taken.nextAt : undefined;
    } catch (error) {
      if (signal.aborted) break;
      watch.failed(queue.name, error);
      options.onError(error);
      await pause(ERROR_PAUSE_MS, signal).catch(() => undefined);
    }
  }
  // A wake-up that this claimer swallowed while it stopped goes to another node.
  using limit = deadline(PASS_ON_MS, 'the queue’s other workers could not be woken');
  await waitFor(queue.passOn(), limit).catch(options.onError);
}

type Taken =
  | { readonly type: 'job'; readonly prepared: Promise<void> }
  | { readonly type: 'empty'; readonly nextAt: number | undefined };

async function takeInto(
  slot: Slot,
  options: ClaimerOptions,
  { signal, given }: { readonly signal: AbortSignal; readonly given: AbortSignal },
): Promise<Taken> {
  const { node, queue, gate, record, leases, preparing, isNameOurs } = options;
  let handedOver = false;
  let turn: Slot | undefined;
  try {
    turn = await preparing.take(signal);
    if (!(await isNameOurs()) || !gate.isOpen(record.pool))
      return { type: 'job', prepared: Promise.resolve() };
    const token = `${node}:${randomUUID()}`;
    const since = leases.now();
    const taking = await queue.take(token);
    if (taking.type === 'empty') return taking;
    const claim = readClaim(taking.job, { queue: queue.name, token, now: Date.now() });
    using lease = disposable(leases.hold(claim, await holdsSince(claim, since, options)));
    given.throwIfAborted();
    const prepared = Promise.withResolvers<void>();
    options.start(claim, lease.value, { slot, turn: noted(turn, prepared.resolve) });
    lease.keep();
    handedOver = true;
    return { type: 'job', prepared: prepared.promise };
  } finally {
    if (!handedOver) {
      turn?.release();
      slot.release();
    }
  }
}

/** Calls back when the slot is given back. */
function noted(slot: Slot, onRelease: () => void): Slot {
  const release = () => {
    slot.release();
    onRelease();
  };
  return { release, [Symbol.dispose]: release };
}

/** A lease that is not kept is not renewed either: its job goes to another worker. */
function disposable(value: Lease): Disposable & { readonly value: Lease; keep(): void } {
  let kept = false;
  const keep = () => {
    kept = true;
  };
  const dispose = () => {
    if (!kept) value.release();
  };
  return { value, keep, [Symbol.dispose]: dispose };
}

/** A take that was answered late says little about how long the lock still lives: it is extended to know. */
async function holdsSince(claim: Claim, since: number, options: ClaimerOptions): Promise<number> {
  const { leases, queue } = options;
  if (leases.now() - since < leases.lockMs / 3) return since;
  const again = leases.now();
  const refused = await queue.extend([claim]);
  return refused.length > 0 ? since : again;
}

/** Waits until a job may be there, or it is time to look. */
async function waitForWork(
  options: ClaimerOptions,
  firstAt: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { queue, slots, preparing, gate, record } = options;
  const until = Date.now() + IDLE_MS;
  let nextAt = firstAt ?? Number.POSITIVE_INFINITY;
  for (;;) {
    const milliseconds = Math.min(until, nextAt) - Date.now();
    if (milliseconds <= 1) return;
    const from = await waitFor(queue.waitForWork(milliseconds), signal);
    if (from === undefined) return;
    if (from > Date.now() + 1) {
      nextAt = Math.min(nextAt, from);
      continue;
    }
    // The wake-up was for one of all nodes: when this one has no room after all, another may have.
    if (slots.free === 0 || preparing.free === 0 || !gate.isOpen(record.pool))
      await waitFor(queue.passOn(), signal);
    return;
  }
}
