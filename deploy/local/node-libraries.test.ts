import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

const MODULE = pathToFileURL(join(import.meta.dirname, 'node-libraries.mjs')).href;

function evaluate(expression: string): void {
  const code = `import * as libraries from ${JSON.stringify(MODULE)}; ${expression}`;
  const result = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' });
  expect(result.stderr).toBe('');
}

test('a Node.js that lacks a library is started with it, however it is started', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cronium-node-'));
  try {
    const link = join(folder, 'node');
    symlinkSync(process.execPath, link);
    evaluate(`libraries.wrapNode(${JSON.stringify(link)}, '/opt/libs')`);
    const show = ['-p', 'JSON.stringify([process.execPath, process.env.LD_LIBRARY_PATH])'];
    const run = (env: Record<string, string>) =>
      JSON.parse(spawnSync(link, show, { encoding: 'utf8', env }).stdout);
    expect(run({})).toEqual([process.execPath, '/opt/libs']);
    expect(run({ LD_LIBRARY_PATH: '/mine' })).toEqual([process.execPath, '/opt/libs:/mine']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
