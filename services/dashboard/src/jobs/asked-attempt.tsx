import type { JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useAddressQuery } from '../data/address.ts';

/** The attempt that the page's address names, else the newest one. */
export function useAskedAttempt(job: JobView): number {
  const asked = Number(useAddressQuery().query.get('attempt') ?? 0);
  return job.attemptList.some(({ attempt }) => attempt === asked) ? asked : Math.max(1, job.attempts);
}

/** Leads to another attempt, where there are several. */
export function AttemptChoice({ job, attempt }: { job: JobView; attempt: number }): JSX.Element | null {
  const { set } = useAddressQuery();
  if (job.attemptList.length < 2) return null;
  return (
    <select
      class="input"
      aria-label="Attempt"
      value={String(attempt)}
      onChange={({ currentTarget }) => set({ attempt: currentTarget.value, line: undefined })}
    >
      {job.attemptList.map((one) => (
        <option key={one.id} value={String(one.attempt)}>
          Attempt {one.attempt}
        </option>
      ))}
    </select>
  );
}
