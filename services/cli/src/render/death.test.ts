import { type DeathRecord, deathRecord } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { explainDeath } from './death.ts';
import { noPaint } from './paint.ts';

const at = '2026-01-01T12:00:00.000Z';
const record = (fields: Partial<Record<keyof DeathRecord, unknown>>): DeathRecord =>
  deathRecord.parse({
    attempt: 1,
    cause: 'exit',
    certainty: 'certain',
    phase: 'main',
    exitCode: 3,
    signal: null,
    message: 'The program ended with exit code 3; see the end of its log for the reason.',
    evidence: {},
    at,
    ...fields,
  });

test('an out-of-memory kill is explained: what happened, what to do, how that is known, the last words', () => {
  const death = record({
    cause: 'oom',
    exitCode: 137,
    signal: 'SIGKILL',
    message: 'The job needed more memory than its limit of 32 MiB and was killed by the kernel; raise it.',
    evidence: {
      oomKilled: true,
      oomKills: 1,
      memoryPeakBytes: 33_554_432,
      memoryLimitBytes: 33_554_432,
      mainEnd: 'signalled',
      events: [{ action: 'die', at: Date.parse(at), attributes: { exitCode: '137', name: 'cronium-job-x' } }],
      logTail: ['allocating\u001b[2J'],
      host: { load1: 2.345, freeBytes: 2 ** 30, totalBytes: 2 ** 33, memoryPressurePercent: 12.5 },
    },
  });
  expect(explainDeath(death, noPaint)).toEqual([
    'Attempt 1 ran out of memory, in its main program. That is certain.',
    death.message,
    '',
    'How this is known:',
    '  - the exit code was 137, which stands for SIGKILL',
    "  - the main program's parent process saw it die of a signal",
    '  - the kernel killed 1 of its processes for want of memory (the 32 MiB that it may use)',
    '  - it had used up to 32 MiB of the 32 MiB that it may use when that was last read',
    '  - Docker, 12:00:00.000: die (exitCode 137)',
    '  - its host had a load of 2.3, 1024 MiB of 8192 MiB free, memory pressure of 12.5 %',
    `  - all this was recorded at ${at}`,
    '',
    'The last that it printed:',
    '    allocating␛[2J',
  ]);
});

test('a guess is said to be one, and what nobody knows is not said', () => {
  const death = record({ certainty: 'unknown', phase: 'preparing', exitCode: null, message: 'Something.' });
  expect(explainDeath(death, noPaint)).toEqual([
    'Attempt 1 ended by itself, with a failure, while its sandbox was prepared. That is the best guess; nothing proves it.',
    'Something.',
    '',
    'How this is known:',
    `  - all this was recorded at ${at}`,
  ]);
});

test('evidence of another version shows as it is', () => {
  const death = record({ evidence: { events: ['odd\nevent'], oomKilled: false } });
  expect(explainDeath(death, noPaint)).toContain('  - "odd\\nevent"');
  expect(explainDeath(death, noPaint)).toContain('  - no process of it was killed for want of memory');
});
