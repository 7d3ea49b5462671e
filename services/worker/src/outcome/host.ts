import { readFileSync } from 'node:fs';
import { freemem, loadavg, totalmem } from 'node:os';

const RECENT_MS = 100;
const PRESSURES = ['cpu', 'memory', 'io'] as const;

/** How busy a host is: load, free memory, and the kernel's pressure where it says so. */
export type HostFacts = Readonly<Record<string, number>>;

/** This host, right now. */
export function hostFacts(): HostFacts {
  const pressures = PRESSURES.flatMap((name) => {
    const share = pressureOf(name);
    return share === undefined ? [] : [[`${name}PressurePercent`, share] as const];
  });
  return {
    load1: loadavg()[0] ?? 0,
    freeBytes: freemem(),
    totalBytes: totalmem(),
    ...Object.fromEntries(pressures),
  };
}

/** This host as it was a moment ago: many jobs may end in one. */
export function recentHostFacts(
  read: () => HostFacts = hostFacts,
  now = () => performance.now(),
): () => HostFacts {
  let known: { readonly facts: HostFacts; readonly at: number } | undefined;
  return () => {
    if (known === undefined || now() - known.at > RECENT_MS) known = { facts: read(), at: now() };
    return known.facts;
  };
}

/** The share of the last ten seconds in which something waited for it (kernel documentation, accounting/psi). */
function pressureOf(name: (typeof PRESSURES)[number]): number | undefined {
  try {
    return parsePressure(readFileSync(`/proc/pressure/${name}`, 'utf8'));
  } catch {
    // A kernel without pressure information, or one that has it switched off.
    return undefined;
  }
}

/** `avg10` of the line `some avg10=1.23 avg60=…`. */
export function parsePressure(text: string): number | undefined {
  const match = /^some avg10=([\d.]+)/m.exec(text);
  return match ? Number(match[1]) : undefined;
}
