import type { WorkersView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { client } from '../data/client.ts';
import { useWorkers } from '../data/reads.ts';
import { mayAct } from '../data/session.ts';
import { useTitle } from '../data/title.ts';
import { atMs } from '../format/time.ts';
import { Action } from '../parts/action.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { Time } from '../parts/time.tsx';
import '../styles/workers.css';

type Worker = WorkersView['workers'][number];

const LOOKS: Readonly<Record<Worker['state'], { label: string; colour: string }>> = {
  ready: { label: 'Ready', colour: 'succeeded' },
  not_ready: { label: 'Not ready', colour: 'timed_out' },
  draining: { label: 'Draining', colour: 'draining' },
  stopped: { label: 'Stopped', colour: 'cancelled' },
  gone: { label: 'Gone', colour: 'failed' },
};

/** The nodes of the fleet. */
export default function WorkersPage(): JSX.Element {
  useTitle('Workers');
  const { data, error, refetch } = useWorkers();
  const workers = data?.workers ?? [];
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Workers</h1>
        {workers.length > 0 && <span class="muted">{summary(workers)}</span>}
      </div>
      {error !== null && (
        <Problem what="The workers cannot be listed." error={error} onRetry={() => void refetch()} />
      )}
      {data === undefined ? (
        error === null && <Loading rows={5} />
      ) : workers.length === 0 ? (
        <section class="card">
          <Empty title="No worker has joined">
            <p>Jobs wait until one does. Start a worker with the same Valkey and results addresses.</p>
          </Empty>
        </section>
      ) : (
        <ul class="workers">
          {workers.map((worker) => (
            <li key={worker.node}>
              <WorkerCard worker={worker} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function summary(workers: readonly Worker[]): string {
  const ready = workers.filter(({ state }) => state === 'ready');
  const sum = (of: (worker: Worker) => number) => ready.reduce((total, worker) => total + of(worker), 0);
  return `${ready.length} of ${workers.length} ready, ${sum(({ busy }) => busy)} of ${sum(({ slots }) => slots)} slots busy`;
}

function WorkerCard({ worker }: { worker: Worker }): JSX.Element {
  const { label, colour } = LOOKS[worker.state];
  return (
    <section class="card" aria-label={worker.node}>
      <div class="card-head">
        <h2>{worker.node}</h2>
        <span class="state" style={{ color: `var(--${colour})` }}>
          {label}
        </span>
        <span class="grow" />
        <WorkerAction worker={worker} />
      </div>
      <div class="card-body stack">
        {worker.reasons.length > 0 && (
          <p role="status" style={{ color: 'var(--timed_out)' }}>
            {worker.reasons.join('; ')}
          </p>
        )}
        <Slots worker={worker} />
        <dl class="facts">
          <div>
            <dt>Last seen</dt>
            <dd>
              <Time ms={atMs(worker.lastSeenAt)} age />
            </dd>
          </div>
          <div>
            <dt>Started</dt>
            <dd>
              <Time ms={atMs(worker.startedAt)} age />
            </dd>
          </div>
          <div>
            <dt>Version</dt>
            <dd>{worker.version}</dd>
          </div>
          <div>
            <dt>Docker</dt>
            <dd>
              {worker.docker === null ? '–' : `${worker.docker.version}, cgroup ${worker.docker.cgroup}`}
            </dd>
          </div>
          <div>
            <dt>Pools</dt>
            <dd>{worker.pools.join(', ')}</dd>
          </div>
          {worker.services.length > 0 && (
            <div>
              <dt>Services</dt>
              <dd>{worker.services.map(({ name, ports }) => `${name}:${ports.join(',')}`).join(' ')}</dd>
            </div>
          )}
        </dl>
        {Object.keys(worker.labels).length > 0 && (
          <div class="chips">
            {Object.entries(worker.labels).map(([name, value]) => (
              <span class="chip" key={name}>
                <span class="muted">{name}</span>
                {value}
              </span>
            ))}
          </div>
        )}
        <details>
          <summary>{worker.images.length} images</summary>
          <ul class="images mono">
            {worker.images.map((image) => (
              <li key={image}>{image}</li>
            ))}
          </ul>
        </details>
      </div>
    </section>
  );
}

/** More slots than this are shown as one bar. */
const MOST_SLOTS = 64;

function Slots({ worker: { slots, busy } }: { worker: Worker }): JSX.Element {
  const text = `${busy} of ${slots} slots busy`;
  if (slots > MOST_SLOTS) {
    return (
      <div>
        <div class="muted number">{text}</div>
        <div class="meter">
          <span style={{ width: `${(busy / slots) * 100}%`, background: 'var(--fill-running)' }} />
        </div>
      </div>
    );
  }
  return (
    <div>
      <div class="muted number">{text}</div>
      <div class="slots" aria-hidden="true">
        {Array.from({ length: slots }, (_, slot) => (
          <i key={slot} data-busy={slot < busy} />
        ))}
      </div>
    </div>
  );
}

function WorkerAction({ worker }: { worker: Worker }): JSX.Element | null {
  if (!mayAct('admin') || worker.state === 'gone' || worker.state === 'stopped') return null;
  const changes = ['workers'];
  if (worker.state === 'draining') {
    return (
      <Action
        run={() => client.resume(worker.node)}
        changes={changes}
        kind="small"
        done={`${worker.node} takes jobs again.`}
      >
        Resume
      </Action>
    );
  }
  return (
    <Action
      run={() => client.drain(worker.node)}
      changes={changes}
      kind="small"
      done={`${worker.node} takes no new jobs.`}
      confirm={{
        title: `Drain ${worker.node}?`,
        text: 'It finishes what it runs and takes nothing new, until it is resumed.',
        button: 'Drain it',
      }}
    >
      Drain
    </Action>
  );
}
