import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

const FIRST = 10 * 2 ** 24 + 192 * 2 ** 16;
const RANGE_SIZE = 2 ** 12;
const RANGES = 1024;
/** 10.201.0.0/16 is the fleet's default range: a local fleet may be using it. */
const DEFAULT_RANGE = { from: 10 * 2 ** 24 + 201 * 2 ** 16, size: 2 ** 16 };

/** One folder for the whole machine: a run's own TMPDIR would hide other runs. */
const CLAIMS = `/tmp/cronium-test-subnets-${process.getuid?.() ?? 0}`;

/**
 * A /20 under 10.192.0.0/10 (`10.192.16.0/20`) that no other living process on this machine was given. It is free again when
 * this process ends. Ranges in which this machine has an address are skipped.
 * @throws Error when all are taken
 */
export function testSubnetRange(): string {
  const start = process.pid % RANGES;
  for (let step = 0; step < RANGES; step++) {
    const slot = (start + step) % RANGES;
    if (isUsable(slot) && claim(slot)) return `${dotted(FIRST + slot * RANGE_SIZE)}/20`;
  }
  throw new Error(`no free /20 under 10.192.0.0/10: every file in ${CLAIMS} belongs to a living process`);
}

/** Removes the claims of processes that are gone; the global set-up calls it at the end. */
export function releaseDeadSubnets(): void {
  try {
    for (const file of readdirSync(CLAIMS))
      if (!ownerLives(file)) rmSync(join(CLAIMS, file), { force: true });
    rmdirSync(CLAIMS);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
}

const claimed = new Set<string>();

/**
 * A claim is a file `<slot>.<pid>`. It is written first and then compared with the others: of two processes that want one
 * slot at the same time at least one sees the other and goes on.
 */
function claim(slot: number): boolean {
  const file = `${slot}.${process.pid}`;
  if (claimed.has(file)) return false;
  writeClaim(file);
  const rivals = readdirSync(CLAIMS).filter((other) => other.startsWith(`${slot}.`) && other !== file);
  if (rivals.some(ownerLives)) {
    rmSync(join(CLAIMS, file), { force: true });
    return false;
  }
  if (claimed.size === 0) process.once('exit', releaseClaims);
  claimed.add(file);
  return true;
}

/** Another run that ends may remove the empty folder between the two calls. */
function writeClaim(file: string): void {
  mkdirSync(CLAIMS, { recursive: true });
  try {
    writeFileSync(join(CLAIMS, file), '');
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    writeClaim(file);
  }
}

function releaseClaims(): void {
  for (const file of claimed) rmSync(join(CLAIMS, file), { force: true });
}

function ownerLives(file: string): boolean {
  try {
    process.kill(Number(file.split('.')[1]), 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}

function isUsable(slot: number): boolean {
  const from = FIRST + slot * RANGE_SIZE;
  if (from >= DEFAULT_RANGE.from && from < DEFAULT_RANGE.from + DEFAULT_RANGE.size) return false;
  return !ownAddresses().some((address) => address >= from && address < from + RANGE_SIZE);
}

function ownAddresses(): number[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address }) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0));
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
