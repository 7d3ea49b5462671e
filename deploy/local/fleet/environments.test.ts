import { prepare, producerConfig, resultsConfig, workerConfig } from '@cronium/config';
import { expect, test } from 'vitest';
import {
  type FleetFacts,
  producerEnvironment,
  resultsEnvironment,
  workerEnvironment,
} from './environments.ts';
import { portsFrom } from './ports.ts';

const facts: FleetFacts = {
  env: {
    PATH: '/bin',
    CRONIUM_LOCK_SECONDS: '9',
    CRONIUM_PORT: '1',
    CRONIUM_EGRESS_ALLOW_PRIVATE: '10.1.0.0/16',
  },
  home: '/home/x/.cronium',
  ports: portsFrom(7070, 2),
  valkeyUrl: 'redis://:pw@127.0.0.1:6400',
  databaseUrl: 'postgres://u:p@127.0.0.1:5432/cronium',
  apiKey: 'ck_1',
  secretsKey: Buffer.alloc(32).toString('base64'),
  gateways: ['172.18.0.1'],
};
const worker = {
  node: 'local-2',
  port: 7073,
  dockerHost: 'unix:///var/run/docker.sock',
  network: 'cronium-shared',
};

test('each service accepts its environment', () => {
  const start = (config: Parameters<typeof prepare>[0]['config'], env: Record<string, string>) =>
    prepare({ name: 'x', summary: '', config, main: async () => undefined, args: [], env });
  expect(start(producerConfig, producerEnvironment(facts))).toMatchObject({
    kind: 'run',
    config: { CRONIUM_PORT: 7070 },
  });
  expect(start(resultsConfig, resultsEnvironment(facts))).toMatchObject({
    kind: 'run',
    config: { CRONIUM_PORT: 7071 },
  });
  expect(start(workerConfig, workerEnvironment(facts, worker))).toMatchObject({
    kind: 'run',
    config: {
      CRONIUM_PORT: 7073,
      CRONIUM_LOCK_SECONDS: 9,
      CRONIUM_STATE_DIR: '/home/x/.cronium/nodes/local-2',
    },
  });
});

test('the demo’s web server is the one private address that is added to the operator’s own', () => {
  const { CRONIUM_EGRESS_ALLOW_PRIVATE } = workerEnvironment(facts, worker);
  expect(CRONIUM_EGRESS_ALLOW_PRIVATE).toBe('10.1.0.0/16,172.18.0.1:7089');
});
