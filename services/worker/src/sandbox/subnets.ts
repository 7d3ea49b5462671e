import { formatAddress, formatCidr, overlap, parseCidr, type Range } from './cidr.ts';

/** The addresses of one job's network. */
export interface Subnet {
  /** `10.201.0.16/28` */
  readonly cidr: string;
  /** The first address, as Docker would have it; nobody has it. */
  readonly gateway: string;
  readonly sidecarAddress: string;
  readonly jobAddress: string;
}

/** Something else that uses addresses: a network of somebody, a route of the host. */
export interface TakenRange {
  readonly range: Range;
  /** For people: `the route 10.0.0.0/8 of eth1`. */
  readonly by: string;
}

/**
 * Hands out the subnets of a range, each to one holder at a time, in turn, so that one just given back rests. It knows
 * what it gave away and what others were seen to use; Docker has the last word, and what Docker refuses is `avoid`ed.
 */
export class SubnetAllocator {
  readonly #range: Range;
  readonly #size: number;
  readonly #count: number;
  /** Given away by us. */
  readonly #held = new Set<number>();
  /** Used by others when last looked. */
  #foreign = new Set<number>();
  #foreignBy: readonly TakenRange[] = [];
  #next: number;

  /** @param start where the search begins, so that two nodes on one daemon seldom meet */
  constructor(range: Range, bits: number, start = 0) {
    this.#range = range;
    this.#size = 2 ** (32 - bits);
    this.#count = Math.floor(range.size / this.#size);
    this.#next = this.#count === 0 ? 0 : start % this.#count;
  }

  get range(): string {
    return formatCidr(this.#range);
  }

  /** How many subnets are free, as far as is known. */
  get free(): number {
    return this.#count - this.#held.union(this.#foreign).size;
  }

  /** The next free subnet; `undefined` when none is left. It is the caller's until `release`. */
  take(): Subnet | undefined {
    for (let step = 0; step < this.#count; step++) {
      const index = (this.#next + step) % this.#count;
      if (this.#held.has(index) || this.#foreign.has(index)) continue;
      this.#next = (index + 1) % this.#count;
      this.#held.add(index);
      return subnetOf(this.#rangeAt(index));
    }
    return undefined;
  }

  /** Marks a subnet as held: a sandbox of a former process has it. */
  hold(cidr: string): void {
    for (const index of this.#indexes(parseCidr(cidr))) this.#held.add(index);
  }

  release(cidr: string): void {
    for (const index of this.#indexes(parseCidr(cidr))) this.#held.delete(index);
  }

  /** Docker would not have this subnet: someone else uses it, until the next `observe` says otherwise. */
  avoid(cidr: string): void {
    for (const index of this.#indexes(parseCidr(cidr))) {
      this.#held.delete(index);
      this.#foreign.add(index);
    }
  }

  /** Replaces what is known of others' addresses. Our own networks may be among what Docker lists. */
  observe(taken: readonly TakenRange[]): void {
    const isOthers = (index: number) => !this.#held.has(index);
    this.#foreignBy = taken.filter(({ range }) => [...this.#indexes(range)].some(isOthers));
    this.#foreign = new Set(
      this.#foreignBy.flatMap(({ range }) => [...this.#indexes(range)].filter(isOthers)),
    );
  }

  /** Who else uses addresses of the range, for people. */
  conflicts(): string[] {
    return this.#foreignBy.map(({ by }) => by);
  }

  #rangeAt(index: number): Range {
    return { first: this.#range.first + index * this.#size, size: this.#size };
  }

  *#indexes(range: Range | undefined): Generator<number> {
    if (range === undefined || !overlap(range, this.#range)) return;
    const first = Math.max(0, Math.floor((range.first - this.#range.first) / this.#size));
    const last = Math.min(
      this.#count - 1,
      Math.floor((range.first + range.size - 1 - this.#range.first) / this.#size),
    );
    for (let index = first; index <= last; index++) yield index;
  }
}

function subnetOf(range: Range): Subnet {
  return {
    cidr: formatCidr(range),
    gateway: formatAddress(range.first + 1),
    sidecarAddress: formatAddress(range.first + 2),
    jobAddress: formatAddress(range.first + 3),
  };
}

/** The addresses in a subnet that was given out before. */
export function subnetFromCidr(cidr: string): Subnet | undefined {
  const range = parseCidr(cidr);
  return range && subnetOf(range);
}

/**
 * The routes in the text of `/proc/net/route` (proc_net(5): addresses and masks are little-endian hexadecimal). The
 * default route is none of them: it takes nothing away.
 */
export function parseRoutes(text: string): TakenRange[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): TakenRange[] => {
      const [device, destination, , , , , , mask] = line.split(/\s+/);
      if (destination === undefined || mask === undefined || /^0+$/.test(mask)) return [];
      const range = { first: littleEndian(destination), size: 2 ** 32 - littleEndian(mask) };
      return [{ range, by: `the route ${formatCidr(range)} of ${device}` }];
    });
}

function littleEndian(hex: string): number {
  return Buffer.from(hex.padStart(8, '0'), 'hex').readUInt32LE();
}

/** Two nodes on one daemon begin at different places of the range. */
export function startFor(node: string): number {
  return [...node].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 65_521, 7);
}
