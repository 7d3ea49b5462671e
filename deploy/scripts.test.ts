import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');

test.each(Object.entries(manifest.scripts))('npm run %s names files that are there', (_name, script) => {
  const files = script.split(' ').filter((word) => /^[\w/.-]+\.(ts|mjs)$/.test(word));
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});

test('npm stop stops what npm start starts', () => {
  expect(manifest.scripts.stop).toBe(`${manifest.scripts.start} --stop`);
});
