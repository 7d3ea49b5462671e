import { signNodeToken } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { openService } from '../test/service.ts';
import { NodeKeys } from './node-keys.ts';

test('a token that was good before is refused once its key is another node’s', async () => {
  await using service = await openService();
  const { deps, fleet } = service;
  let nowMs = Date.now();
  const keys = new NodeKeys(deps.valkey, deps.keys, () => nowMs);
  const token = await signNodeToken(fleet.key, 'n1');
  expect(await keys.verifyNode(token)).toBe('n1');
  expect(await keys.verifyNode(token)).toBe('n1');
  await deps.valkey.del(deps.keys.nodes);
  await fleet.heartbeat({ node: 'n2' });
  nowMs += 60_000;
  await expect(keys.verifyNode(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
});
