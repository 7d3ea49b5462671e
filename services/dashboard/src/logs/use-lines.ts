import { useEffect, useRef, useState } from 'preact/hooks';
import { client } from '../data/client.ts';
import { LineStore } from './line-store.ts';

/** The lines of an attempt's log; the component is drawn again when some have come. */
export function useLines(job: string, attempt: number): LineStore {
  const [, setVersion] = useState(0);
  const store = useRef<{ readonly name: string; readonly lines: LineStore }>();
  const name = `${job}.${attempt}`;
  if (store.current?.name !== name) {
    store.current?.lines.close();
    const read = (range: { after: number; limit: number; signal: AbortSignal }) =>
      client.explore.logLines(job, { attempt, ...range });
    store.current = { name, lines: new LineStore(read, () => setVersion((version) => version + 1)) };
  }
  useEffect(() => () => store.current?.lines.close(), []);
  return store.current.lines;
}
