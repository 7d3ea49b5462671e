import { QueryClientProvider } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { ErrorBoundary, LocationProvider, Route, Router, useLocation } from 'preact-iso';
import { queries } from './data/client.ts';
import { lookAgain, session } from './data/session.ts';
import { JobPage } from './pages/job.tsx';
import { JobsPage } from './pages/jobs.tsx';
import { page } from './pages/page.tsx';
import { Empty, Problem } from './parts/notices.tsx';
import { Toast } from './parts/toast.tsx';
import { Side } from './shell/side.tsx';
import { SignIn } from './shell/sign-in.tsx';

const OverviewPage = page(() => import('./pages/overview.tsx'));
const BatchesPage = page(() => import('./pages/batches.tsx'));
const BatchPage = page(() => import('./pages/batch.tsx'));
const TracesPage = page(() => import('./pages/traces.tsx'));
const TracePage = page(() => import('./pages/trace.tsx'));
const WorkersPage = page(() => import('./pages/workers.tsx'));
const SchedulesPage = page(() => import('./pages/schedules.tsx'));
const FlowsPage = page(() => import('./pages/flows.tsx'));
const FlowPage = page(() => import('./pages/flow.tsx'));
const AuditPage = page(() => import('./pages/audit.tsx'));
const SettingsPage = page(() => import('./pages/settings.tsx'));

/** The dashboard: signing in, or the pages. */
export function App(): JSX.Element {
  const { value } = session;
  switch (value.state) {
    case 'unknown':
      return <p class="hidden-label">Signing in…</p>;
    case 'away':
      return (
        <main class="sign-in">
          <Problem
            what="The fleet cannot be reached."
            error={value.problem}
            onRetry={() => void lookAgain()}
          />
        </main>
      );
    case 'out':
      return <SignIn problem={value.problem} />;
    case 'in':
      return (
        <QueryClientProvider client={queries}>
          <LocationProvider>
            <Shell />
          </LocationProvider>
        </QueryClientProvider>
      );
  }
}

function Shell(): JSX.Element {
  const main = useRef<HTMLElement>(null);
  const { path } = useLocation();
  const before = useRef(path);
  useEffect(() => {
    // Who reads with a keyboard or a screen reader goes on at the new page's beginning.
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Side />
      <main id="main" class="main" ref={main} tabIndex={-1}>
        <ErrorBoundary>
          <Router>
            <Route path="/" component={OverviewPage} />
            <Route path="/jobs" component={JobsPage} />
            <Route path="/jobs/:id" component={JobPage} />
            <Route path="/batches" component={BatchesPage} />
            <Route path="/batches/:id" component={BatchPage} />
            <Route path="/traces" component={TracesPage} />
            <Route path="/traces/:traceId" component={TracePage} />
            <Route path="/workers" component={WorkersPage} />
            <Route path="/schedules" component={SchedulesPage} />
            <Route path="/flows" component={FlowsPage} />
            <Route path="/flows/:id" component={FlowPage} />
            <Route path="/audit" component={AuditPage} />
            <Route path="/settings/:tab?" component={SettingsPage} />
            <Route default component={NotFound} />
          </Router>
        </ErrorBoundary>
      </main>
      <Toast />
    </div>
  );
}

function NotFound(): JSX.Element {
  return (
    <Empty title="There is no such page">
      <p>
        Go to the <a href="/">overview</a>, or look for a job among <a href="/jobs">all jobs</a>.
      </p>
    </Empty>
  );
}
