import { setTimeout as pause } from 'node:timers/promises';
import { Relay } from './relay.ts';

const SLOW_MS = 300;

/** A Docker daemon that takes its time to rename, and notes in which order what was done. */
export interface SlowRenames extends AsyncDisposable {
  readonly dockerHost: string;
  /** `rename <id>` when its answer came, `remove <id>` when it was asked for. */
  readonly story: readonly string[];
  /** Was the daemon asked to rename it? */
  isAsked(id: string): boolean;
}

export async function slowRenames(dockerHost: string): Promise<SlowRenames> {
  const story: string[] = [];
  const asked = new Set<string>();
  const relay = await Relay.start(dockerHost, (client, daemon) => {
    let renaming: string | undefined;
    return {
      async onRequest(data) {
        const [, method, id = ''] = /^(POST|DELETE) \/containers\/([0-9a-f]{64})/.exec(data.toString()) ?? [];
        if (method === 'DELETE') story.push(`remove ${id}`);
        if (method === 'POST' && data.includes(`${id}/rename`)) {
          renaming = id;
          asked.add(id);
          await pause(SLOW_MS);
        }
        daemon.write(data);
      },
      onReply(data) {
        if (renaming !== undefined) story.push(`rename ${renaming}`);
        renaming = undefined;
        client.write(data);
      },
    };
  });
  return {
    dockerHost: relay.dockerHost,
    story,
    isAsked: (id) => asked.has(id),
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}
