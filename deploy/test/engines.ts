import { join } from 'node:path';
import type { TestEnvironment } from '@cronium/testing';
import {
  type BootstrapContext,
  ensureChromium,
  ensureDashboard,
  ensureDocker,
  ensureImages,
  ensurePostgres,
  ensureValkey,
  IMAGE_TAGS,
} from '../local/bootstrap.ts';

const NEEDS = ['valkey', 'postgres', 'docker', 'images', 'browser'] as const;

/** What a test run can be given. */
export type Need = (typeof NEEDS)[number];

/**
 * Reads CRONIUM_TEST_NEEDS: what to bring for this run, all by default. `none`, or a part such as `valkey,postgres`, makes
 * a run of a few files start at once.
 * @throws RangeError on a word that it does not know
 */
export function parseNeeds(text: string | undefined): ReadonlySet<Need> {
  if (text === undefined || text.trim() === '') return new Set(NEEDS);
  if (text.trim() === 'none') return new Set();
  return new Set(
    text.split(',').map((word) => {
      const need = NEEDS.find((one) => one === word.trim());
      if (need === undefined)
        throw new RangeError(`CRONIUM_TEST_NEEDS: ${word} is none of ${NEEDS.join(', ')}, none`);
      return need;
    }),
  );
}

/** Brings Docker, and the images when they are needed, which need Docker. */
export async function bringDocker(
  context: BootstrapContext,
  needs: ReadonlySet<Need>,
): Promise<Partial<Pick<TestEnvironment, 'dockerHost' | 'images'>>> {
  if (!needs.has('docker') && !needs.has('images')) return {};
  const { host: dockerHost } = await ensureDocker(context);
  if (!needs.has('images')) return { dockerHost };
  await ensureImages(context, { dockerHost });
  const { runtimeApi: runtime, jobBash: bash, jobPython: python, jobNode: node } = IMAGE_TAGS;
  return { dockerHost, images: { runtime, bash, python, node } };
}

/** Brings Valkey and PostgreSQL; what was started is registered for release on the stack. */
export async function bringStores(options: {
  readonly context: BootstrapContext;
  readonly needs: ReadonlySet<Need>;
  readonly stack: AsyncDisposableStack;
  /** Where their data goes. */
  readonly folder: string;
}): Promise<Partial<Pick<TestEnvironment, 'valkeyUrl' | 'databaseUrl'>>> {
  const { context, needs, stack, folder } = options;
  const valkey = needs.has('valkey')
    ? stack.use(await ensureValkey(context, { dir: join(folder, 'valkey') }))
    : undefined;
  const postgres = needs.has('postgres')
    ? stack.use(await ensurePostgres(context, { dir: join(folder, 'postgres') }))
    : undefined;
  return { ...(valkey && { valkeyUrl: valkey.url }), ...(postgres && { databaseUrl: postgres.url }) };
}

/** Brings Chromium, and the built dashboard that it is to show. */
export async function bringBrowser(
  context: BootstrapContext,
  needs: ReadonlySet<Need>,
): Promise<Partial<Pick<TestEnvironment, 'browser'>>> {
  if (!needs.has('browser')) return {};
  await ensureDashboard(context);
  return { browser: await ensureChromium(context) };
}
