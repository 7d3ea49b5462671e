import type { JobState } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { CroniumConnectionError } from './errors.ts';
import { type LogSource, logLineBytes, type OpenLog, readLog } from './logs.ts';

const encoder = new TextEncoder();
const line = (seq: number) =>
  `${JSON.stringify({ seq, time: '2026-01-01T00:00:00Z', stream: 'stdout', text: `line ${seq}` })}\n`;

interface Script {
  /** What each opened stream gives; `cut` breaks the connection, `end` ends it in order. */
  readonly streams: readonly { readonly text: string; readonly ending: 'cut' | 'end' }[];
  readonly progress: readonly { readonly attempts: number; readonly state: JobState }[];
}

function scripted({ streams, progress }: Script) {
  const opened: OpenLog[] = [];
  let looks = 0;
  const source: LogSource = {
    async open(open) {
      const step = streams[opened.push(open) - 1];
      if (!step) throw new Error('nothing more was to be opened');
      return streamOf(step);
    },
    async progress() {
      const now = progress[Math.min(looks, progress.length - 1)];
      looks += 1;
      if (!now) throw new Error('no progress was scripted');
      return now;
    },
  };
  return { source, opened };
}

function streamOf({ text, ending }: Script['streams'][number]): ReadableStream<Uint8Array> {
  let sent = text === '';
  return new ReadableStream({
    pull(controller) {
      if (!sent) controller.enqueue(encoder.encode(text));
      else if (ending === 'end') controller.close();
      else controller.error(new TypeError('terminated'));
      sent = true;
    },
  });
}

async function read(source: LogSource, options: Parameters<typeof readLog>[1]): Promise<string[]> {
  const got: string[] = [];
  for await (const one of readLog(source, options)) got.push(`${one.attempt}:${one.seq}`);
  return got;
}

test('without follow the newest attempt is read once', async () => {
  const { source, opened } = scripted({
    streams: [{ text: line(1) + line(2), ending: 'end' }],
    progress: [{ attempts: 2, state: 'running' }],
  });
  expect(await read(source, { stream: 'stdout' })).toEqual(['2:1', '2:2']);
  expect(opened).toMatchObject([{ attempt: 2, after: 0, stream: 'stdout', follow: false }]);
});

test('a connection that breaks within a line is opened again behind the last whole one', async () => {
  const { source, opened } = scripted({
    streams: [
      { text: line(1) + line(2).slice(0, 9), ending: 'cut' },
      { text: line(1) + line(2), ending: 'cut' },
      { text: line(3), ending: 'end' },
    ],
    progress: [
      { attempts: 1, state: 'running' },
      { attempts: 1, state: 'succeeded' },
    ],
  });
  expect(await read(source, { follow: true })).toEqual(['1:1', '1:2', '1:3']);
  expect(opened.map(({ after }) => after)).toEqual([0, 1, 2]);
});

test('a stream that ends in order while the job still runs is opened again', async () => {
  const { source } = scripted({
    streams: [
      { text: line(1), ending: 'end' },
      { text: line(2), ending: 'end' },
    ],
    progress: [
      { attempts: 1, state: 'running' },
      { attempts: 1, state: 'running' },
      { attempts: 1, state: 'failed' },
    ],
  });
  expect(await read(source, { follow: true })).toEqual(['1:1', '1:2']);
});

test('follow waits for the first attempt and goes on with the next after a retry', async () => {
  const { source } = scripted({
    streams: [
      { text: line(1), ending: 'end' },
      { text: line(1), ending: 'end' },
    ],
    progress: [
      { attempts: 0, state: 'queued' },
      { attempts: 1, state: 'running' },
      { attempts: 1, state: 'queued' },
      { attempts: 1, state: 'queued' },
      { attempts: 2, state: 'running' },
      { attempts: 2, state: 'succeeded' },
    ],
  });
  expect(await read(source, { follow: true })).toEqual(['1:1', '2:1']);
});

test('follow of a job that ends without an attempt ends with no line', async () => {
  const { source, opened } = scripted({ streams: [], progress: [{ attempts: 0, state: 'cancelled' }] });
  expect(await read(source, { follow: true })).toEqual([]);
  expect(opened).toEqual([]);
});

test('an abort ends the following with its reason', async () => {
  const { source } = scripted({ streams: [], progress: [{ attempts: 0, state: 'queued' }] });
  const why = new Error('enough');
  await expect(read(source, { follow: true, signal: AbortSignal.abort(why) })).rejects.toBe(why);
});

test('a line gives the bytes that the job wrote, newline and invalid UTF-8 included', () => {
  const base = { seq: 1, time: '2026-01-01T00:00:00Z', stream: 'stdout' } as const;
  expect([...logLineBytes({ ...base, text: 'aé' })]).toEqual([97, 0xc3, 0xa9, 10]);
  expect([...logLineBytes({ ...base, text: '\ufffd', base64: '/w==', partial: true })]).toEqual([0xff]);
});

test('while it is followed, an absence of results is told of once, until it answers again', async () => {
  const call = { service: 'results', method: 'GET', url: 'http://127.0.0.1:1/' } as const;
  const { source } = scripted({
    streams: [{ text: line(1), ending: 'end' }],
    progress: [{ attempts: 1, state: 'succeeded' }],
  });
  let left = 2;
  const shaky: LogSource = {
    ...source,
    async open(options) {
      if (left-- > 0) throw new CroniumConnectionError(call);
      return source.open(options);
    },
  };
  const told: string[] = [];
  const onAway = ({ message }: Error) => void told.push(message);
  expect(await read(shaky, { follow: true, attempt: 1, onAway })).toEqual(['1:1']);
  expect(told).toEqual(['results at http://127.0.0.1:1 cannot be reached: the connection broke']);
});
