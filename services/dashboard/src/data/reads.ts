import type { JobPage, JobState } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { client } from './client.ts';
import { linkState, onActivity, pollMs, useLive } from './live.ts';

/** Reads while news do not come: the signal makes the component notice the change. */
function usePoll(): number | false {
  return linkState.value === 'live' ? false : pollMs();
}

const ARTIFACTS_MS = 3000;

export function useJob(id: string) {
  useLive({ jobs: [id] });
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['job', id],
    queryFn: ({ signal }) => client.job(id, { signal }),
    refetchInterval,
  });
}

export type JobPageFilter = Parameters<typeof client.jobPage>[0];

/** Each looks at some 5000 jobs and takes some 20 ms. */
const MOST_LOOKS = 60;

/** Rare jobs are searched for page by page, for a second or two; then the person says whether to look further back. */
async function firstFound(filter: JobPageFilter, signal: AbortSignal): Promise<JobPage> {
  let page = await client.jobPage(filter, { signal });
  for (let looks = 1; looks < MOST_LOOKS && page.jobs.length === 0 && page.cursor !== null; looks++) {
    page = await client.jobPage({ ...filter, cursor: page.cursor }, { signal });
  }
  return page;
}

export function useJobPage(filter: JobPageFilter) {
  useLive({ activity: true });
  const refetchInterval = usePoll();
  return useQuery<JobPage>({
    queryKey: ['jobs', filter],
    queryFn: ({ signal }) => firstFound(filter, signal),
    placeholderData: keepPreviousData,
    refetchInterval,
    ...onActivity,
  });
}

export function useDeath(id: string, attempt: number, died: boolean) {
  return useQuery({
    queryKey: ['death', id, attempt],
    queryFn: ({ signal }) => client.death(id, { attempt, signal }),
    enabled: died,
  });
}

/** What an attempt stored. News of the job do not tell of artifacts: while it runs they are looked for again. */
export function useArtifacts(id: string, attempt: number, state: JobState) {
  return useQuery({
    queryKey: ['artifacts', id, attempt, state],
    queryFn: ({ signal }) => client.explore.artifacts(id, { attempt, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: isTerminal(state) ? false : ARTIFACTS_MS,
  });
}

export function useWhy(id: string, state: string) {
  return useQuery({ queryKey: ['why', id, state], queryFn: ({ signal }) => client.why(id, { signal }) });
}

export function useJobTrace(id: string, version: string) {
  return useQuery({
    queryKey: ['trace', 'job', id, version],
    queryFn: ({ signal }) => client.trace(id, { signal }),
    placeholderData: keepPreviousData,
  });
}

export function useTrace(traceId: string) {
  useLive({ activity: true });
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['trace', traceId],
    queryFn: ({ signal }) => client.traceById(traceId, { signal }),
    refetchInterval,
    ...onActivity,
  });
}

export function useBatch(id: string) {
  useLive({ batches: [id], activity: true });
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['batch', id],
    queryFn: ({ signal }) => client.batch(id, { signal }),
    refetchInterval,
  });
}

export function useBatchFailures(id: string) {
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['batch-failures', id],
    queryFn: ({ signal }) => client.explore.batchFailures(id, { signal }),
    refetchInterval,
    ...onActivity,
  });
}

export function useBatchPage(cursor: string | undefined) {
  useLive({ activity: true });
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['batches', cursor],
    queryFn: ({ signal }) => client.explore.batches({ limit: 25, cursor }, { signal }),
    placeholderData: keepPreviousData,
    refetchInterval,
    ...onActivity,
  });
}

export function useFlowPage(filter: Parameters<typeof client.flows.page>[0]) {
  useLive({ activity: true });
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['flows', filter],
    queryFn: ({ signal }) => client.flows.page(filter, { signal }),
    placeholderData: keepPreviousData,
    refetchInterval,
    ...onActivity,
  });
}

const FLOW_MS = 2000;

/** A flow moves on a moment behind its jobs, and nothing tells of that: one that runs is looked at again. */
export function useFlow(id: string) {
  useLive({ activity: true });
  return useQuery({
    queryKey: ['flow', id],
    queryFn: ({ signal }) => client.flows.get(id, { signal }),
    refetchInterval: ({ state }) => (state.data?.state === 'running' ? FLOW_MS : false),
    ...onActivity,
  });
}

const SCHEDULES_MS = 5000;

export function useSchedules() {
  useLive({ activity: true });
  return useQuery({
    queryKey: ['schedules'],
    queryFn: ({ signal }) => client.schedules.list({ signal }),
    refetchInterval: SCHEDULES_MS,
    ...onActivity,
  });
}

export function useAuditPage(filter: NonNullable<Parameters<typeof client.audit.page>[0]>) {
  useLive({ activity: true });
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['audit', filter],
    queryFn: ({ signal }) => client.audit.page({ ...filter, signal }),
    placeholderData: keepPreviousData,
    refetchInterval,
    ...onActivity,
  });
}

const WORKERS_MS = 5000;

export function useWorkers() {
  useLive({ workers: true });
  return useQuery({
    queryKey: ['workers'],
    queryFn: ({ signal }) => client.workers({ signal }),
    refetchInterval: WORKERS_MS,
  });
}

const OVERVIEW_MS = 5000;

export function useOverview(minutes: number) {
  useLive({ activity: true });
  return useQuery({
    queryKey: ['overview', minutes],
    queryFn: ({ signal }) => client.explore.overview(minutes, { signal }),
    placeholderData: keepPreviousData,
    refetchInterval: OVERVIEW_MS,
    ...onActivity,
  });
}

export function useQueues() {
  const refetchInterval = usePoll();
  return useQuery({
    queryKey: ['queues'],
    queryFn: ({ signal }) => client.queues({ signal }),
    refetchInterval: refetchInterval || OVERVIEW_MS,
    ...onActivity,
  });
}
