import { Duplex } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { SidecarLine } from './sidecar-line.ts';
import { SidecarWarnings } from './sidecar-warnings.ts';

afterEach(() => vi.useRealTimers());

/** A sidecar that answers nothing. */
function silentSidecar() {
  const written: string[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk, _, done) => {
      written.push(String(chunk));
      done();
    },
  });
  return { written, socket };
}

test('a question whose asker has gone while it waited is not put to the sidecar', async () => {
  const { written, socket } = silentSidecar();
  const line = new SidecarLine(socket, 'one', () => undefined);
  const first = new AbortController();
  const second = new AbortController();
  const health = line.health(first.signal);
  const unbind = line.ask({ type: 'unbind' }, 'unbound', second.signal);
  await vi.waitUntil(() => written.length > 0);
  second.abort();
  first.abort();
  await expect(health).rejects.toMatchObject({ code: 'sidecar' });
  await expect(unbind).rejects.toMatchObject({ code: 'sidecar' });
  expect(written).toEqual(['{"type":"health"}\n']);
  line.close();
});

test('a sidecar that warns without end is told of twenty times a minute, and then how often more', () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const warnings = new SidecarWarnings(({ msg }) => told.push(msg));
  const warn = (count: number) => warnings.push('{"level":"warn","msg":"w"}\n'.repeat(count));
  warn(1000);
  expect(told).toEqual(Array(20).fill('w'));
  vi.advanceTimersByTime(60_000);
  expect(told.splice(0)).toEqual([...Array(20).fill('w'), '980 more warnings within a minute']);
  warn(20);
  warnings.end();
  expect(told).toEqual(Array(20).fill('w'));
  expect(vi.getTimerCount()).toBe(0);
});
