import { inject } from 'vitest';

/** The images of the fleet by what they are for; values are references that the test engine has. */
export interface TestImages {
  readonly runtime: string;
  readonly bash: string;
  readonly python: string;
  readonly node: string;
}

/** What the global set-up brought for this run: real engines, shared by all test files. */
export interface TestEnvironment {
  /** Names this run: nodes, processes and folders of its tests carry it, so that what they leave behind is found. */
  readonly runId: string;
  readonly valkeyUrl: string;
  /** An administrator's URL; tests make databases of their own: `createTestDatabase()`. */
  readonly databaseUrl: string;
  /** `unix:///…` */
  readonly dockerHost: string;
  readonly images: TestImages;
  /** Chromium, and what its process needs in its environment; the dashboard is built. */
  readonly browser: { readonly path: string; readonly env: Readonly<Record<string, string>> };
}

declare module 'vitest' {
  interface ProvidedContext {
    cronium: Partial<TestEnvironment>;
  }
}

/**
 * The engines of this run. Only inside vitest.
 * @throws Error on reading one that CRONIUM_TEST_NEEDS left out
 */
export function testEnvironment(): TestEnvironment {
  const brought = inject('cronium');
  const need = <K extends keyof TestEnvironment>(name: K): TestEnvironment[K] => {
    const value: TestEnvironment[K] | undefined = brought[name];
    if (value === undefined) throw new Error(`this run has no ${name}: CRONIUM_TEST_NEEDS left it out`);
    return value;
  };
  return {
    get runId() {
      return need('runId');
    },
    get valkeyUrl() {
      return need('valkeyUrl');
    },
    get databaseUrl() {
      return need('databaseUrl');
    },
    get dockerHost() {
      return need('dockerHost');
    },
    get images() {
      return need('images');
    },
    get browser() {
      return need('browser');
    },
  };
}
