import type { AccountsView } from '@cronium/contracts';
import { pause } from '@cronium/lifecycle';
import { type AccountSources, type Found, type Look, look } from './look.ts';

const MOST_LISTED = 1000;

/**
 * Balances the fleet's accounts: every accepted job is ended, waiting or running, and Docker runs what ought to run.
 *
 * The three stores can't be read in one moment, and a fleet at work moves between two readings. So what looks wrong is
 * looked at again after a while, and is a discrepancy only when it is still there.
 * @param againMs how long to wait before the second look
 */
export async function balanceAccounts(sources: AccountSources, againMs: number): Promise<AccountsView> {
  const first = await look(sources);
  if (first.found.length === 0) return view(first, []);
  await pause(againMs, sources.signal);
  const second = await look(sources);
  const before = new Set(first.found.map(({ key }) => key));
  return view(
    second,
    second.found.filter(({ key }) => before.has(key)),
  );
}

function view({ accepted, ended, waiting, running, counted }: Look, lasting: readonly Found[]): AccountsView {
  const nodes = counted.map(({ node, census }) => ({
    node,
    answered: census !== undefined,
    containers: census?.sandboxes.filter((sandbox) => sandbox.running).length ?? 0,
  }));
  return {
    at: new Date().toISOString(),
    balanced: lasting.length === 0,
    ...{ accepted, ended, waiting, running, nodes },
    containers: nodes.reduce((sum, { containers }) => sum + containers, 0),
    discrepancies: lasting
      .slice(0, MOST_LISTED)
      .map(({ kind, jobId, node, message }) => ({ kind, jobId, node, message })),
  };
}
