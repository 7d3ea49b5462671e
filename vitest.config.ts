import { defineConfig } from 'vitest/config';
import { LongestFirst } from './deploy/test/longest-first.ts';

export default defineConfig({
  test: {
    include: ['{libs,services}/*/src/**/*.test.ts', 'deploy/**/*.test.ts', 'images/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/.cronium/**', '**/dist/**'],
    globalSetup: ['deploy/test/global-setup.ts'],
    // Real engines on a busy machine: a limit that only a hang reaches.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
    // Processes, so that a test's crash or leak stays its own.
    pool: 'forks',
    maxWorkers: 2,
    // A file that waits for containers leaves the processor to the others.
    sequence: { hooks: 'stack', sequencer: LongestFirst },
    restoreMocks: true,
  },
});
