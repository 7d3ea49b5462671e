import type { AuditEntry } from '@cronium/contracts';
import { type Context, note } from '../context.ts';
import { type Column, table } from '../render/index.ts';
import { numberOption, type Register } from './register.ts';

interface AuditLogOptions {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly export?: boolean;
}

/** `cronium audit-log`. */
export const addAuditLog: Register = (program, run) => {
  program
    .command('audit-log')
    .description('Shows who did what, when and from where, newest first. For admins.')
    .option('--actor <key>', 'by this API key')
    .option('--action <action>', 'such as job.cancel, or job for all that is done to jobs')
    .option('--target <id>', 'done to this job, batch, node, secret or key')
    .option('--from <time>', 'since then, such as 2026-01-31T12:00:00Z')
    .option('--to <time>', 'before then')
    .option('-n, --limit <number>', 'at most so many', numberOption({ min: 1, whole: true }), 50)
    .option('--export', 'all of it, oldest first, an entry (JSON) a line')
    .action(run(auditLog));
};

async function auditLog(context: Context, options: AuditLogOptions): Promise<undefined> {
  const { limit, export: whole, ...filter } = options;
  const { signal, terminal } = context;
  const client = context.client();
  if (whole === true || context.json) {
    const entries = whole
      ? client.audit.export({ ...filter, signal })
      : client.audit.entries({ ...filter, limit, signal });
    for await (const entry of entries) await terminal.out.write(`${JSON.stringify(entry)}\n`);
    return;
  }
  const entries = await Array.fromAsync(client.audit.entries({ ...filter, limit, signal }));
  if (entries.length === 0) {
    await note(context, 'Nothing of that kind was done.');
    return;
  }
  const lines = table(entries, columns, { width: terminal.width, paint: terminal.out.paint });
  await terminal.out.write(`${lines.join('\n')}\n`);
}

const columns: Column<AuditEntry>[] = [
  { title: 'TIME', value: ({ at }) => at.replace(/\.\d+Z$/, 'Z') },
  { title: 'ACTOR', value: ({ actor }) => actor.replace(/^key:/, ''), flexible: true },
  { title: 'FROM', value: ({ from }) => from ?? '-' },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'TARGET', value: ({ target }) => target, flexible: true },
  { title: 'DETAIL', value: ({ detail }) => detail ?? '', flexible: true },
];
