import { readFileSync } from 'node:fs';

/** The machine's distribution, as far as the bootstrap has to know it. */
export interface Distribution {
  readonly id: string;
  readonly codename: string;
  /** True for Debian itself and what is built from it. */
  readonly debian: boolean;
  readonly name: string;
}

/** Reads os-release(5): shell-like `KEY=value` lines, values optionally quoted. */
export function parseOsRelease(text: string): Distribution {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*?))\s*$/.exec(line);
    if (match?.[1]) fields.set(match[1], match[2] ?? match[3] ?? match[4] ?? '');
  }
  const id = fields.get('ID') ?? 'unknown';
  const like = (fields.get('ID_LIKE') ?? '').split(' ');
  return {
    id,
    codename: fields.get('VERSION_CODENAME') ?? '',
    debian: id === 'debian' || like.includes('debian'),
    name: fields.get('PRETTY_NAME') ?? id,
  };
}

/** The distribution of this machine; one without os-release is not Debian. */
export function thisDistribution(path = '/etc/os-release'): Distribution {
  try {
    return parseOsRelease(readFileSync(path, 'utf8'));
  } catch {
    return { id: process.platform, codename: '', debian: false, name: process.platform };
  }
}
