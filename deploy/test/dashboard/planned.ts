import type { JobInput } from '@cronium/contracts';
import { timelineFrom } from './scripted-node.ts';
import type { Stage } from './stage.ts';

/** Must be shown as text wherever a name is shown. */
export const MARKUP = '<img src=x onerror="document.title=\'taken\'">';

const job: JobInput = { type: 'script', script: { language: 'bash', source: 'true' } };

/** A flow of the real producer: of its steps some ended, one runs, one is left out, one waits. Returns its id. */
export async function playFlow({ client, node }: Stage): Promise<string> {
  const flow = await client.flows.submit({
    name: `release ${MARKUP}`,
    steps: [
      { name: 'build', job },
      { name: 'lint', job },
      { name: 'test', job, after: [{ step: 'build' }] },
      { name: 'deploy', job, after: [{ step: 'test' }] },
      { name: 'tell-the-team', job, after: [{ step: 'test', when: 'failed' }] },
      { name: 'tidy', job, after: [{ step: 'deploy', when: 'always' }, { step: 'lint' }] },
      { name: 'gate', job, after: [{ step: 'build', when: 'condition' }, { step: 'lint' }] },
    ],
  });
  const end = async (step: string, state: 'succeeded' | 'failed') => {
    const id = flow.steps.find(({ name }) => name === step)?.jobId ?? '';
    const exitCode = state === 'succeeded' ? 0 : 1;
    await node.report(node.payload({ name: step }, id), {
      timeline: timelineFrom(Date.now() - 4000, 'teardown_ended'),
      ...{ state, final: true },
      outcome: { state, exitCode, death: null },
    });
  };
  await end('build', 'succeeded');
  await end('test', 'failed');
  const lint = flow.steps.find(({ name }) => name === 'lint')?.jobId ?? '';
  await node.report(node.payload({ name: 'lint' }, lint));
  return flow.id;
}

/** One by cron, one by an interval that is paused; none comes while a test runs. */
export async function makeSchedules({ client }: Stage): Promise<void> {
  await client.schedules.put('nightly-report', {
    cron: '0 3 29 2 *',
    timeZone: 'Europe/Berlin',
    job: { ...job, name: `report ${MARKUP}` },
  });
  await client.schedules.put('sweep', { everySeconds: 86_400, paused: true, job });
}
