import { randomUUID } from 'node:crypto';
import { type ControlMessage, type Keys, type NodeCensus, nodeCensus } from '@cronium/contracts';
import { pause } from '@cronium/lifecycle';
import type { Redis } from 'ioredis';
import { type KnownNode, knownNodes } from '../queue/nodes.ts';

/** A node, and what it said that its Docker runs; `undefined` when it did not say. */
export interface Counted {
  readonly node: string;
  readonly census: NodeCensus | undefined;
}

const ANSWER_MS = 5000;
const LOOK_EVERY_MS = 50;

/** Asks every living node what its Docker runs, and waits a few seconds for the answers. */
export async function takeCensus(valkey: Redis, keys: Keys, signal: AbortSignal): Promise<Counted[]> {
  const nodes = (await knownNodes(valkey, keys)).filter(isAlive).map(({ node }) => node);
  if (nodes.length === 0) return [];
  const message: ControlMessage = { type: 'census', census: randomUUID() };
  await valkey.publish(keys.control, JSON.stringify(message));
  const endsAt = performance.now() + ANSWER_MS;
  for (;;) {
    const texts = await valkey.hmget(keys.census, ...nodes);
    const counted = nodes.map((node, index) => ({ node, census: answerTo(message.census, texts[index]) }));
    if (counted.every(({ census }) => census !== undefined) || performance.now() > endsAt) return counted;
    await pause(LOOK_EVERY_MS, signal);
  }
}

function isAlive({ state }: KnownNode): boolean {
  return state !== 'gone' && state !== 'stopped';
}

function answerTo(census: string, text: string | null | undefined): NodeCensus | undefined {
  if (typeof text !== 'string') return undefined;
  const answer = nodeCensus.safeParse(JSON.parse(text)).data;
  return answer?.census === census ? answer : undefined;
}
