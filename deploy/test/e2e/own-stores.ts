import { join } from 'node:path';
import { RUN_VARIABLE, testEnvironment } from '@cronium/testing';
import { bootstrapContext, ensurePostgres, ensureValkey, type LocalService } from '../../local/bootstrap.ts';

/** A Valkey of a test's own, which it may break, with its data in the folder. It ends with the stack. */
export async function openValkey(stack: AsyncDisposableStack, folder: string): Promise<LocalService> {
  return stack.use(await ensureValkey(context(), { dir: join(folder, 'valkey') }));
}

/** A PostgreSQL of a test's own, like {@link openValkey}. */
export async function openPostgres(stack: AsyncDisposableStack, folder: string): Promise<LocalService> {
  return stack.use(await ensurePostgres(context(), { dir: join(folder, 'postgres') }));
}

/** With the run's id, so that what is started is found and ended when the test runner is killed. */
function context() {
  const env = { PATH: process.env.PATH, [RUN_VARIABLE]: testEnvironment().runId };
  return bootstrapContext({ env, report: () => undefined });
}
