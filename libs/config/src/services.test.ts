import { describe, expect, it } from 'vitest';
import { allConfigs, allVariables, producerConfig, resultsConfig, workerConfig } from './index.ts';

describe('the services’ variables', () => {
  const definitions = Object.entries(allConfigs);

  it.each(definitions)('%s has a sentence and a readable default for each', (_service, { fields }) => {
    for (const [name, { doc, default: given, example, schema }] of Object.entries(fields)) {
      expect(doc, name).toMatch(/^[A-Z].*\.$/s);
      for (const sample of [typeof given === 'object' ? given.value() : given, example]) {
        if (sample !== undefined) expect(schema.safeParse(sample).error, `${name}=${sample}`).toBeUndefined();
      }
    }
  });

  it('start without any variable where nothing is required', () => {
    expect(producerConfig.parse({}).CRONIUM_PORT).toBe(7070);
    expect(workerConfig.parse({})).toMatchObject({
      CRONIUM_PORT: 7072,
      CRONIUM_LOCK_SECONDS: 15,
      CRONIUM_STALLED_CHECK_SECONDS: 5,
      CRONIUM_LOG_MAX_BYTES: 256 * 2 ** 20,
      CRONIUM_SUBNET_RANGE: { address: '10.201.0.0', bits: 16 },
      CRONIUM_SUBNET_SIZE: 28,
      CRONIUM_SHARED_NAMES: [
        { host: 'valkey', port: 6379 },
        { host: 'results', port: 7071 },
      ],
    });
  });

  it('refuse services that have no place in a job’s network, and those that are the fleet’s', () => {
    const problemsOf = (env: Record<string, string>) => {
      try {
        workerConfig.parse(env);
        return '';
      } catch (error) {
        return String(error);
      }
    };
    const same = (count: number) =>
      Array.from({ length: count }, (_, index) => `db${index}=host${index}:5432`).join(',');
    expect(problemsOf({ CRONIUM_SERVICES: same(12) })).toBe('');
    expect(problemsOf({ CRONIUM_SERVICES: same(13) })).toMatch(/13 services share a port.*\/28 has.*12/);
    expect(problemsOf({ CRONIUM_SERVICES: 'cache=valkey:6379,logs=results:7071' })).toMatch(
      /2 problems:\n.*cache is valkey:6379, which the fleet itself needs.*\n.*logs is results:7071/,
    );
    const reached = {
      CRONIUM_VALKEY_URL: 'redis://:secret@Head.internal',
      CRONIUM_SIDECAR_VALKEY_URL: 'rediss://sidecar:-@10.0.0.5:6380',
      CRONIUM_RESULTS_URL: 'https://10.0.0.6',
    };
    for (const own of ['Valkey:6379', 'head.Internal:6379', '10.0.0.5:6380', '10.0.0.6:443'])
      expect(problemsOf({ ...reached, CRONIUM_SERVICES: `x=${own}` })).toContain(
        `x is ${own}, which the fleet itself needs`,
      );
    expect(problemsOf({ ...reached, CRONIUM_SERVICES: 'x=10.0.0.5:5432' })).toBe('');
  });

  it('name the one that results can not do without', () => {
    expect(() => resultsConfig.parse({})).toThrow(/1 problem:\n {2}- CRONIUM_DATABASE_URL is not set/);
  });

  it('are all known to every service, so that one environment can serve all', () => {
    const env = Object.fromEntries([...allVariables()].map((name) => [name, 'x']));
    expect(producerConfig.warnings(env, allVariables())).toEqual([]);
  });
});
