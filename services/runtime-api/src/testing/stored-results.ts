import { createHash } from 'node:crypto';
import type { Received, ScriptedAnswer, ScriptedResults } from './scripted-results.ts';

interface Variable {
  readonly value: unknown;
  readonly version: number;
}

const ok = (data?: unknown): ScriptedAnswer => ({ status: 200, json: { success: true, data } });
const problem = (status: number, detail: string): ScriptedAnswer => ({ status, json: { status, detail } });

/** Makes scripted results keep variables and answer everything else as results does. */
export function storeVariables(results: ScriptedResults): void {
  const stored = new Map<string, Variable>();
  const set = (key: string, value: unknown): ScriptedAnswer => {
    const variable = { value, version: (stored.get(key)?.version ?? 0) + 1 };
    stored.set(key, variable);
    return ok({ key, ...variable });
  };
  const change = (method: string, key: string, body: Record<string, unknown>): ScriptedAnswer => {
    const before = stored.get(key);
    if (method === 'PUT') {
      const isOther = body.ifVersion !== undefined && body.ifVersion !== (before?.version ?? 0);
      return isOther ? problem(409, `${key} is at version ${before?.version ?? 0}.`) : set(key, body.value);
    }
    if (before === undefined) return problem(404, `There is no variable ${key}.`);
    if (method === 'DELETE') stored.delete(key);
    return ok({ key, ...before });
  };
  results.answer = ({ method, url, body }) => {
    const [, key = '', action] = /\/variables\/([^/]+)(?:\/(\w+))?$/.exec(url) ?? [];
    if (key === '') return answerOther({ url, body });
    const name = decodeURIComponent(key);
    const given = body.length === 0 ? {} : JSON.parse(body.toString());
    const before = stored.get(name)?.value;
    if (action === 'increment') return set(name, Number(before ?? 0) + given.by);
    if (action !== 'append') return change(method, name, given);
    return set(name, before === undefined ? given.text : `${before}${given.separator}${given.text}`);
  };
}

function answerOther({ url, body }: Pick<Received, 'url' | 'body'>): ScriptedAnswer {
  const [, path] = /\/artifacts\/(.+)$/.exec(url) ?? [];
  if (path !== undefined) {
    const sha256 = createHash('sha256').update(body).digest('hex');
    return ok({ path: decodeURIComponent(path), bytes: body.length, sha256 });
  }
  if (url.endsWith('/secrets/TOKEN')) return ok({ name: 'TOKEN', value: ' s3cr€t\n"x"' });
  if (url.endsWith('/tool-actions/execute')) return ok({ status: 200, answer: 'ok' });
  return ok();
}
