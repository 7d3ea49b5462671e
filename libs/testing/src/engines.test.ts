import { LABEL } from '@cronium/contracts';
import { Redis } from 'ioredis';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import {
  createTestDatabase,
  dropKeys,
  leakCheck,
  leaksOfNodes,
  removeAll,
  testDocker,
  testEnvironment,
  testNodeName,
  testPrefix,
  testSubnetRange,
} from './index.ts';

describe('a test’s database', () => {
  it('is empty, its own, and gone afterwards', async () => {
    let name = '';
    {
      await using database = await createTestDatabase();
      name = database.name;
      const client = new pg.Client({ connectionString: database.url });
      // DROP … WITH (FORCE) ends this connection on purpose.
      client.on('error', () => undefined);
      await client.connect();
      const { rows } = await client.query('SELECT current_database() AS name');
      expect(rows).toEqual([{ name }]);
    }
    const admin = new pg.Client({ connectionString: testEnvironment().databaseUrl });
    await admin.connect();
    const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    await admin.end();
    expect(rowCount).toBe(0);
  });
});

describe('a test’s keys', () => {
  it('are dropped by prefix, and only those', async () => {
    const [mine, other] = [testPrefix(), testPrefix()];
    const valkey = new Redis(testEnvironment().valkeyUrl);
    try {
      await valkey.mset(`${mine}:a`, '1', `${mine}:b`, '2', `${other}:a`, '3');
      expect(await dropKeys(mine)).toBe(2);
      expect(await valkey.exists(`${mine}:a`, `${other}:a`)).toBe(1);
      expect(await dropKeys(other)).toBe(1);
    } finally {
      valkey.disconnect();
    }
  });
});

describe('the leak check', () => {
  it('names what carries the node’s label, and nothing after a clean-up', async () => {
    const docker = testDocker();
    const [node, other] = [testNodeName(), testNodeName()];
    const Labels = { [LABEL.node]: node };
    await docker.createVolume({ Name: `${node}-volume`, Labels });
    await docker.createNetwork({
      Name: `${node}-network`,
      Labels,
      Internal: true,
      IPAM: { Driver: 'default', Config: [{ Subnet: testSubnetRange().replace('/20', '/28') }] },
    });
    const found = [`network ${node}-network`, `volume ${node}-volume`];
    expect(await leakCheck(docker, node)).toEqual(found);
    expect(await leaksOfNodes(docker, node.slice(0, -2))).toEqual(found);
    expect(await leakCheck(docker, other)).toEqual([]);
    await removeAll(docker, node);
    expect(await leakCheck(docker, node)).toEqual([]);
  });
});
