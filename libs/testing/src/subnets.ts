import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';

const FIRST = 10 * 2 ** 24 + 192 * 2 ** 16;
const RANGE_SIZE = 2 ** 12;
const RANGES = 1024;
/** 10.201.0.0/16 is the fleet's default range: a local fleet may be using it. */
const DEFAULT_RANGE = { from: 10 * 2 ** 24 + 201 * 2 ** 16, size: 2 ** 16 };

const CLAIMS = join(tmpdir(), `cronium-test-subnets-${process.getuid?.() ?? 0}`);

/**
 * A /20 under 10.192.0.0/10 (`10.192.16.0/20`) that no other living process on this machine was given. It is free again when
 * this process ends. Ranges in which this machine has an address are skipped.
 * @throws Error when all are taken
 */
export function testSubnetRange(): string {
  mkdirSync(CLAIMS, { recursive: true });
  const start = process.pid % RANGES;
  for (let step = 0; step < RANGES; step++) {
    const slot = (start + step) % RANGES;
    if (isUsable(slot) && claim(slot)) return `${dotted(FIRST + slot * RANGE_SIZE)}/20`;
  }
  throw new Error(`no free /20 under 10.192.0.0/10: every file in ${CLAIMS} belongs to a living process`);
}

/** Gives up the claims of processes that are gone; the global set-up calls it at the end. */
export function releaseDeadSubnets(): void {
  try {
    for (const file of readdirSync(CLAIMS))
      if (!ownerLives(join(CLAIMS, file))) rmSync(join(CLAIMS, file), { force: true });
    rmdirSync(CLAIMS);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
}

let releasedAtExit = false;
const claimed: string[] = [];

function claim(slot: number): boolean {
  const file = join(CLAIMS, String(slot));
  if (!createOwned(file)) {
    if (ownerLives(file)) return false;
    rmSync(file, { force: true });
    if (!createOwned(file)) return false;
  }
  claimed.push(file);
  if (!releasedAtExit) process.once('exit', releaseClaims);
  releasedAtExit = true;
  return true;
}

function releaseClaims(): void {
  for (const file of claimed) rmSync(file, { force: true });
}

function createOwned(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** An owner that has not written its id yet counts as living. */
function ownerLives(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH', 'ENOENT');
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
