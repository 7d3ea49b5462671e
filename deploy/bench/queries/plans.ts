import { readFileSync, statSync } from 'node:fs';
import pg from 'pg';
import type { Bed } from './bed.ts';
import type { Request } from './requests.ts';

const SETTINGS: Readonly<Record<string, string>> = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_buffers': 'on',
  'auto_explain.log_timing': 'off',
  'auto_explain.log_verbose': 'off',
  'auto_explain.log_nested_statements': 'on',
};

/** A statement as PostgreSQL ran it. */
export interface Plan {
  readonly milliseconds: number;
  readonly text: string;
}

/** Asks each once more while PostgreSQL writes down the plan of every statement. */
export async function plansOf(
  bed: Bed,
  requests: readonly Request[],
  ask: (request: Request) => Promise<unknown>,
): Promise<Map<string, Plan[]>> {
  await alter(bed, (name, value) => `ALTER ROLE CURRENT_USER SET ${name} = '${value}'`);
  const plans = new Map<string, Plan[]>();
  try {
    await bed.restart();
    for (const request of requests) {
      const from = statSync(bed.postgresLog).size;
      await ask(request);
      plans.set(request.name, parsePlans(readFileSync(bed.postgresLog).subarray(from).toString()));
    }
  } finally {
    await alter(bed, (name) => `ALTER ROLE CURRENT_USER RESET ${name}`);
  }
  return plans;
}

async function alter(bed: Bed, statement: (name: string, value: string) => string): Promise<void> {
  const client = new pg.Client({ connectionString: bed.databaseUrl });
  await client.connect();
  for (const [name, value] of Object.entries(SETTINGS)) await client.query(statement(name, value));
  await client.end();
}

/** Reads the plans from a part of the server's log: a line with the time taken, then tabbed lines. */
export function parsePlans(log: string): Plan[] {
  return [...log.matchAll(/duration: ([\d.]+) ms {2}plan:\n((?:\t.*\n?)+)/g)].map(
    ([, taken, lines = '']) => ({
      milliseconds: Number(taken),
      text: lines.replaceAll(/^\t/gm, '').trimEnd(),
    }),
  );
}
