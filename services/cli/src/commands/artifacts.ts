import type { ArtifactView } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { type Column, table } from '../render/index.ts';
import { numberOption, type Register } from './register.ts';

interface ArtifactsOptions {
  readonly attempt?: number;
}

/** `cronium artifacts`. */
export const addArtifacts: Register = (program, run) => {
  program
    .command('artifacts')
    .description('Lists the files that a job stored; with a path, writes that one to the standard output.')
    .argument('<id>')
    .argument('[path]')
    .option('--attempt <number>', 'of this attempt', numberOption({ min: 1, whole: true }))
    .action(run(artifacts));
};

async function artifacts(
  context: Context,
  id: string,
  path: string | undefined,
  { attempt }: ArtifactsOptions,
): Promise<undefined> {
  const { signal, terminal } = context;
  const { explore } = context.client();
  const of = { signal, ...(attempt !== undefined && { attempt }) };
  if (path !== undefined) {
    for await (const part of await explore.artifact(id, path, of)) await terminal.out.write(part);
    return;
  }
  const list = await explore.artifacts(id, of);
  if (list.length === 0) await note(context, 'The job stored nothing.');
  await print(context, list, () =>
    list.length === 0 ? [] : table(list, COLUMNS, { width: terminal.width, paint: terminal.out.paint }),
  );
}

const COLUMNS: Column<ArtifactView>[] = [
  { title: 'PATH', value: ({ path }) => path, flexible: true },
  { title: 'BYTES', value: ({ bytes }) => String(bytes), align: 'right' },
  { title: 'SHA-256', value: ({ sha256 }) => sha256 },
];
