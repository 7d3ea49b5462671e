import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startProcess } from './process.ts';
import { testSubnetRange } from './subnets.ts';

const script = fileURLToPath(new URL('./fixtures/program.ts', import.meta.url));
const RANGE = /^10\.(19[2-9]|2[0-5]\d)\.(\d+)\.0\/20$/;

describe('testSubnetRange', () => {
  it('never gives one range twice, not even to several processes at once', async () => {
    const options = { script, args: ['subnets', '12'], ready: /^ranges (.*)$/ };
    const programs = await Promise.all([1, 2, 3].map(() => startProcess(options)));
    const own = Array.from({ length: 12 }, testSubnetRange);
    const all = [...own, ...programs.flatMap(({ ready }) => ready?.[1]?.split(' ') ?? [])];
    await Promise.all(programs.map((program) => program.kill()));
    expect(new Set(all).size).toBe(48);
    for (const range of all) expect(range).toMatch(RANGE);
  });

  it('stays out of the fleet’s default range', () => {
    for (let count = 0; count < 40; count++) expect(testSubnetRange()).not.toMatch(/^10\.201\./);
  });
});
