import { DEFAULT_PORT_BASE } from '../fleet/engines.ts';
import type { DemoFleet } from './bring-fleet.ts';

/** The demo's last words: where to look further, and how to stop the fleet or start it again at the same ports. */
export function whatNow(
  { goesOn, local }: { readonly goesOn: boolean; readonly local: Pick<DemoFleet['local'], 'dashboardUrl'> },
  portBase: number,
): string[] {
  if (goesOn) return [`The dashboard: ${local.dashboardUrl}`, 'The fleet goes on. Stop it with: npm stop'];
  const start = portBase === DEFAULT_PORT_BASE ? 'npm start' : `npm start -- --port-base ${portBase}`;
  return [
    `Stopping the fleet. All that ran is kept in .cronium/; after ${start} the dashboard shows it:`,
    `  ${local.dashboardUrl}`,
  ];
}
