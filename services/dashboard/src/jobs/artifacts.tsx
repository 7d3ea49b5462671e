import type { ArtifactView, JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useArtifacts } from '../data/reads.ts';
import { bytes } from '../format/numbers.ts';
import { atMs } from '../format/time.ts';
import { Copy } from '../parts/copy.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { Time } from '../parts/time.tsx';
import { AttemptChoice, useAskedAttempt } from './asked-attempt.tsx';

/** The files that an attempt stored. */
export function ArtifactsTab({ job }: { job: JobView }): JSX.Element {
  const attempt = useAskedAttempt(job);
  return (
    <>
      {job.attemptList.length > 1 && (
        <div class="log-tools">
          <AttemptChoice job={job} attempt={attempt} />
        </div>
      )}
      <Artifacts job={job} attempt={attempt} />
    </>
  );
}

function Artifacts({ job, attempt }: { job: JobView; attempt: number }): JSX.Element {
  const { data: artifacts, error, refetch } = useArtifacts(job.id, attempt, job.state);
  if (artifacts === undefined) {
    if (error === null) return <Loading />;
    return <Problem what="The artifacts cannot be read." error={error} onRetry={() => void refetch()} />;
  }
  if (artifacts.length === 0) {
    return (
      <Empty title="No artifacts">
        <p>
          A job stores files that its <code>artifacts</code> name, and those that it gives to{' '}
          <code>cronium_artifact</code> in Bash, or <code>cronium.artifact(…)</code> in Python and Node.js.
        </p>
      </Empty>
    );
  }
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col" class="right">
              Size
            </th>
            <th scope="col">SHA-256</th>
            <th scope="col" class="right">
              Stored
            </th>
          </tr>
        </thead>
        <tbody>
          {artifacts.map((artifact) => (
            <Row key={artifact.path} job={job} artifact={artifact} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ job, artifact }: { job: JobView; artifact: ArtifactView }): JSX.Element {
  const { path, attempt, sha256 } = artifact;
  const address = path.split('/').map(encodeURIComponent).join('/');
  return (
    <tr>
      <td class="name">
        <a
          href={`/v1/jobs/${job.id}/artifacts/${address}?attempt=${attempt}`}
          download={path.split('/').at(-1)}
        >
          {path}
        </a>
      </td>
      <td class="right nowrap number">{bytes(artifact.bytes)}</td>
      <td class="nowrap">
        <span class="mono muted">{sha256.slice(0, 16)}…</span> <Copy text={sha256} what="the SHA-256" />
      </td>
      <td class="right">
        <Time ms={atMs(artifact.createdAt)} />
      </td>
    </tr>
  );
}
