import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const PROGRAM = `
await import(${JSON.stringify(import.meta.resolve('./docker.ts'))});
const { cache, resolve } = (await import('node:module')).createRequire(${JSON.stringify(import.meta.url)});
const modem = Object.keys(cache).filter((file) => file.includes('/docker-modem/'));
const ssh = Object.keys(cache).filter((file) => /\\/ssh2\\/lib\\/(?!index)/.test(file));
console.log(JSON.stringify({ modem: modem.length > 0, ssh }));`;

test('a worker speaks to Docker without loading the SSH client of its library', async () => {
  const args = ['--input-type=module', '--eval', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toEqual({ modem: true, ssh: [] });
});
