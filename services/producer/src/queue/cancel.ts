import {
  BATCH_CANCELLED,
  CANCEL_KEPT_SECONDS,
  type CancelRequest,
  type ControlMessage,
  type FleetEvent,
} from '@cronium/contracts';
import type { Caller } from '../auth.ts';
import { withValkey } from '../valkey/connection.ts';
import type { FleetQueues } from './queues.ts';

/**
 * Asks for a job's end. The key is what counts: a worker looks at it when it claims the job and while it runs it. The
 * event makes results cancel the job if it still waits (results has read its payload by then, because events are read in
 * order; so it isn't taken out of the queue here). The message makes it quick.
 */
export async function requestCancel(
  queues: FleetQueues,
  jobId: string,
  { by, reason, told }: { by: Caller; reason?: string; told?: FleetEvent },
): Promise<void> {
  const at = Date.now();
  const request: CancelRequest = { by: by.name, ...(reason !== undefined && { reason }), at };
  const message: ControlMessage = { type: 'cancel', jobId };
  await withValkey(async () => {
    await queues.valkey.set(queues.keys.cancel(jobId), JSON.stringify(request), 'EX', CANCEL_KEPT_SECONDS);
    await queues.announce([
      { type: 'cancel', jobId, tenant: by.tenant, by: by.name, ...(reason !== undefined && { reason }), at },
      ...(told ? [told] : []),
    ]);
    await queues.valkey.publish(queues.keys.control, JSON.stringify(message));
  });
}

/**
 * Asks for the end of all jobs of a batch that were accepted so far. The batch's key is what counts: a worker looks at it
 * when it claims a job and while it runs it. On the event results cancels each job of the batch that still waits. The
 * message makes it quick.
 */
export async function requestBatchCancel(
  queues: FleetQueues,
  batchId: string,
  { by, told }: { by: Pick<Caller, 'name' | 'tenant'>; told?: FleetEvent },
): Promise<void> {
  const at = Date.now();
  const request: CancelRequest = { by: by.name, reason: BATCH_CANCELLED, at };
  const message: ControlMessage = { type: 'cancel-batch', batchId };
  await withValkey(async () => {
    await queues.valkey.set(
      queues.keys.cancelBatch(batchId),
      JSON.stringify(request),
      'EX',
      CANCEL_KEPT_SECONDS,
    );
    await queues.announce([
      { type: 'cancel-batch', batchId, tenant: by.tenant, by: by.name, at },
      ...(told ? [told] : []),
    ]);
    await queues.valkey.publish(queues.keys.control, JSON.stringify(message));
  });
}
