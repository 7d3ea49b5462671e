/** An IPv4 range as numbers: its first address and how many it has. */
export interface Range {
  readonly first: number;
  readonly size: number;
}

/** `10.201.0.0` as a number. */
export function parseAddress(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

export function rangeOf(address: string, bits: number): Range {
  const size = 2 ** (32 - bits);
  const number = parseAddress(address);
  return { first: number - (number % size), size };
}

/** Reads `10.201.0.0/28`; `undefined` when it is not an IPv4 range. */
export function parseCidr(text: string): Range | undefined {
  const match = /^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\/(\d{1,2})$/.exec(text);
  return match ? rangeOf(match[1] ?? '', Number(match[2])) : undefined;
}

export function formatCidr({ first, size }: Range): string {
  return `${formatAddress(first)}/${32 - Math.log2(size)}`;
}

export function overlap(a: Range, b: Range): boolean {
  return a.first < b.first + b.size && b.first < a.first + a.size;
}
