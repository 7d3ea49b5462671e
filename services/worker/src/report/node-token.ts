import { type NodeKey, signNodeToken } from '@cronium/contracts';

/** A token is used for at most this long; results takes it for five minutes. */
const USE_MS = 200_000;

/** Gives the token with which this node speaks to results; signs a new one well before the old one expires. */
export function nodeTokens(key: NodeKey, node: string): () => Promise<string> {
  let current: { readonly token: Promise<string>; readonly until: number } | undefined;
  return () => {
    // By the monotonic clock: a step of the wall clock must not keep an old token in use.
    const now = performance.now();
    if (!current || now >= current.until) current = { token: signNodeToken(key, node), until: now + USE_MS };
    return current.token;
  };
}
