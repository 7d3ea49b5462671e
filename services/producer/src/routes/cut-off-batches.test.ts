import { batchIdForKey, jobIdForLine, problem } from '@cronium/contracts';
import { describe, expect, it } from 'vitest';
import { accepted, cutOff, jobs, KEY, NDJSON, ndjson } from '../test/batches.ts';
import { JOB, startApp } from '../test/harness.ts';

describe('a batch that is cut off', () => {
  it('keeps what was accepted, and is complete without the rest', async () => {
    await using app = await startApp({ limits: { chunkJobs: 2 } });
    const response = await app.post('/v1/batches', cutOff(ndjson(jobs(4)), '{"type":"scri'), NDJSON);
    expect(response.status).toBe(400);
    expect((await app.payloads()).size).toBe(4);
    expect((await app.events()).at(-1)).toMatchObject({ type: 'batch', complete: true, accepted: 4 });
    expect((await app.lines([JOB])).status).toBe(202);
  });

  it('is made whole by sending it again under its key, without a second job for any line', async () => {
    await using app = await startApp({ limits: { chunkJobs: 2 } });
    const all = jobs(7);
    await app.post('/v1/batches', cutOff(ndjson(all.slice(0, 5)), '{'), { ...NDJSON, ...KEY });
    const before = await app.payloads();
    expect(before.size).toBe(4);
    expect((await app.events()).filter((event) => event.type === 'batch')).toMatchObject([
      { complete: false },
    ]);
    const again = await accepted(await app.lines(all, { headers: KEY }));
    expect(again).toMatchObject({ batchId: batchIdForKey('default', 'nightly'), accepted: 7 });
    const after = await app.payloads();
    expect([...after.values()].map(({ spec }) => spec.name).sort()).toEqual(all.map(({ name }) => name));
    for (const [id, payload] of before) expect(after.get(id)).toEqual(payload);
    expect((await app.events()).filter((event) => event.type === 'batch').at(-1)).toMatchObject({
      complete: true,
      accepted: 7,
    });
  });

  it('is not made of two bodies: its key with other jobs is refused, and adds nothing', async () => {
    await using app = await startApp({ limits: { chunkJobs: 2 } });
    const all = jobs(7);
    await accepted(await app.lines(all, { headers: KEY }));
    const before = await app.payloads();
    const other = all.map((job, i) => (i === 5 ? { ...job, name: 'another' } : job));
    const response = await app.lines(other, { headers: KEY });
    expect(response.status).toBe(422);
    expect(problem.parse(await response.json())).toMatchObject({
      type: expect.stringMatching(/idempotency-key-reused$/),
      detail: expect.stringMatching(/from line 5 on/),
    });
    expect(await app.payloads()).toEqual(before);
    const longer = await app.lines([...all, JOB], { headers: KEY });
    expect(longer.status).toBe(422);
    expect(await app.payloads()).toEqual(before);
  });

  it('sent again does not bring back what was cancelled', async () => {
    await using app = await startApp();
    const { batchId } = await accepted(await app.lines(jobs(3), { headers: KEY }));
    const gone = jobIdForLine(batchId, 2);
    await app.valkey.set(app.keys.cancel(gone), '{}');
    await app.valkey.zrem(`${app.prefix}:default:prioritized`, gone);
    await app.valkey.del(`${app.prefix}:default:${gone}`);
    expect(await accepted(await app.lines(jobs(3), { headers: KEY }))).toMatchObject({ accepted: 3 });
    expect([...(await app.payloads()).keys()]).not.toContain(gone);
  });
});
