import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Answer } from './answers.ts';
import { badRequest, notFound, RefusedError } from './problems.ts';

/** A request whose path was matched. */
export interface Call {
  readonly headers: IncomingHttpHeaders;
  /** The decoded parts of the path that stand for the pattern's `:names`. */
  readonly parts: Readonly<Record<string, string>>;
  /** The body's bytes. */
  readonly body: IncomingMessage;
}

export type Handler<C> = (call: C) => Promise<Answer> | Answer;

/**
 * A route. In the pattern, `:name` matches one part of the path, `*name` the rest of it. A path is matched as it was
 * sent, part by part, before anything is decoded: nobody resolves `..`, and an encoded slash stays inside its part.
 */
export interface Route<C> {
  readonly method: string;
  readonly pattern: string;
  readonly handler: Handler<C>;
}

/** The route of a request, and what its pattern's names stand for. */
export interface Match<C> {
  readonly route: Route<C>;
  readonly parts: Readonly<Record<string, string>>;
}

/**
 * Finds a request's route.
 * @throws RefusedError 400 for a path that can't be decoded, 404, or 405 with the methods that there are
 */
export function findRoute<C>(
  routes: readonly Route<C>[],
  { method, url = '/' }: { method?: string | undefined; url?: string | undefined },
): Match<C> {
  const [path = '/'] = url.split('?', 1);
  const sent = path.split('/').slice(1);
  const matches = routes.flatMap((route) => {
    const parts = matched(route.pattern.split('/').slice(1), sent);
    return parts === undefined ? [] : [{ route, parts }];
  });
  const match = matches.find(({ route }) => route.method === method);
  if (match !== undefined) return { route: match.route, parts: decoded(match.parts) };
  if (matches.length === 0) throw notFound(`There is no ${path.slice(0, 200)} here. See docs/runtime.md.`);
  const allow = matches.map(({ route }) => route.method).join(', ');
  throw new RefusedError('method-not-allowed', {
    status: 405,
    detail: `${path.slice(0, 200)} takes ${allow}.`,
    headers: { allow },
  });
}

function matched(pattern: readonly string[], sent: readonly string[]): Record<string, string> | undefined {
  const parts: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const part = sent[index];
    if (part === undefined) return undefined;
    if (expected.startsWith('*')) {
      parts[expected.slice(1)] = sent.slice(index).join('/');
      return parts;
    }
    if (expected.startsWith(':')) parts[expected.slice(1)] = part;
    else if (expected !== part) return undefined;
  }
  return pattern.length === sent.length ? parts : undefined;
}

function decoded(parts: Readonly<Record<string, string>>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, decodeURIComponent(part)]));
  } catch (cause) {
    throw badRequest('The path is not URL-encoded UTF-8.', { cause });
  }
}
