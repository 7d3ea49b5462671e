import type { JSX } from 'preact';
import { useRoute } from 'preact-iso';
import { mayAct } from '../data/session.ts';
import { useTitle } from '../data/title.ts';
import { Empty } from '../parts/notices.tsx';
import { ApiKeys } from '../settings/api-keys.tsx';
import { Secrets } from '../settings/secrets.tsx';
import { Variables } from '../settings/variables.tsx';
import '../styles/settings.css';

const TABS = { variables: 'Variables', secrets: 'Secrets', keys: 'API keys' } as const;

/** What the tenant stores. */
export default function SettingsPage(): JSX.Element {
  const { tab = 'variables' } = useRoute().params;
  const shown = tab in TABS ? (tab as keyof typeof TABS) : 'variables';
  useTitle(TABS[shown]);
  return (
    <>
      <div class="page-head">
        <h1>Settings</h1>
      </div>
      <nav class="tabs" aria-label="Settings">
        {Object.entries(TABS).map(([name, label]) => (
          <a key={name} href={`/settings/${name}`} aria-current={name === shown}>
            {label}
          </a>
        ))}
      </nav>
      {shown === 'variables' && <Variables />}
      {shown === 'secrets' && <Secrets />}
      {shown === 'keys' && (mayAct('admin') ? <ApiKeys /> : <AdminsOnly />)}
    </>
  );
}

function AdminsOnly(): JSX.Element {
  return (
    <section class="card">
      <Empty title="Only admins see API keys">
        <p>Sign in with an admin’s key, or ask an admin.</p>
      </Empty>
    </section>
  );
}
